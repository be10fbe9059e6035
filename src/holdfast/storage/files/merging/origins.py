"""Know a line again, wherever a merge has put it, and give all lines one order.

A merge writes lines anew: their numbers, their hashes and the numbers in them change. So a line that was
written anew ends with the operation `["from", hash, at, tick]`, its *origin*: the hash that it had
when it was first written, and the time of a hybrid logical clock (Kulkarni et al. 2014). That clock
is the time of the line, but never before the lines that its writer knew; so the order of the
origins is the same in all clones, and nothing stands in front of what it builds on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from holdfast.storage.files.lines import Fields, Line

_MARK: Final = re.compile(
    rb'\["from","([0-9a-f]{32})",(-?[0-9]+),([0-9]+)\]\],"c":"[0-9a-f]{8}"\}\n\Z'
)
_LONGEST_MARK = 140
_KIND = "from"
MERGE = "merge"
"""The operation by which the line that ends a merge is known."""


ERASE = "erase"
"""The operation that removes a log."""

VOID = "was-erased"
"""What an erasure is that a merge made void."""


class Origin(NamedTuple):
    """Where a line stands in the order of all lines: when it was first written, and its hash."""

    at: int
    tick: int
    hash: str


BEFORE_ALL: Final = Origin(-(2**63), 0, "")


class Written(NamedTuple):
    """What a line says, without what the journal says of itself."""

    origin: Origin
    line: Line
    operations: list[Fields]

    @property
    def is_merge(self) -> bool:
        """Whether it only tells of a merge."""
        return bool(self.operations) and self.operations[-1][0] == MERGE


def is_structure(line: Line) -> bool:
    """Return whether a line only begins or ends a segment."""
    return line.is_header or line.is_seal


def format_named(line: Line) -> int:
    """Return the format that the first line of a segment names."""
    return line.operations[0][1]["format"]


def origin_of(line: Line, before: Origin) -> Origin:
    """Return the origin of a line, given that of the line before it."""
    found = _MARK.search(line.data[-_LONGEST_MARK:])
    if found:
        return Origin(int(found[2]), int(found[3]), found[1].decode())
    if line.written_at > before.at:
        return Origin(line.written_at, 0, line.hash)
    return Origin(before.at, before.tick + 1, line.hash)


def last_origin(lines: Iterable[Line], before: Origin = BEFORE_ALL) -> Origin:
    """Return the origin of the last line that says anything."""
    for line in lines:
        if not is_structure(line):
            before = origin_of(line, before)
    return before


def read_written(lines: Iterable[Line], before: Origin) -> list[Written]:
    """Return what lines say that stand behind an origin."""
    found: list[Written] = []
    for line in lines:
        if is_structure(line):
            continue
        before = origin_of(line, before)
        operations = line.operations
        if operations and operations[-1][0] == _KIND:
            operations.pop()
        found.append(Written(before, line, operations))
    return found


def write_origin(origin: Origin) -> Fields:
    """Return the operation that names the origin of a line."""
    return [_KIND, origin.hash, origin.at, origin.tick]
