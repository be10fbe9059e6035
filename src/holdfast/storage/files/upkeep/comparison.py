"""Compare the journal with the index: where they differ, a gap of the journal may explain it.

The index is a copy of what the journal said while it was whole. What it holds and the journal does
not hold any more can be taken back, if every difference is one that a gap explains; otherwise the
index is not to be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from holdfast.storage.files.index import Index
from holdfast.storage.files.tail import Cell
from holdfast.storage.files.upkeep.facts import EMPTY, Facts, log_facts
from holdfast.storage.files.upkeep.survey import Gap, Good
from holdfast.storage.keys import decode_key

_TOLD = 3


class Bounds(NamedTuple):
    """The versions that the lost lines of a gap gave out lie between these."""

    low: int
    high: float


@dataclass(slots=True)
class Found:
    """What the index still has of one gap."""

    puts: list[tuple[bytes, Cell]] = field(default_factory=list[tuple[bytes, Cell]])
    deletes: list[tuple[bytes, int]] = field(default_factory=list[tuple[bytes, int]])
    erasures: list[tuple[bytes, int]] = field(default_factory=list[tuple[bytes, int]])
    entries: list[tuple[bytes, int, list[bytes]]] = field(
        default_factory=list[tuple[bytes, int, list[bytes]]]
    )


@dataclass(slots=True)
class Comparison:
    """What was found for each gap, and what contradicts the journal."""

    found: list[Found]
    wrong: list[str] = field(default_factory=list[str])
    wrong_count: int = 0

    def contradict(self, sentence: str) -> None:
        """Note a difference that no gap explains."""
        self.wrong_count += 1
        if len(self.wrong) < _TOLD:
            self.wrong.append(sentence)


def bounds_of(gap: Gap, version: int) -> Bounds:
    """Return the bounds of the versions in a gap; `version` is the last one before it."""
    if gap.after is None:
        return Bounds(version, float("inf"))
    return Bounds(version, min(_versions(gap.after), default=gap.after.line.version + 1))


def last_version(good: Good) -> int:
    """Return the last version that a line gives out.

    The one in its head is that of the whole group that was written together.
    """
    return max(_versions(good), default=0)


def _versions(good: Good) -> list[int]:
    return [fields[2] for fields in good.line.operations if fields[0] == "put"]


def compare(facts: Facts, index: Index, gaps: list[Bounds], now: int) -> Comparison:
    """Compare what the journal says up to the place of the index with the index.

    `gaps` are those before that place.
    """
    result = Comparison([Found() for _ in gaps])
    _compare_records(result, facts, index, gaps, now)
    _compare_logs(result, facts, index)
    return result


def _compare_records(
    result: Comparison, facts: Facts, index: Index, gaps: list[Bounds], now: int
) -> None:
    seen: set[bytes] = set()
    for key, cell in index.all_records():
        seen.add(key)
        fact = facts.records.get(key)
        if fact and fact.agrees(cell):
            continue
        gap = _gap_of(cell.version, gaps)
        if gap is None:
            name = decode_key(key)
            kind = "another value of" if fact else "a record that the journal does not hold:"
            result.contradict(f"it holds {kind} {name!r}")
        else:
            result.found[gap].puts.append((key, cell))
    for key, fact in facts.records.items():
        if key in seen or (fact.expires_at is not None and fact.expires_at <= now):
            continue
        if gaps and fact.version <= gaps[-1].low:
            result.found[-1].deletes.append((key, fact.version))
        else:
            result.contradict(f"it lacks the record {decode_key(key)!r}")


def _gap_of(version: int, gaps: list[Bounds]) -> int | None:
    return next((at for at, (low, high) in enumerate(gaps) if low < version < high), None)


def _compare_logs(result: Comparison, facts: Facts, index: Index) -> None:
    known = log_facts(index)
    for hole in facts.holes:
        _fetch(result, index, hole.log, hole.first, hole.last, hole.gap)
    for name in {*known, *facts.logs}:
        ours, theirs = facts.logs.get(name, EMPTY), known.get(name, EMPTY)
        if theirs.erased > ours.erased and result.found:
            result.found[-1].erasures.append((name, theirs.erased))
            last = max(ours.last, theirs.erased)
            ours = ours._replace(last=last, has_holes=True, erased=theirs.erased)
        elif theirs.erased != ours.erased:
            result.contradict(f"the log {decode_key(name)!r} was erased at different numbers")
            continue
        if theirs.last > ours.last and result.found:
            _fetch(result, index, name, ours.last + 1, theirs.last, len(result.found) - 1)
        elif theirs.last != ours.last:
            result.contradict(
                f"the log {decode_key(name)!r} has {theirs.last} entries there and {ours.last} here"
            )
        elif theirs.digest != ours.digest and not ours.has_holes:
            result.contradict(f"the log {decode_key(name)!r} has other entries there")


def _fetch(result: Comparison, index: Index, log: bytes, first: int, last: int, gap: int) -> None:
    """Take back the entries of a hole."""
    if not 0 <= gap < len(result.found):
        return
    entries = [
        entry for entry in index.entries(log, first - 1, last - first + 1) if entry[0] <= last
    ]
    start = 0
    for at in range(1, len(entries) + 1):
        if at == len(entries) or entries[at][0] != entries[at - 1][0] + 1:
            values = [value for _, value in entries[start:at]]
            result.found[gap].entries.append((log, entries[start][0], values))
            start = at
