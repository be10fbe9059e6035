"""What is remembered: the record of one entry, and its form as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from holdfast.errors import StorageCorrupt, StorageTooNew
from holdfast.memory.namespaces import Namespace, parse_namespace
from holdfast.storage.seam import Key

FORMAT = 1


class Kind(StrEnum):
    """What sort of thing is remembered."""

    FACT = "fact"
    """Something that is so."""

    DECISION = "decision"
    """Something that was decided, with the reason and what else was weighed."""

    PREFERENCE = "preference"
    """How somebody wants things to be."""

    PROCEDURE = "procedure"
    """How something is done."""

    EPISODE = "episode"
    """Something that happened."""


class Standing(StrEnum):
    """How a decision stands."""

    PROPOSED = "proposed"
    """It is not decided yet."""

    ACCEPTED = "accepted"
    """It holds."""

    REJECTED = "rejected"
    """It was decided against it."""


class End(StrEnum):
    """Why an entry is not believed any more."""

    SUPERSEDED = "superseded"
    """Another entry took its place."""

    FORGOTTEN = "forgotten"
    """Somebody asked to forget it; what it said stays in its history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where an entry comes from. `confidence` goes from 0 to 1; empty means that nobody said."""

    by: str = ""
    run: str = ""
    task: str = ""
    session: str = ""
    source: str = ""
    source_hash: str = ""
    confidence: float | None = None
    checked_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that is, or was, believed. Times are in milliseconds of the epoch.

    `key` names the subject: two entries of one namespace with one key are about the same thing.
    `value` is any JSON value, mostly text. `name` is the last part of the record's key.

    `recorded_at` and `updated_at` say when it became known; `valid_from` and `valid_until` when it
    is so in the world (None: always). From `expires_at` on it is not believed any more. `supersedes`
    names what it replaced, `contradicts` what else was believed about its subject when it was
    written. `ended_at`, `end`, `ended_by`, `why` and `superseded_by` tell of its end. `tail` is the
    number of the last event in its log.
    """

    id: str
    name: str
    namespace: Namespace
    kind: Kind
    value: object
    recorded_at: int
    updated_at: int
    key: str = ""
    title: str = ""
    reason: str = ""
    alternatives: tuple[str, ...] = ()
    standing: Standing | None = None
    provenance: Provenance = field(default_factory=Provenance)
    valid_from: int | None = None
    valid_until: int | None = None
    expires_at: int | None = None
    supersedes: tuple[str, ...] = ()
    contradicts: tuple[str, ...] = ()
    superseded_by: str = ""
    end: End | None = None
    ended_at: int | None = None
    ended_by: str = ""
    why: str = ""
    tail: int = 1

    @property
    def parts(self) -> Key:
        """The parts of the keys of its records, behind what they begin with."""
        return (*self.namespace.parts, self.name)

    @property
    def text(self) -> str:
        """The value as text."""
        return self.value if isinstance(self.value, str) else write_json(self.value)

    @property
    def headline(self) -> str:
        """What it is called: its title, else its key, else the first line of its text."""
        lines = self.text.strip().splitlines()
        return self.title or self.key or (lines[0] if lines else "")


def write_json(value: object) -> str:
    """Return a value as one line of JSON."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def members_of(entry: Entry) -> dict[str, object]:
    """Return an entry as JSON members; what is empty is left out."""
    members: dict[str, object] = {"format": FORMAT}
    for each in fields(entry):
        value = getattr(entry, each.name)
        if each.name == "namespace":
            members["namespace"] = str(value)
        elif each.name == "provenance":
            members["provenance"] = provenance_members(value)
        elif each.name == "value" or value not in (None, "", ()):
            members[each.name] = value
    return members


def provenance_members(provenance: Provenance) -> dict[str, object]:
    """Return a provenance as JSON members; what is empty is left out."""
    pairs = ((each.name, getattr(provenance, each.name)) for each in fields(provenance))
    return {name: value for name, value in pairs if value not in (None, "")}


def entry_of(members: Mapping[str, Any]) -> Entry:
    """Return the entry that JSON members stand for.

    Raises:
        StorageTooNew: a newer version wrote it.
        StorageCorrupt: it is no entry.
    """
    try:
        if members["format"] > FORMAT:
            raise StorageTooNew(
                f"an entry of the memory has format {members['format']}; this Holdfast knows {FORMAT}",
                hint="upgrade Holdfast; nothing was changed",
            )
        known = {name: value for name, value in members.items() if name != "format"}
        known["namespace"] = parse_namespace(members["namespace"])
        known["kind"] = Kind(members["kind"])
        known["provenance"] = Provenance(**members["provenance"])
        for name in ("alternatives", "supersedes", "contradicts"):
            known[name] = tuple(members.get(name, ()))
        if "standing" in members:
            known["standing"] = Standing(members["standing"])
        if "end" in members:
            known["end"] = End(members["end"])
        return Entry(**known)
    except (LookupError, TypeError, ValueError) as error:
        raise StorageCorrupt(
            f"a record of the memory is damaged: {error!r}",
            hint="run `holdfast memory repair`; its history may still have it",
        ) from error


def encode_entry(entry: Entry) -> bytes:
    """Return the value of an entry's record."""
    return json.dumps(members_of(entry), ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )


def decode_entry(value: bytes) -> Entry:
    """Return the entry in a record.

    Raises:
        StorageTooNew: a newer version wrote it.
        StorageCorrupt: it is no entry.
    """
    try:
        members = json.loads(value.decode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise StorageCorrupt(
            f"a record of the memory is no JSON: {error}",
            hint="run `holdfast memory repair`; its history may still have it",
        ) from error
    return entry_of(members)
