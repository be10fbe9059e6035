"""Lay spans out on lanes, so that on each lane they lie inside one another or apart. Pure.

Viewers made for threads draw nothing else: work that ran at the same time needs a lane of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from holdfast.tracing.span import Span


class Placed(NamedTuple):
    """A span and the number of its lane, from 0."""

    span: Span
    lane: int


class _Lane:
    def __init__(self) -> None:
        self._ends: list[int] = []

    def takes(self, span: Span) -> bool:
        """Put the span onto the lane, if it lies inside or behind what is there."""
        while self._ends and self._ends[-1] <= span.start_ns:
            self._ends.pop()
        if self._ends and self._ends[-1] < span.end_ns:
            return False
        self._ends.append(span.end_ns)
        return True


def place(spans: Sequence[Span]) -> list[Placed]:
    """Return the spans in the order in which they began, each on its parent's lane if it fits."""
    lanes: list[_Lane] = []
    homes: dict[str, int] = {}
    placed: list[Placed] = []
    for span in sorted(spans, key=lambda each: (each.start_ns, -each.duration_ns)):
        home = homes.get(span.parent_id or "", 0)
        number = _find(lanes, span, home)
        homes[span.span_id] = number
        placed.append(Placed(span, number))
    return placed


def _find(lanes: list[_Lane], span: Span, home: int) -> int:
    for number in (home, *range(len(lanes))):
        if number < len(lanes) and lanes[number].takes(span):
            return number
    lanes.append(_Lane())
    lanes[-1].takes(span)
    return len(lanes) - 1
