"""Compare two runs: what was added, removed, done otherwise, slower or faster, and what first."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from holdfast.frozen import frozen, replace
from holdfast.tracing.analysis.times import own_times
from holdfast.tracing.analysis.trace import Trace, read_trace
from holdfast.tracing.analysis.words import count_of, took
from holdfast.tracing.comparing.matching import Keys, Matched, keys_of, match
from holdfast.tracing.span import Span

What = Literal[
    "added", "removed", "moved", "arguments", "output", "status", "slower", "faster"
]  # fmt: skip
"""How a span differs. `slower` and `faster` are about its own time, without that of its children."""

_TIMES = frozenset({"slower", "faster"})
_FINISHED_WELL = frozenset({"ok", "unset"})
_LEAST_NS = 1_000_000


@frozen
class Change:
    """One difference. A span that is not there has no id and takes no time.

    `spans` counts those of an added or removed subtree. A `consequence` is an output or a status
    that differs above something that differs. Times are own times in nanoseconds, of added and
    removed spans whole ones.
    """

    what: What
    name: str
    base_id: str = ""
    head_id: str = ""
    base_ns: int = 0
    head_ns: int = 0
    spans: int = 1
    is_consequence: bool = False
    at: float = 0.0
    """Where in the second run it is: the number of the span, a half for what is missing there."""

    @property
    def text(self) -> str:
        """Return the change in words."""
        more = f" ({count_of(self.spans, 'span')})" if self.spans > 1 else ""
        match self.what:
            case "added" | "removed":
                return f"{self.name} was {self.what}{more}"
            case "moved":
                return f"{self.name} came in another order"
            case "arguments":
                return f"{self.name} got other arguments"
            case "output":
                return f"{self.name} gave another result"
            case "status":
                return f"{self.name} ended otherwise"
            case "slower" | "faster":
                return (
                    f"{self.name} was {self.what}: {took(self.base_ns)}, now {took(self.head_ns)}"
                )


@frozen
class RunComparison:
    """Two runs side by side. `changes` are in the order of the second run, slower ones among them.

    `first_divergence` is the first thing that was done otherwise; None if only times differ.
    """

    base_ns: int
    head_ns: int
    matched: int
    changes: Sequence[Change]
    first_divergence: Change | None

    @property
    def is_same(self) -> bool:
        """Tell whether both did the same, however long it took."""
        return self.first_divergence is None


def compare_runs(
    base: Sequence[Span], head: Sequence[Span], *, tolerance: float = 0.2
) -> RunComparison:
    """Return how the second run differs from the first.

    A span is slower or faster if its own time differs by more than `tolerance`, by a hundredth of
    the run, and by a millisecond.
    """
    before, after = read_trace(base), read_trace(head)
    keys = keys_of(before), keys_of(after)
    comparison = _Comparison(before, after, match(before, after, keys), keys, tolerance)
    changes = sorted(comparison.changes(), key=lambda each: each.at)
    diverged = [each for each in changes if each.what not in _TIMES and not each.is_consequence]
    return RunComparison(
        base_ns=before.tree.end - before.tree.begin,
        head_ns=after.tree.end - after.tree.begin,
        matched=len(comparison.matched.pairs),
        changes=changes,
        first_divergence=diverged[0] if diverged else None,
    )


class _Comparison:
    def __init__(
        self, base: Trace, head: Trace, matched: Matched, keys: tuple[Keys, Keys], tolerance: float
    ) -> None:
        self._base, self._head = base, head
        self.matched = matched
        self._keys = keys
        self._tolerance = tolerance
        self._own = own_times(base.tree), own_times(head.tree)
        self._head_of: Mapping[int, int] = dict(matched.pairs)
        self._base_numbers = base.tree.numbers()
        self._run_ns = base.tree.end - base.tree.begin

    def changes(self) -> Iterator[Change]:
        """Yield all changes in any order."""
        found = [*self._structure(), *self._values(("arguments",))]
        yield from found
        outcomes = list(self._values(("status", "output")))
        differs = self._differs_below([*found, *outcomes])
        for change in outcomes:
            yield replace(change, is_consequence=True) if differs[int(change.at)] else change
        yield from self._times()

    def _structure(self) -> Iterator[Change]:
        for number in self.matched.added:
            tree = self._head.tree
            yield Change(
                what="added", name=tree.spans[number].name, head_id=tree.spans[number].span_id,
                head_ns=tree.ends[number] - tree.begins[number],
                spans=tree.stops[number] - number, at=number,
            )  # fmt: skip
        for number in self.matched.removed:
            tree = self._base.tree
            yield Change(
                what="removed", name=tree.spans[number].name, base_id=tree.spans[number].span_id,
                base_ns=tree.ends[number] - tree.begins[number],
                spans=tree.stops[number] - number, at=self._place_of_removed(number),
            )  # fmt: skip
        for i, j in self.matched.moved:
            if not (_is_parallel(self._base, i) or _is_parallel(self._head, j)):
                yield self._change("moved", i, j)

    def _place_of_removed(self, number: int) -> float:
        """Return the place in the second run behind the sibling that came before, or the parent."""
        parent = self._base.tree.parents[number]
        siblings = self._base.tree.roots if parent < 0 else self._base.tree.children[parent]
        for place in range(bisect_left(siblings, number) - 1, -1, -1):
            if siblings[place] in self._head_of:
                return self._head.tree.stops[self._head_of[siblings[place]]] - 0.5
        return self._head_of.get(parent, -1) + 0.5

    def _values(self, kinds: Sequence[What]) -> Iterator[Change]:
        differ = {"arguments": self._arguments_differ, "output": self._outputs_differ,
                  "status": self._statuses_differ}  # fmt: skip
        for i, j in self.matched.pairs:
            for what in kinds:
                if differ[what](i, j):
                    yield self._change(what, i, j)
                    break

    def _arguments_differ(self, i: int, j: int) -> bool:
        return self._keys[0].arguments[i] != self._keys[1].arguments[j]

    def _outputs_differ(self, i: int, j: int) -> bool:
        return self._keys[0].outputs[i] != self._keys[1].outputs[j]

    def _statuses_differ(self, i: int, j: int) -> bool:
        before, after = self._base.span(i).status, self._head.span(j).status
        return before != after and not {before, after} <= _FINISHED_WELL

    def _differs_below(self, changes: Sequence[Change]) -> Sequence[bool]:
        """Return for each span of the second run whether anything below it differs."""
        parents = self._head.tree.parents
        below = [0] * (len(parents) + 1)  # the last is that of -1, which nobody reads
        for change in changes:
            below[self._parent_of(change)] += 1
        for number in range(len(parents) - 1, -1, -1):
            below[parents[number]] += below[number]
        return [count > 0 for count in below[:-1]]

    def _parent_of(self, change: Change) -> int:
        """Return the span of the second run below which something differs, -1 for none."""
        if change.what == "removed":
            parent = self._base.tree.parents[self._base_numbers[change.base_id]]
            return self._head_of.get(parent, -1)
        return self._head.tree.parents[int(change.at)]

    def _times(self) -> Iterator[Change]:
        for i, j in self.matched.pairs:
            before, after = self._own[0][i], self._own[1][j]
            difference = abs(after - before)
            least = max(_LEAST_NS, self._run_ns // 100, round(self._tolerance * before))
            if difference > least:
                yield self._change("slower" if after > before else "faster", i, j)

    def _change(self, what: What, i: int, j: int) -> Change:
        return Change(
            what=what,
            name=self._head.span(j).name,
            base_id=self._base.span(i).span_id,
            head_id=self._head.span(j).span_id,
            base_ns=self._own[0][i],
            head_ns=self._own[1][j],
            at=j,
        )


def _is_parallel(trace: Trace, number: int) -> bool:
    """Tell whether a span ran at the same time as the sibling that began before it, or after."""
    tree = trace.tree
    parent = tree.parents[number]
    siblings = tree.roots if parent < 0 else tree.children[parent]
    place = bisect_left(siblings, number)
    return any(
        tree.begins[each] < tree.ends[number] and tree.begins[number] < tree.ends[each]
        for each in (*siblings[max(0, place - 1) : place], *siblings[place + 1 : place + 2])
    )
