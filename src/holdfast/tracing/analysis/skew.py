"""Set the clocks of processes right that took part in one trace.

A span that was called over a wire lies within the span that called it. Where its times say
otherwise its clock is wrong: its process is shifted by as little as puts all its calls inside.
What was only sent off (producer and consumer) may begin late and proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

from holdfast.tracing.span import Source, Span, Value

_WHO = ("service.instance.id", "host.name", "process.pid", "service.name")
_UNFINISHED = frozenset({"open", "lost"})

Pair = tuple[str, str]


def clock_shifts(spans: Sequence[Span], parents: Sequence[int]) -> Sequence[int]:
    """Return by how many nanoseconds to move each span; nothing if none is to be moved.

    `parents` are places in `spans`, -1 for none, without circles. A process that cannot be put
    right as a whole has each of its calls moved by itself.
    """
    processes = _processes(spans)
    if not processes:
        return ()
    edges = {
        place: (processes[parent], processes[place])
        for place, parent in enumerate(parents)
        if parent >= 0 and processes[parent] != processes[place]
    }
    bounds = {place: _bounds(spans[place], spans[parents[place]]) for place in edges}
    whole = _whole(edges, bounds)
    own: dict[int, int] = {}
    for place, pair in edges.items():
        shared = whole[pair]
        own[place] = _nearest(bounds[place]) if shared is None else shared
    return _handed_down(own, parents) if any(own.values()) else ()


def _processes(spans: Sequence[Span]) -> Sequence[str]:
    """Return who made each span; nothing if it was one process."""
    if len({id(span.source) for span in spans}) < 2:
        return ()
    sources = {id(span.source): span.source for span in spans}
    known = {at: _process(source) for at, source in sources.items()}
    if len(set(known.values())) < 2:
        return ()
    return [known[id(span.source)] for span in spans]


def _process(source: Source) -> str:
    said: list[Value] = [source.resource.get(key) for key in _WHO]
    return "\n".join("" if each is None else str(each) for each in said)


def _bounds(child: Span, parent: Span) -> tuple[float, float]:
    """Return the least and the most that the child may be moved by."""
    if parent.kind == "producer" or child.kind == "consumer":
        return -inf, inf
    low = parent.start_ns - child.start_ns
    high = parent.end_ns - child.end_ns
    if high < low or parent.status in _UNFINISHED or child.status in _UNFINISHED:
        return low, inf
    return low, high


def _whole(
    edges: Mapping[int, Pair], bounds: Mapping[int, tuple[float, float]]
) -> dict[Pair, int | None]:
    """Return one shift for all calls from a process to another; None if none fits all."""
    common: dict[Pair, tuple[float, float]] = {}
    for place, pair in edges.items():
        low, high = common.get(pair, (-inf, inf))
        common[pair] = max(low, bounds[place][0]), min(high, bounds[place][1])
    return {pair: _nearest(each) if each[0] <= each[1] else None for pair, each in common.items()}


def _nearest(bounds: tuple[float, float]) -> int:
    """Return the number nearest to 0 within bounds."""
    low, high = bounds
    if low > 0:
        return int(low)
    return int(high) if high < 0 else 0


def _handed_down(own: Mapping[int, int], parents: Sequence[int]) -> Sequence[int]:
    """Add to the shift of each span those of the spans above it."""
    total: dict[int, int] = {-1: 0}
    for place in range(len(parents)):
        way: list[int] = []
        at = place
        while at not in total:
            way.append(at)
            at = parents[at]
        shift = total[at]
        for each in reversed(way):
            shift += own.get(each, 0)
            total[each] = shift
    return [total[place] for place in range(len(parents))]
