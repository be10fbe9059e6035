"""Say what a run would take if one thing in it were faster: its spans are replayed.

The idea is that of causal profiling (Coz, Curtsinger and Berger, SOSP 2015), without touching the
program: what a span waited for before it began is read from the trace. A child waits for all
siblings that had ended before it began, and keeps its distance to the last of them; the end of a
span waits for all its children. That is careful: where it is wrong, it saves too little.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from holdfast.frozen import frozen
from holdfast.tracing.analysis.paths import NOTHING
from holdfast.tracing.analysis.times import Times
from holdfast.tracing.analysis.trace import Trace
from holdfast.tracing.analysis.tree import Tree

Chosen = Callable[[int], bool]


@frozen
class Saving:
    """What a run saves if all spans of a name take `factor` times as long. Times in nanoseconds."""

    name: str
    factor: float
    before_ns: int
    after_ns: int

    @property
    def share(self) -> float:
        """How much of the run is saved, from 0 to 1."""
        return 1 - self.after_ns / self.before_ns if self.before_ns else 0.0


def what_if(tree: Tree, name: str, *, factor: float = 0.8) -> Saving:
    """Return what a run saves if the spans of one name, with all below them, were faster."""
    chosen = {number for number, span in enumerate(tree.spans) if span.name == name}
    before = replay(tree, lambda _: False, factor=1.0)
    after = replay(tree, chosen.__contains__, factor=factor)
    return Saving(name=name, factor=factor, before_ns=before, after_ns=after)


def savings_of(
    trace: Trace, times: Times, *, factor: float = 0.8, most: int = 5
) -> Sequence[Saving]:
    """Return what is saved by the names that are most on the critical path, the best first.

    Only names whose spans lie below others count, and no waiting: nobody can hurry a person.
    """
    tree = trace.tree
    shares: dict[str, int] = {}
    for number, share in enumerate(times.path_own_ns):
        if share and tree.parents[number] >= 0 and not trace.is_wait(number):
            name = tree.spans[number].name
            shares[name] = shares.get(name, 0) + share
    names = sorted(shares, key=lambda name: (-shares[name], name))[:most]
    found = [what_if(tree, name, factor=factor) for name in names]
    return sorted(found, key=lambda each: (each.after_ns, each.name))


def replay(tree: Tree, is_faster: Chosen, *, factor: float) -> int:
    """Return how many nanoseconds a trace takes if some of its spans take `factor` times as long."""
    whole = [False] * len(tree.spans)
    for number, parent in enumerate(tree.parents):
        whole[number] = (parent >= 0 and whole[parent]) or is_faster(number)
    lengths = [0] * len(tree.spans)
    for number in range(len(lengths) - 1, -1, -1):
        took = tree.ends[number] - tree.begins[number]
        if whole[number]:
            lengths[number] = round(took * factor)
        elif tree.children[number]:
            lengths[number] = _length(tree, number, lengths)
        else:
            lengths[number] = took
    return lengths[tree.roots[0]] if len(tree.roots) == 1 else _length(tree, NOTHING, lengths)


def _length(tree: Tree, number: int, lengths: Sequence[int]) -> int:
    """Return how long a span takes when its children take `lengths`."""
    if number == NOTHING:
        children, begin, end = (
            tree.roots,
            tree.begin,
            max((tree.ends[each] for each in tree.roots), default=0),
        )
    else:
        children, begin, end = tree.children[number], tree.begins[number], tree.ends[number]
    by_end = sorted(children, key=tree.ends.__getitem__)
    new_ends: dict[int, int] = {}
    place, old_last, new_last = 0, begin, 0
    for child in children:
        while place < len(by_end) and tree.ends[by_end[place]] <= tree.begins[child]:
            ended = by_end[place]
            if ended not in new_ends:
                break  # it took no time and begins with this one
            old_last, new_last = tree.ends[ended], max(new_last, new_ends[ended])
            place += 1
        new_ends[child] = (
            new_last + max(0, tree.begins[child] - old_last) + _inside(tree, child, end, lengths)
        )
    inner = [child for child in children if tree.ends[child] <= end]
    last = max((tree.ends[child] for child in inner), default=begin)
    tail = 0 if len(inner) < len(children) else end - last
    return max(new_ends.values(), default=0) + tail


def _inside(tree: Tree, child: int, end: int, lengths: Sequence[int]) -> int:
    """Return how long a child takes within its parent: what goes on behind its end is cut off."""
    took = tree.ends[child] - tree.begins[child]
    over = tree.ends[child] - end
    if over <= 0 or took <= 0:
        return lengths[child]
    return max(0, round(lengths[child] * max(0, took - over) / took))
