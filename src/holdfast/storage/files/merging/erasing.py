"""Which erasures of logs count when two clones are merged.

An erasure removes what its writer knew, all of it or nothing. If the other clone has added entries to
the log that the writer did not know, they were acknowledged and must not be lost; and what is left of
a log without its beginning is of no use. So such an erasure is *void*, on both sides and for ever: the
log stays as a whole, and whoever wanted it gone may erase it again. The operation stays in its line
under another name, so that every later merge knows. Where the two sides only erased, or only one of
them did anything, the erasure counts.
"""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.storage.files.lines import Fields, Line
from holdfast.storage.files.merging.origins import ERASE, VOID, Written
from holdfast.storage.files.merging.rewriting import name_of


def without_void(
    order: Sequence[Written], only_here: Sequence[Written], only_there: Sequence[Written]
) -> list[Written]:
    """Return what both say, with the erasures made void that met entries of the other side."""
    void: dict[str, set[str]] = {}
    for side, other in ((only_here, only_there), (only_there, only_here)):
        added = appended(other)
        void |= {each.origin.hash: added for each in side}
    return [_judge(each, void.get(each.origin.hash, set())) for each in order]


def appended(side: Sequence[Written]) -> set[str]:
    """Return the logs that lines add entries to."""
    return {name_of(fields) for each in side for fields in each.operations if fields[0] == "append"}


def agree(one: Fields, other: Fields) -> Fields:
    """Return what counts of one erasure that both sides have: it is void if one side says so."""
    return other if other[0] == VOID else one


def says(line: Line, written: Written) -> bool:
    """Return whether a line that is there says what it must: perhaps it erases what stays."""
    if all(fields[0] != VOID for fields in written.operations):
        return True
    pairs = zip(line.operations, written.operations, strict=False)
    return all(there[0] == wanted[0] for there, wanted in pairs)


def _judge(written: Written, added: set[str]) -> Written:
    if not any(fields[0] == ERASE and name_of(fields) in added for fields in written.operations):
        return written
    operations = [
        [VOID, *fields[1:]] if fields[0] == ERASE and name_of(fields) in added else fields
        for fields in written.operations
    ]
    return written._replace(operations=operations)
