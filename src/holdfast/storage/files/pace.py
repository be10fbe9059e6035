"""Decide whether a disk is so quick that another thread would only make it slower."""

from __future__ import annotations

SLOW_NS = 2_000_000
"""A sync that takes longer, in nanoseconds, would be felt by others in the same event loop."""

_FIRST_REST = 8
_LONGEST_REST = 256


class Pace:
    """What the last syncs say of the next one.

    After a slow one some must not be waited for; if the next one that is waited for is slow again,
    twice as many. So a disk that is always slow is felt once in 256 syncs.
    """

    def __init__(self) -> None:
        self._rest = 1  # nobody knows yet
        self._next_rest = _FIRST_REST

    @property
    def is_quick(self) -> bool:
        """Whether the next sync can be waited for."""
        return not self._rest

    def note(self, took_ns: int) -> None:
        """Take in how long a sync took."""
        if took_ns > SLOW_NS:
            self._rest = self._next_rest
            self._next_rest = min(2 * self._next_rest, _LONGEST_REST)
        elif self._rest:
            self._rest -= 1
        else:
            self._next_rest = _FIRST_REST
