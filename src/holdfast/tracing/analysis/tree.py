"""The tree of a trace, whatever its spans say: lost parents, cycles, duplicates, wrong clocks.

Spans are numbered depth first, each parent before its children and children in the order in which
they began. So the spans below number `n` are `n + 1` to `stops[n] - 1`, and going through all
numbers backwards visits children before parents: nothing here or above it needs recursion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from holdfast.frozen import frozen
from holdfast.tracing.analysis.skew import clock_shifts
from holdfast.tracing.span import Span

_UNFINISHED = frozenset({"open", "lost"})


@frozen
class Tree:
    """A trace as a tree. All sequences but the last four have one element a span.

    `begins` and `ends` are nanoseconds of the Unix epoch with the clocks of processes set right;
    `shifts` says by how much those of a span were moved. `orphans` have a parent that is not there
    (lost, or of another process), `cut` were a part of a circle and stand at the top instead,
    `doubles` came more than once.
    """

    spans: Sequence[Span]
    parents: Sequence[int]
    """The number of the parent, -1 for a root."""
    children: Sequence[Sequence[int]]
    depths: Sequence[int]
    stops: Sequence[int]
    begins: Sequence[int]
    ends: Sequence[int]
    roots: Sequence[int]
    orphans: Sequence[str] = ()
    cut: Sequence[str] = ()
    doubles: Sequence[str] = ()
    shifts: Mapping[str, int]

    @property
    def begin(self) -> int:
        """When the first span began, 0 if there is none."""
        return min((self.begins[root] for root in self.roots), default=0)

    @property
    def end(self) -> int:
        """When the last span ended, 0 if there is none."""
        return max(self.ends, default=0)

    def numbers(self) -> Mapping[str, int]:
        """Return the number of each span by its id."""
        return {span.span_id: number for number, span in enumerate(self.spans)}

    def way_up(self, number: int) -> Sequence[int]:
        """Return the numbers of the spans above one, the nearest first."""
        way: list[int] = []
        while (number := self.parents[number]) >= 0:
            way.append(number)
        return way


def tree_of(spans: Sequence[Span]) -> Tree:
    """Return the tree of the spans of one trace, in any order, also of none.

    Of several spans with one id the finished one counts, the last of those. The clocks of other
    processes are set right so that their spans lie within the parents that called them.
    """
    unique, doubles = _unique(spans)
    parents: dict[str, str | None] = {}
    orphans: list[str] = []
    for name, span in unique.items():
        parent = span.parent_id or None
        if parent is not None and parent not in unique:
            orphans.append(name)
            parent = None
        parents[name] = parent
    cut = _cut_circles(unique, parents)
    shifts = clock_shifts(unique, parents)
    return _numbered(unique, parents, shifts, _Faults(orphans, cut, doubles))


class _Faults:
    __slots__ = ("cut", "doubles", "orphans")

    def __init__(self, orphans: Sequence[str], cut: Sequence[str], doubles: Sequence[str]) -> None:
        self.orphans, self.cut, self.doubles = orphans, cut, doubles


def _unique(spans: Sequence[Span]) -> tuple[dict[str, Span], Sequence[str]]:
    unique = {span.span_id: span for span in spans}
    if len(unique) == len(spans):
        return unique, ()
    doubles: dict[str, None] = {}
    unique = dict[str, Span]()
    for span in spans:
        known = unique.get(span.span_id)
        if known is not None:
            doubles[span.span_id] = None
            if span.status in _UNFINISHED and known.status not in _UNFINISHED:
                continue
        unique[span.span_id] = span
    return unique, tuple(doubles)


def _cut_circles(unique: Mapping[str, Span], parents: dict[str, str | None]) -> Sequence[str]:
    """Make the span of each circle that began first a root; return those."""
    done: set[str] = set()
    cut: list[str] = []
    for name in parents:
        walked: dict[str, None] = {}
        at: str | None = name
        while at is not None and at not in done and at not in walked:
            walked[at] = None
            at = parents[at]
        if at is not None and at in walked:
            order = list(walked)
            circle = order[order.index(at) :]
            first = min(circle, key=lambda each: (unique[each].start_ns, each))
            parents[first] = None
            cut.append(first)
        done.update(walked)
    return cut


def _numbered(
    unique: Mapping[str, Span],
    parents: Mapping[str, str | None],
    shifts: Mapping[str, int],
    faults: _Faults,
) -> Tree:
    below: dict[str | None, list[Span]] = {}
    for span in _in_order(unique, shifts):
        below.setdefault(parents[span.span_id], []).append(span)
    ordered: list[Span] = []
    above: list[int] = []
    depths: list[int] = []
    children: list[list[int]] = []
    stack: list[tuple[Span, int, int]] = [(span, -1, 0) for span in reversed(below.get(None, ()))]
    while stack:
        span, parent, depth = stack.pop()
        number = len(ordered)
        ordered.append(span)
        above.append(parent)
        depths.append(depth)
        children.append([])
        if parent >= 0:
            children[parent].append(number)
        for child in reversed(below.get(span.span_id, ())):
            stack.append((child, number, depth + 1))  # noqa: PERF401 - the fastest here
    begins = [span.start_ns + shifts.get(span.span_id, 0) for span in ordered]
    return Tree(
        spans=ordered,
        parents=above,
        children=children,
        depths=depths,
        stops=_stops(above),
        begins=begins,
        ends=[
            begin + max(0, span.duration_ns) for begin, span in zip(begins, ordered, strict=True)
        ],
        roots=[number for number, parent in enumerate(above) if parent < 0],
        orphans=faults.orphans,
        cut=faults.cut,
        doubles=faults.doubles,
        shifts=shifts,
    )


def _in_order(unique: Mapping[str, Span], shifts: Mapping[str, int]) -> Sequence[Span]:
    if not shifts:
        return sorted(unique.values(), key=lambda span: (span.start_ns, -span.duration_ns))
    return sorted(
        unique.values(),
        key=lambda span: (span.start_ns + shifts.get(span.span_id, 0), -span.duration_ns),
    )


def _stops(parents: Sequence[int]) -> Sequence[int]:
    stops = list(range(1, len(parents) + 1))
    for number in range(len(parents) - 1, -1, -1):
        parent = parents[number]
        if parent >= 0 and stops[number] > stops[parent]:
            stops[parent] = stops[number]
    return stops
