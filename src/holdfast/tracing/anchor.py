"""Tell the wall clock by the monotonic one."""

from __future__ import annotations

from holdfast.clock import Clock

TOLERANCE_NS = 50_000_000
"""How far the two may drift apart before the anchor is set anew."""


class Anchor:
    """What to add to the monotonic clock to have nanoseconds of the Unix epoch.

    It stays while the clocks agree, so that spans never disagree about their order, and is renewed
    when the machine was suspended or its clock was set. A trace keeps the one it began with.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ns = self._measure()

    def __call__(self) -> int:
        """Return it, renewed if it has become wrong."""
        measured = self._measure()
        if abs(measured - self._ns) > TOLERANCE_NS:
            self._ns = measured
        return self._ns

    def _measure(self) -> int:
        return self._clock.now_ms() * 1_000_000 - self._clock.monotonic_ns()
