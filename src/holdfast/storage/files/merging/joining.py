"""Join two journals that have grown from one: every line of both, once, in one order.

What comes out does not depend on which one is ours. A line that tells of the merge ends it where both
sides had said something new:

- a record `("merged", digest)` that says how many records and logs both sides had changed: whoever
  derives something from them can take it as a task to do, and delete it then,
- a log of the same name, which stays: the same figures, and an entry `["record", key]` or
  `["log", name]` for each of those,
- a log `("merge-lost", digest)` with two entries for each record that both sides had changed
  differently: who lost, and the value that nobody sees any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import takewhile

from holdfast.storage.files.cursor import behind
from holdfast.storage.files.lines import Fields, Line
from holdfast.storage.files.merging.erasing import agree, says, without_void
from holdfast.storage.files.merging.origins import (
    ERASE,
    MERGE,
    VOID,
    Written,
    is_structure,
    last_origin,
    read_written,
)
from holdfast.storage.files.merging.rewriting import Rewriter, name_of

MERGED = "merged"
LOST = "merge-lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A journal that holds both. The figures count what was on both sides, or on one only."""

    lines: Sequence[Line]
    new_here: int = 0
    new_there: int = 0
    records: int = 0
    logs: int = 0
    lost: int = 0


def join(ours: Sequence[Line], theirs: Sequence[Line], *, longest: int | None) -> Joined:
    """Return a journal with every line of both, which begin at one place.

    Segments are sealed from the length `longest` on; None for never.
    """
    common = sum(1 for _ in takewhile(_is_same, zip(ours, theirs, strict=False)))
    before = last_origin(ours[:common])
    here = read_written(ours[common:], before)
    there = read_written(theirs[common:], before)
    only_here, only_there = _without(here, there), _without(there, here)
    if not (only_here and only_there):
        return _longer(ours, theirs, only_here, only_there)
    rewriter = Rewriter(ours[:common], ours[common], _last_numbers(here, there), longest)
    order = without_void(in_order(here, there), only_here, only_there)
    _put_together(rewriter, order, [*ours[common:], *theirs[common:]])
    joined = Joined(lines=rewriter.lines, new_here=len(only_here), new_there=len(only_there))
    if all(each.is_merge for each in only_here) or all(each.is_merge for each in only_there):
        return joined
    told = _Told(only_here, only_there)
    rewriter.write_new(told.operations(), rewriter.lines[-1].written_at)
    return replace(
        joined, lines=rewriter.lines, records=len(told.records), logs=len(told.logs),
        lost=len(told.lost),
    )  # fmt: skip


def _is_same(pair: tuple[Line, Line]) -> bool:
    return pair[0].data == pair[1].data


def _without(some: Sequence[Written], others: Sequence[Written]) -> list[Written]:
    known = {each.origin.hash for each in others}
    return [each for each in some if each.origin.hash not in known]


def _longer(
    ours: Sequence[Line],
    theirs: Sequence[Line],
    only_here: Sequence[Written],
    only_there: Sequence[Written],
) -> Joined:
    """Return the side that knows everything of the other one."""
    figures = {"new_here": len(only_here), "new_there": len(only_there)}
    if only_here or only_there:
        return Joined(lines=ours if only_here else theirs, **figures)
    # They say the same: then only who says it last, or in which segments, differs.
    return Joined(lines=max(ours, theirs, key=lambda lines: (len(lines), lines[-1].hash)))


def _last_numbers(here: Sequence[Written], there: Sequence[Written]) -> dict[str, int]:
    """Return the last numbers of logs at the fork: each side goes on with the next one."""
    numbers: dict[str, int] = {}
    for written in (*here, *there):
        for fields in written.operations:
            if fields[0] in ("append", ERASE):
                name = name_of(fields)
                before = fields[2] - (fields[0] == "append")
                numbers[name] = min(numbers.get(name, before), before)
    return numbers


def in_order(here: Sequence[Written], there: Sequence[Written]) -> list[Written]:
    """Return what both say, once; of what was written anew in both, the greater versions count."""
    found: dict[str, Written] = {}
    for written in (*here, *there):
        other = found.setdefault(written.origin.hash, written)
        if other is not written:
            operations = list(map(_greater, other.operations, written.operations))
            origin = min(other.origin, written.origin)
            found[origin.hash] = Written(origin, other.line, operations)
    return sorted(found.values(), key=lambda each: each.origin)


def _greater(one: Fields, other: Fields) -> Fields:
    if one[0] in (ERASE, VOID):
        return agree(one, other)
    return max(one, other, key=lambda each: each[2]) if one[0] in ("put", "delete") else one


def _put_together(rewriter: Rewriter, order: Sequence[Written], lines: Sequence[Line]) -> None:
    followers: dict[str, dict[str, Line]] = {}
    for line in lines:
        followers.setdefault(line.previous, {})[line.hash] = line
    for written in order:
        for way in _ways(rewriter.hash, followers):
            if last_origin(way).hash == written.origin.hash and says(way[-1], written):
                rewriter.keep(way)
                break
        else:
            rewriter.write(written)


def _ways(start: str, followers: dict[str, dict[str, Line]]) -> Iterator[list[Line]]:
    """Give what follows a hash as it is: a line, with the ends and beginnings of segments before."""
    for _, line in sorted(followers.get(start, {}).items()):
        if not is_structure(line):
            yield [line]
            continue
        for rest in _ways(behind(line)[1], followers):
            yield [line, *rest]


class _Told:
    """What there is to tell of a merge."""

    def __init__(self, only_here: Sequence[Written], only_there: Sequence[Written]) -> None:
        digests = sorted(_digest(side) for side in (only_here, only_there))
        self.digest = _hash("".join(digests).encode())
        here, there = _last_changes(only_here), _last_changes(only_there)
        self.records = sorted(here.keys() & there.keys())
        self.logs = sorted(_logs(only_here) & _logs(only_there))
        self.lost = [
            min(here[key], there[key], key=lambda each: each[0].origin)
            for key in self.records
            if _content(here[key][1]) != _content(there[key][1])
        ]

    def operations(self) -> list[Fields]:
        """Return them as the operations of a line."""
        summary = {"records": len(self.records), "logs": len(self.logs), "lost": len(self.lost)}
        told = json.dumps(summary, separators=(",", ":"))
        named = [f'["record",{key}]' for key in self.records]
        named += [f'["log",{name}]' for name in self.logs]
        operations: list[Fields] = [
            ["put", [MERGED, self.digest], 0, told],
            ["append", [MERGED, self.digest], 1, [told, *named]],
        ]
        if self.lost:
            entries = [entry for lost in self.lost for entry in _lost_entries(*lost)]
            operations.append(["append", [LOST, self.digest], 1, entries])
        return [*operations, [MERGE, self.digest]]


def _lost_entries(written: Written, fields: Fields) -> list[object]:
    told: dict[str, object] = {"key": fields[1], "time": written.line.written_at}
    if fields[0] == "delete":
        return [json.dumps({**told, "deleted": True}, ensure_ascii=False), ""]
    expires_at, due_at = _content(fields)[1:]
    told |= {"version": fields[2], "expires_at": expires_at, "due_at": due_at}
    return [json.dumps(told, ensure_ascii=False), fields[3]]


def _last_changes(side: Sequence[Written]) -> dict[str, tuple[Written, Fields]]:
    return {
        name_of(fields): (written, fields)
        for written in side
        if not written.is_merge
        for fields in written.operations
        if fields[0] in ("put", "delete")
    }


def _logs(side: Sequence[Written]) -> set[str]:
    return {
        name_of(fields)
        for written in side
        if not written.is_merge
        for fields in written.operations
        if fields[0] in ("append", ERASE, VOID)
    }


def _content(fields: Fields) -> Fields:
    """Return what readers see of a record behind an operation."""
    if fields[0] == "delete":
        return [None, None, None]
    return [*fields[3:], None, None][:3]


def _digest(side: Sequence[Written]) -> str:
    return _hash("".join(each.origin.hash for each in side).encode())


def _hash(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()
