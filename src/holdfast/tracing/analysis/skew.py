"""Set the clocks of processes right that took part in one trace.

A span that was called over a wire lies within the span that called it. Where its times say
otherwise its clock is wrong: its process is shifted by as little as puts all its calls inside.
What was only sent off (producer and consumer) may begin late and proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from holdfast.tracing.span import Source, Span, Value

_WHO = ("service.instance.id", "host.name", "process.pid", "service.name")
_UNFINISHED = frozenset({"open", "lost"})

Pair = tuple[str, str]


def clock_shifts(spans: Mapping[str, Span], parents: Mapping[str, str | None]) -> Mapping[str, int]:
    """Return by how many nanoseconds to move each span that is to be moved.

    `spans` and `parents` are by span id, without circles. A process that cannot be put right as a
    whole has each of its calls moved by itself.
    """
    processes = _processes(spans)
    if len(set(processes.values())) < 2:
        return {}
    edges = {
        name: (processes[parent], processes[name])
        for name, parent in parents.items()
        if parent is not None and processes[parent] != processes[name]
    }
    bounds = {name: _bounds(spans[name], spans[parents[name] or ""]) for name in edges}
    whole = _whole(edges, bounds)
    own: dict[str, int] = {}
    for name, pair in edges.items():
        shared = whole[pair]
        own[name] = _nearest(bounds[name]) if shared is None else shared
    return _handed_down(own, parents) if any(own.values()) else {}


def _processes(spans: Mapping[str, Span]) -> dict[str, str]:
    known: dict[int, str] = {}
    found: dict[str, str] = {}
    for name, span in spans.items():
        at = id(span.source)  # the spans hold their sources, so no address is used again
        if at not in known:
            known[at] = _process(span.source)
        found[name] = known[at]
    return found


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
    edges: Mapping[str, Pair], bounds: Mapping[str, tuple[float, float]]
) -> dict[Pair, int | None]:
    """Return one shift for all calls from a process to another; None if none fits all."""
    common: dict[Pair, tuple[float, float]] = {}
    for name, pair in edges.items():
        low, high = common.get(pair, (-inf, inf))
        common[pair] = max(low, bounds[name][0]), min(high, bounds[name][1])
    return {pair: _nearest(each) if each[0] <= each[1] else None for pair, each in common.items()}


def _nearest(bounds: tuple[float, float]) -> int:
    """Return the number nearest to 0 within bounds."""
    low, high = bounds
    if low > 0:
        return int(low)
    return int(high) if high < 0 else 0


def _handed_down(own: Mapping[str, int], parents: Mapping[str, str | None]) -> Mapping[str, int]:
    """Add to the shift of each span those of the spans above it."""
    total: dict[str, int] = {}
    for name in parents:
        way: list[str] = []
        at: str | None = name
        while at is not None and at not in total:
            way.append(at)
            at = parents[at]
        shift = total[at] if at is not None else 0
        for each in reversed(way):
            shift += own.get(each, 0)
            total[each] = shift
    return {name: shift for name, shift in total.items() if shift}
