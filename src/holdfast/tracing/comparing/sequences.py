"""Find what two sequences have in common, in order, at a bounded cost."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Hashable, Sequence

Match = tuple[int, int]
"""The place of an element in the one sequence and in the other."""

_CELLS = 40_000
"""The largest table; what needs a larger one is matched by its unique elements."""


def common(base: Sequence[Hashable], head: Sequence[Hashable]) -> list[Match]:
    """Return places of equal elements, both growing: a longest common subsequence if it is small.

    Of long sequences, after what is equal at both ends, elements that are unique in both are
    matched first, and what lies between them piece by piece (patience diff).
    """
    first, last = _ends(base, head)
    found = [(place, place) for place in range(first)]
    rows, columns = len(base) - first - last, len(head) - first - last
    if rows * columns <= _CELLS:
        middle = _table(rows, columns, lambda i, j: float(base[first + i] == head[first + j]))
    else:
        middle = _patient(base[first : first + rows], head[first : first + columns])
    found += [(first + i, first + j) for i, j in middle]
    found += [(len(base) - place, len(head) - place) for place in range(last, 0, -1)]
    return found


def best(rows: int, columns: int, worth: Callable[[int, int], float]) -> list[Match] | None:
    """Return the matches in order that are worth most together; None if the table is too large.

    `worth` is 0 for what does not match.
    """
    return _table(rows, columns, worth) if rows * columns <= _CELLS // 16 else None


def _ends(base: Sequence[Hashable], head: Sequence[Hashable]) -> tuple[int, int]:
    most = min(len(base), len(head))
    first = 0
    while first < most and base[first] == head[first]:
        first += 1
    last = 0
    while last < most - first and base[-1 - last] == head[-1 - last]:
        last += 1
    return first, last


def _table(rows: int, columns: int, worth: Callable[[int, int], float]) -> list[Match]:
    if not rows or not columns:
        return []
    scores = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    worths = [[worth(i, j) for j in range(columns)] for i in range(rows)]
    for i in range(rows - 1, -1, -1):
        below, here, row = scores[i + 1], scores[i], worths[i]
        for j in range(columns - 1, -1, -1):
            matched = row[j] + below[j + 1] if row[j] else 0.0
            here[j] = max(matched, below[j], here[j + 1])
    found: list[Match] = []
    i = j = 0
    while i < rows and j < columns:
        if worths[i][j] and scores[i][j] == worths[i][j] + scores[i + 1][j + 1]:
            found.append((i, j))
            i, j = i + 1, j + 1
        elif scores[i + 1][j] >= scores[i][j + 1]:
            i += 1
        else:
            j += 1
    return found


def _patient(base: Sequence[Hashable], head: Sequence[Hashable]) -> list[Match]:
    anchors = _growing(_unique_in_both(base, head))
    found: list[Match] = []
    since = (0, 0)
    for anchor in [*anchors, (len(base), len(head))]:
        found += _greedy(base, head, since, anchor)
        if anchor[0] < len(base):
            found.append(anchor)
        since = anchor[0] + 1, anchor[1] + 1
    return found


def _unique_in_both(base: Sequence[Hashable], head: Sequence[Hashable]) -> list[Match]:
    in_base, in_head = Counter(base), Counter(head)
    places = {key: place for place, key in enumerate(head) if in_head[key] == 1}
    return [(i, places[key]) for i, key in enumerate(base) if in_base[key] == 1 and key in places]


def _growing(matches: Sequence[Match]) -> list[Match]:
    """Return the most of some matches whose second places grow, as the first ones do."""
    tops: list[int] = []
    top_matches: list[int] = []
    before = [-1] * len(matches)
    for number, (_, place) in enumerate(matches):
        pile = bisect_left(tops, place)
        before[number] = top_matches[pile - 1] if pile else -1
        if pile == len(tops):
            tops.append(place)
            top_matches.append(number)
        else:
            tops[pile], top_matches[pile] = place, number
    found: list[Match] = []
    number = top_matches[-1] if top_matches else -1
    while number >= 0:
        found.append(matches[number])
        number = before[number]
    found.reverse()
    return found


def _greedy(
    base: Sequence[Hashable], head: Sequence[Hashable], since: Match, until: Match
) -> list[Match]:
    """Match what lies between two anchors: each with the next equal one."""
    places: dict[Hashable, list[int]] = {}
    for place in range(until[1] - 1, since[1] - 1, -1):
        places.setdefault(head[place], []).append(place)
    found: list[Match] = []
    at = since[1]
    for i in range(since[0], until[0]):
        waiting = places.get(base[i], [])
        while waiting and waiting[-1] < at:
            waiting.pop()
        if waiting:
            found.append((i, waiting[-1]))
            at = waiting.pop() + 1
    return found
