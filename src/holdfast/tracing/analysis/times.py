"""Where the time of a trace went: own time, the critical path, waiting, speed of models, names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from holdfast.frozen import frozen
from holdfast.tracing.analysis.paths import NOTHING, Segment, critical_path
from holdfast.tracing.analysis.trace import Trace
from holdfast.tracing.analysis.tree import Tree
from holdfast.tracing.analysis.waits import Why, pauses_of

Share = Literal["duration", "path"]


@frozen
class Times:
    """The times of a trace in nanoseconds. Sequences have one element a span, by number.

    The critical path takes `total_ns` and is made of work, waiting (`waiting_ns`: in a queue, for a
    person, between two tries) and time in spans with children that no child explains
    (`unaccounted_ns`).
    """

    total_ns: int
    own_ns: Sequence[int]
    """Time in which the span was open and none of its children was."""
    path: Sequence[Segment]
    path_own_ns: Sequence[int]
    """How much of the critical path is the span's own time."""
    path_ns: Sequence[int]
    """How much of the critical path lies in the span and all below it."""
    waiting_ns: int
    unaccounted_ns: int
    waits: Mapping[Why, int]
    """The waiting on the critical path by what was waited for."""


@frozen
class NameTimes:
    """All spans of one name in a trace; times in nanoseconds. `path_ns` is own time on the path."""

    name: str
    count: int
    errors: int
    total_ns: int
    own_ns: int
    path_ns: int
    p50_ns: int
    p95_ns: int
    p99_ns: int
    most_ns: int


@frozen
class Bottleneck:
    """A span that is more than half of its run, in nanoseconds and as `by` says."""

    number: int
    span_id: str
    name: str
    duration_ns: int
    path_ns: int
    run_ns: int
    by: tuple[Share, ...]


@frozen
class Speed:
    """How fast a model answered. `per_second` are tokens out after the first one had come."""

    span_id: str
    ttft_ns: int | None
    generation_ns: int
    tokens: int | None
    per_second: float | None


def times_of(trace: Trace) -> Times:
    """Return where the time of a trace went."""
    tree = trace.tree
    path = critical_path(tree)
    path_own = [0] * len(tree.spans)
    nothing = 0
    for number, begin, end in path:
        if number == NOTHING:
            nothing += end - begin
        else:
            path_own[number] += end - begin
    waits = _waits(trace, path, nothing)
    waiting = sum(waits.values())
    unaccounted = sum(
        path_own[number]
        for number in range(len(tree.spans))
        if tree.children[number] and not trace.is_wait(number)
    )
    paused = sum(waits.get(why, 0) for why in ("retry",))
    return Times(
        total_ns=sum(end - begin for _, begin, end in path),
        own_ns=own_times(tree),
        path=path,
        path_own_ns=path_own,
        path_ns=with_below(tree, path_own),
        waiting_ns=waiting,
        unaccounted_ns=max(0, unaccounted - paused),
        waits=waits,
    )


def own_times(tree: Tree) -> Sequence[int]:
    """Return for each span how long none of its children was open, in nanoseconds."""
    begins, ends = tree.begins, tree.ends
    own: list[int] = []
    for number, children in enumerate(tree.children):
        rest, at, end = ends[number] - begins[number], begins[number], ends[number]
        for child in children:
            begin, until = max(begins[child], at), min(ends[child], end)
            if until > begin:
                rest -= until - begin
                at = until
        own.append(rest)
    return own


def gaps_of(tree: Tree, number: int) -> Sequence[tuple[int, int]]:
    """Return from when to when no child of a span was open; nothing for a span without children."""
    gaps: list[tuple[int, int]] = []
    at, end = tree.begins[number], tree.ends[number]
    for child in tree.children[number]:
        if tree.begins[child] > at:
            gaps.append((at, min(end, tree.begins[child])))
        at = min(end, max(at, tree.ends[child]))
    if at < end and tree.children[number]:
        gaps.append((at, end))
    return [(begin, until) for begin, until in gaps if until > begin]


def with_below(tree: Tree, own: Sequence[int]) -> Sequence[int]:
    """Return for each span the sum of what it and all below it have."""
    total = list(own)
    for number in range(len(total) - 1, -1, -1):
        parent = tree.parents[number]
        if parent >= 0:
            total[parent] += total[number]
    return total


def _waits(trace: Trace, path: Sequence[Segment], nothing: int) -> Mapping[Why, int]:
    """Return how long the critical path waited, by what for."""
    found: dict[Why, int] = {"unloaded": nothing} if nothing else {}
    pauses = pauses_of(trace)
    for number, begin, end in path:
        for why, since, until in pauses.get(number, ()):
            both = min(end, until) - max(begin, since)
            if both > 0:
                found[why] = found.get(why, 0) + both
    return found


def names_of(trace: Trace, times: Times) -> Sequence[NameTimes]:
    """Return the times of each name in a trace, the largest share of the critical path first."""
    by_name: dict[str, list[int]] = {}
    for number, span in enumerate(trace.tree.spans):
        by_name.setdefault(span.name, []).append(number)
    found = [_name_times(trace, times, name, numbers) for name, numbers in by_name.items()]
    return sorted(found, key=lambda each: (-each.path_ns, -each.total_ns, each.name))


def _name_times(trace: Trace, times: Times, name: str, numbers: Sequence[int]) -> NameTimes:
    tree = trace.tree
    ordered = sorted(tree.ends[number] - tree.begins[number] for number in numbers)
    return NameTimes(
        name=name,
        count=len(numbers),
        errors=sum(trace.failed(number) for number in numbers),
        total_ns=sum(ordered),
        own_ns=sum(times.own_ns[number] for number in numbers),
        path_ns=sum(times.path_own_ns[number] for number in numbers),
        p50_ns=percentile(ordered, 0.5),
        p95_ns=percentile(ordered, 0.95),
        p99_ns=percentile(ordered, 0.99),
        most_ns=ordered[-1],
    )


def percentile(ordered: Sequence[int], share: float) -> int:
    """Return the smallest of ordered values that at least `share` of them do not pass."""
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def bottlenecks_of(trace: Trace, times: Times) -> Sequence[Bottleneck]:
    """Return the spans that are more than half of their run, by duration or on the critical path.

    Exactly half is no bottleneck. Waiting is none either, and neither are the roots. Of several
    inside one another all are returned, the outermost first.
    """
    tree = trace.tree
    found: list[Bottleneck] = []
    for root in tree.roots:
        run = tree.ends[root] - tree.begins[root]
        path = times.path_ns[root]
        for number in range(root + 1, tree.stops[root]):
            if trace.is_wait(number):
                continue
            took = tree.ends[number] - tree.begins[number]
            by: list[Share] = []
            if took * 2 > run:
                by.append("duration")
            if times.path_ns[number] * 2 > path:
                by.append("path")
            if by:
                span = tree.spans[number]
                found.append(
                    Bottleneck(
                        number=number,
                        span_id=span.span_id,
                        name=span.name,
                        duration_ns=took,
                        path_ns=times.path_ns[number],
                        run_ns=run,
                        by=tuple(by),
                    )
                )
    return found


def speeds_of(trace: Trace) -> Sequence[Speed]:
    """Return how fast each model call answered, in the order in which they began."""
    found: list[Speed] = []
    for number, meaning in enumerate(trace.meanings):
        if meaning.role != "model" or meaning.model is None or not meaning.count_usage:
            continue
        took = trace.tree.ends[number] - trace.tree.begins[number]
        ttft = meaning.model.ttft_ns
        if ttft is not None and not 0 <= ttft <= took:
            ttft = None
        generation = took - (ttft or 0)
        tokens = meaning.model.usage.total_output
        found.append(
            Speed(
                span_id=trace.span(number).span_id,
                ttft_ns=ttft,
                generation_ns=generation,
                tokens=tokens,
                per_second=tokens / generation * 1e9 if tokens and generation > 0 else None,
            )
        )
    return found
