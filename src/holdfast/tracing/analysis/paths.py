"""The critical path of a trace: what the end was waiting for at each moment, going backwards.

After CRISP (Zhang and others, USENIX ATC 2022): from the end of a span its critical child is the
one that ended last, then the one that ended last before that began, and so on; what no child covers
is the span's own time. Two things are different here. A child that is still running when the next
critical one begins is preferred to the span itself, so that time in which something ran is never
called the parent's. And a child that had just ended is preferred to one that still runs, because
its end is what the next one waited for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from holdfast.tracing.analysis.tree import Tree

NOTHING = -1
"""Stands for the number of a span where between two roots no span was open."""

Segment = tuple[int, int, int]
"""A stretch of the path: the number of the span whose own time it is, from when, until when."""

_OWN = -2
"""The own time of span `number` has the number `_OWN - number` until it is put on the path."""

_JUST = 6
"""A child has just ended if that was less than a 64th (a bit shift) of its parent's time ago."""


def critical_path(tree: Tree) -> Sequence[Segment]:
    """Return the critical path in the order of time, without a gap from the first to the last.

    What a child did after its parent had ended is left out. Several roots follow one another like
    the children of one span. Spans that took no time are not on it.
    """
    if not tree.roots:
        return ()
    children = tree.children
    path: list[Segment] = []
    # What is still to be walked, the latest last. Numbers below -1 stand for own time.
    windows = [(NOTHING, tree.begin, max(tree.ends[root] for root in tree.roots))]
    while windows:
        window = windows.pop()
        number, low, at = window
        if number < NOTHING:
            path.append((_OWN - number, low, at))
            continue
        below = tree.roots if number < 0 else children[number]
        if below:
            pieces, all_leaves = _fill(tree, window, below)
            if all_leaves:
                path += pieces
            else:
                pieces.reverse()
                windows += [
                    (_OWN - number, *piece[1:]) if piece[0] == number else piece for piece in pieces
                ]
        elif at > low:
            path.append(window)
    path.reverse()
    return path


def _fill(tree: Tree, window: Segment, below: Sequence[int]) -> tuple[list[Segment], bool]:
    """Return the windows of critical children and the own time between them, the latest first.

    And whether none of the children has children.
    """
    number, low, at = window
    begins, ends, children = tree.begins, tree.ends, tree.children
    pieces: list[Segment] = []
    all_leaves = True
    for child in reversed(below):
        begin, end = begins[child], ends[child]
        if end > at:
            return _fill_with(tree, window, _chosen(tree, window, below))
        if begin < low:  # noqa: PLR1730 - three times as fast, and here is where the time goes
            begin = low
        if begin < end:  # most often they follow one another, and all are critical
            if end < at:
                pieces.append((number, end, at))
            pieces.append((child, begin, end))
            if children[child]:
                all_leaves = False
            at = begin
    if at > low:
        pieces.append((number, low, at))
    return pieces, all_leaves


def _fill_with(tree: Tree, window: Segment, chosen: Iterable[int]) -> tuple[list[Segment], bool]:
    """Return what `_fill` does, where some children ran at the same time."""
    number, low, at = window
    pieces: list[Segment] = []
    all_leaves = True
    for child in chosen:
        begin, end = max(tree.begins[child], low), min(tree.ends[child], at)
        if end < at:
            pieces.append((number, end, at))
        pieces.append((child, begin, end))
        all_leaves = all_leaves and not tree.children[child]
        at = begin
    if at > low:
        pieces.append((number, low, at))
    return pieces, all_leaves


def _chosen(tree: Tree, window: Segment, children: Sequence[int]) -> Iterator[int]:
    """Yield the critical children where some ran at the same time, the last first."""
    begins, ends = tree.begins, tree.ends
    ordered = sorted(
        (child for child in children if begins[child] < ends[child]), key=ends.__getitem__
    )
    _, low, at = window
    just = (at - low) >> _JUST
    earliest = _earliest(ordered, begins)
    place = len(ordered) - 1
    while at > low:
        while place >= 0 and (ends[ordered[place]] > at or begins[ordered[place]] >= at):
            place -= 1
        ended = ordered[place] if place >= 0 and ends[ordered[place]] > low else NOTHING
        chosen = earliest[place + 1]
        if chosen >= 0 and begins[chosen] >= at:
            chosen = NOTHING
        if ended >= 0 and (chosen < 0 or at - ends[ended] <= just):
            chosen = ended
        if chosen < 0:
            return
        yield chosen
        at = begins[chosen]


def _earliest(ordered: Sequence[int], begins: Sequence[int]) -> Sequence[int]:
    """Return for each place which of the spans from there on began first."""
    earliest = [NOTHING] * (len(ordered) + 1)
    first = NOTHING
    for place in range(len(ordered) - 1, -1, -1):
        number = ordered[place]
        if first < 0 or begins[number] <= begins[first]:
            first = number
        earliest[place] = first
    return earliest
