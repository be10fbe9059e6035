"""The tree of a trace, whatever its spans say: lost parents, cycles, duplicates, wrong clocks.

Spans are numbered depth first, each parent before its children and children in the order in which
they began. So the spans below number `n` are `n + 1` to `stops[n] - 1`, and going through all
numbers backwards visits children before parents: nothing here or above it needs recursion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter, ge

from holdfast.frozen import frozen
from holdfast.tracing.analysis.skew import clock_shifts
from holdfast.tracing.span import Span

_UNFINISHED = frozenset({"open", "lost"})
_start = attrgetter("start_ns")


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

    def linked(self) -> Sequence[str]:
        """Return the other traces that its spans are linked to, such as work that outlived it."""
        found = {link.trace_id: None for span in self.spans for link in span.links}
        return [each for each in found if each != self.spans[0].trace_id]

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
    ordered, places, doubles = _unique(spans)
    find = places.get
    parents = [find(span.parent_id, -1) for span in ordered]
    cut = _cut_circles(parents)
    orphans = [
        ordered[place].span_id for place, parent in enumerate(parents)
        if parent < 0 and ordered[place].parent_id and place not in cut
    ]  # fmt: skip
    begins = [span.start_ns for span in ordered]
    shifts = clock_shifts(ordered, parents)
    if shifts:
        begins = [begin + shift for begin, shift in zip(begins, shifts, strict=True)]
    walked, numbers = _walk(parents, begins if shifts else ())
    above = [numbers[parents[place]] for place in walked]
    children, roots = _children(above)
    begins = [begins[place] for place in walked]
    numbered = [ordered[place] for place in walked]
    return Tree(
        spans=numbered,
        parents=above,
        children=children,
        depths=_depths(above),
        stops=_stops(above),
        begins=begins,
        ends=[begin + span.duration_ns if span.duration_ns > 0 else begin
              for begin, span in zip(begins, numbered, strict=True)],
        roots=roots,
        orphans=orphans,
        cut=[ordered[place].span_id for place in cut],
        doubles=doubles,
        shifts={ordered[place].span_id: by for place, by in enumerate(shifts) if by},
    )  # fmt: skip


_Places = dict[str | None, int]


def _unique(spans: Sequence[Span]) -> tuple[Sequence[Span], _Places, Sequence[str]]:
    """Return the spans in the order in which they began, their places by id, and what was double."""
    ordered = sorted(spans, key=_start)
    places: _Places = {span.span_id: place for place, span in enumerate(ordered)}
    if len(places) == len(spans):
        return ordered, places, ()
    doubles: dict[str, None] = {}
    unique: dict[str, Span] = {}
    for span in spans:
        known = unique.get(span.span_id)
        if known is not None:
            doubles[span.span_id] = None
            if span.status in _UNFINISHED and known.status not in _UNFINISHED:
                continue
        unique[span.span_id] = span
    ordered = sorted(unique.values(), key=_start)
    places = {span.span_id: place for place, span in enumerate(ordered)}
    return ordered, places, tuple(doubles)


def _cut_circles(parents: list[int]) -> Sequence[int]:
    """Make the span of each circle that began first a root; return those."""
    if not any(map(ge, parents, range(len(parents)))):
        return ()  # who began later is below: there is no way back
    done = [False] * len(parents)
    cut: list[int] = []
    for place in range(len(parents)):
        walked: dict[int, None] = {}
        at = place
        while at >= 0 and not done[at] and at not in walked:
            walked[at] = None
            at = parents[at]
        if at in walked:
            order = list(walked)
            first = min(order[order.index(at) :])
            parents[first] = -1
            cut.append(first)
        for each in walked:
            done[each] = True
    return cut


def _walk(parents: Sequence[int], begins: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the places depth first, and the number that each so gets; the last is that of -1.

    Places are in the order of time already, but where clocks were set right: by `begins` then.
    """
    size = len(parents)
    first, beside = [-1] * (size + 1), [-1] * size  # the first of the roots is the last of all
    order = sorted(range(size), key=begins.__getitem__) if begins else range(size)
    for place in reversed(order):
        parent = parents[place]
        beside[place] = first[parent]
        first[parent] = place
    walked: list[int] = []
    numbers = [-1] * (size + 1)
    waiting = [first[-1]] if size else []
    while waiting:
        place = waiting.pop()
        while place >= 0:
            numbers[place] = len(walked)
            walked.append(place)
            if beside[place] >= 0:
                waiting.append(beside[place])
            place = first[place]
    return walked, numbers


def _children(parents: Sequence[int]) -> tuple[Sequence[Sequence[int]], Sequence[int]]:
    """Return the children of each span, and the roots."""
    children: list[list[int] | tuple[()]] = [()] * (len(parents) + 1)  # the last are those of -1
    for number, parent in enumerate(parents):
        below = children[parent]
        if below:
            below.append(number)
        else:
            children[parent] = [number]
    return children, children.pop()


def _depths(parents: Sequence[int]) -> Sequence[int]:
    depths: list[int] = []
    for parent in parents:
        depths.append(depths[parent] + 1 if parent >= 0 else 0)
    return depths


def _stops(parents: Sequence[int]) -> Sequence[int]:
    stops = list(range(1, len(parents) + 1))
    for number in range(len(parents) - 1, -1, -1):
        parent = parents[number]
        if parent >= 0 and stops[number] > stops[parent]:
            stops[parent] = stops[number]
    return stops
