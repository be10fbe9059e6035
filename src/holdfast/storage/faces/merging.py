"""Merge what a person wrote with what the store holds by now, field by field. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeGuard

from holdfast.storage.faces.values import Fields, is_same

FieldPath = tuple[str, ...]
"""The name of a field, behind the names of the objects that it is in."""


class Absent(Enum):
    """What stands for the value of a field that is not there, or that nobody knows."""

    MISSING = "missing"
    """The field is not there."""

    UNKNOWN = "unknown"
    """Nobody knows any more whether the field was there, and with which value."""


MISSING: Final = Absent.MISSING
UNKNOWN: Final = Absent.UNKNOWN


@dataclass(frozen=True, slots=True)
class Clash:
    """A field that both sides changed, differently. `MISSING` stands for a removed field."""

    path: FieldPath
    ours: object
    theirs: object


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge came to.

    `fields` holds our value wherever the sides clash. `taken` names the fields that have the
    value of the other side.
    """

    fields: Fields
    taken: Sequence[FieldPath] = ()
    clashes: Sequence[Clash] = ()


@dataclass(slots=True)
class _Findings:
    taken: list[FieldPath]
    clashes: list[Clash]


def merge(base: Fields | None, ours: Fields, theirs: Fields) -> Merged:
    """Merge two changes of `base`.

    A field changed on one side only gets that side's value, a field changed on both to the same
    gets that, and a field changed on both differently clashes and keeps ours. A removed field is
    a changed one. Objects merge member by member, all else (lists too) as a whole.

    Without a base (None) nobody can tell who changed a field: whatever differs clashes.
    """
    findings = _Findings([], [])
    fields = _merge_members(UNKNOWN if base is None else base, ours, theirs, (), findings)
    return Merged(fields, tuple(findings.taken), tuple(findings.clashes))


def _merge_members(
    base: Fields | Absent, ours: Fields, theirs: Fields, path: FieldPath, findings: _Findings
) -> Fields:
    merged: dict[str, object] = {}
    for name in dict.fromkeys((*ours, *theirs)):
        value = _merge_value(
            base if isinstance(base, Absent) else base.get(name, MISSING),
            ours.get(name, MISSING),
            theirs.get(name, MISSING),
            (*path, name),
            findings,
        )
        if value is not MISSING:
            merged[name] = value
    return merged


def _merge_value(
    base: object, ours: object, theirs: object, path: FieldPath, findings: _Findings
) -> object:
    if _agree(ours, theirs) or _agree(base, theirs):
        return ours
    if _agree(base, ours):
        findings.taken.append(path)
        return theirs
    members = base if isinstance(base, Absent) or _is_object(base) else None
    if members is not None and _is_object(ours) and _is_object(theirs):
        return _merge_members(members, ours, theirs, path, findings)
    findings.clashes.append(Clash(path, ours, theirs))
    return ours


def _agree(one: object, other: object) -> bool:
    if isinstance(one, Absent) or isinstance(other, Absent):
        return one is other and one is MISSING
    return is_same(one, other)


def _is_object(value: object) -> TypeGuard[Fields]:
    return isinstance(value, dict)
