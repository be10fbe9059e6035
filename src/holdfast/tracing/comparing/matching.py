"""Say which span of one run is which of another, from the top down.

After GumTree (Falleri and others, ASE 2014): subtrees that are equal to the last leaf are matched
first, then calls with the same name and arguments, then those of one name by their position. Only
children of matched parents are matched.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from hashlib import blake2b

from holdfast.frozen import frozen
from holdfast.tracing.analysis.trace import Trace, arguments_hash, call_name, output_hash
from holdfast.tracing.comparing.sequences import Match, best, common


@frozen
class Keys:
    """What spans are compared by, by number; `whole` is a hash of a span and all below it."""

    names: Sequence[Hashable]
    arguments: Sequence[str]
    outputs: Sequence[str]
    calls: Sequence[Hashable]
    whole: Sequence[bytes]


@frozen
class Matched:
    """Which spans of two runs are the same, by number, and which were done in another order."""

    pairs: Sequence[Match]
    removed: Sequence[int]
    """Spans of the base that have no match but whose parent has one."""
    added: Sequence[int]
    moved: Sequence[Match]


def keys_of(trace: Trace) -> Keys:
    """Return what the spans of a run are compared by."""
    tree = trace.tree
    names = [(span.kind, call_name(trace, number)) for number, span in enumerate(tree.spans)]
    arguments = [arguments_hash(trace, number) for number in range(len(names))]
    outputs = [output_hash(trace, number) for number in range(len(names))]
    calls = list(zip(names, arguments, strict=True))
    whole = [b""] * len(names)
    for number in range(len(names) - 1, -1, -1):
        said = repr((calls[number], outputs[number], trace.failed(number)))
        hashed = blake2b(said.encode("utf-8", "surrogatepass"), digest_size=8)
        for child in tree.children[number]:
            hashed.update(whole[child])
        whole[number] = hashed.digest()
    return Keys(names=names, arguments=arguments, outputs=outputs, calls=calls, whole=whole)


def match(base: Trace, head: Trace, keys: tuple[Keys, Keys]) -> Matched:
    """Return which spans of two runs are the same, by what they are compared by."""
    matching = _Matching(base, head, keys)
    pairs: list[Match] = []
    removed: list[int] = []
    added: list[int] = []
    moved: list[Match] = []
    waiting = [(base.tree.roots, head.tree.roots)]
    while waiting:
        found = matching.siblings(*waiting.pop())
        pairs += [*found.pairs, *found.moved]
        removed += found.removed
        added += found.added
        moved += found.moved
        waiting += [
            (base.tree.children[i], head.tree.children[j]) for i, j in (*found.pairs, *found.moved)
        ]
    return Matched(pairs=sorted(pairs), removed=sorted(removed), added=sorted(added), moved=moved)


class _Matching:
    def __init__(self, base: Trace, head: Trace, keys: tuple[Keys, Keys]) -> None:
        self._base, self._head = base, head
        self._base_keys, self._head_keys = keys

    def siblings(self, base: Sequence[int], head: Sequence[int]) -> Matched:
        """Match the children of a span with those of its like."""
        whole = common(
            [self._base_keys.whole[number] for number in base],
            [self._head_keys.whole[number] for number in head],
        )
        pairs = [(base[i], head[j]) for i, j in whole]
        for left, right in _between(whole, base, head):
            pairs += self._alike(left, right)
        left_over = _without(base, {i for i, _ in pairs})
        right_over = _without(head, {j for _, j in pairs})
        moved = self._moved(left_over, right_over)
        return Matched(
            pairs=pairs,
            removed=_without(left_over, {i for i, _ in moved}),
            added=_without(right_over, {j for _, j in moved}),
            moved=moved,
        )

    def _alike(self, base: Sequence[int], head: Sequence[int]) -> list[Match]:
        """Match what is not equal: calls first, then names; in order."""
        calls = best(len(base), len(head), lambda i, j: self._worth(base[i], head[j]))
        if calls is None:
            calls = common(
                [self._base_keys.calls[number] for number in base],
                [self._head_keys.calls[number] for number in head],
            )
        pairs = [(base[i], head[j]) for i, j in calls]
        for left, right in _between(calls, base, head):
            named = common(
                [self._base_keys.names[number] for number in left],
                [self._head_keys.names[number] for number in right],
            )
            pairs += [(left[i], right[j]) for i, j in named]
        return pairs

    def _worth(self, base: int, head: int) -> float:
        """Return how much two calls have in common: 0 without the same name and arguments."""
        if self._base_keys.calls[base] != self._head_keys.calls[head]:
            return 0.0
        ours = {self._base_keys.whole[each] for each in self._base.tree.children[base]}
        theirs = {self._head_keys.whole[each] for each in self._head.tree.children[head]}
        both = len(ours) + len(theirs)
        return 1.0 + (2 * len(ours & theirs) / both if both else 0.0)

    def _moved(self, base: Sequence[int], head: Sequence[int]) -> list[Match]:
        """Match the same calls that were made in another order."""
        waiting: dict[Hashable, list[int]] = {}
        for number in reversed(head):
            waiting.setdefault(self._head_keys.calls[number], []).append(number)
        moved: list[Match] = []
        for number in base:
            same = waiting.get(self._base_keys.calls[number])
            if same:
                moved.append((number, same.pop()))
        return moved


def _between(
    matches: Sequence[Match], base: Sequence[int], head: Sequence[int]
) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
    """Yield what lies between matches in both sequences, where there is something in both."""
    i = j = 0
    for left, right in (*matches, (len(base), len(head))):
        if left > i and right > j:
            yield base[i:left], head[j:right]
        i, j = left + 1, right + 1


def _without(numbers: Sequence[int], taken: set[int]) -> list[int]:
    return [number for number in numbers if number not in taken]
