"""Carry entries with their whole history to another store, as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from holdfast.errors import StorageCorrupt, StorageTooNew, UsageError
from holdfast.memory.events import Event, decode_event, encode_event
from holdfast.memory.reading import Reader
from holdfast.memory.settling import entry_after, settle
from holdfast.storage.seam import Store

_FORMAT = "holdfast-memory"
_VERSION = 1


@dataclass(slots=True)
class Imported:
    """What became of the entries of a file: `refused` are the ids of those that differ here."""

    added: int = 0
    advanced: int = 0
    same: int = 0
    refused: list[str] = field(default_factory=list[str])


async def export_entries(reader: Reader, write: Callable[[str], object]) -> int:
    """Write all entries, live and past, with all that happened to them; return how many."""
    write(json.dumps({"format": _FORMAT, "version": _VERSION}) + "\n")
    stored = await reader.every()
    for each in sorted(stored, key=lambda each: (each.entry.recorded_at, each.entry.id)):
        events = [json.loads(encode_event(one)) for one in await reader.events(each.entry.id)]
        line = {"id": each.entry.id, "events": events}
        write(json.dumps(line, ensure_ascii=False) + "\n")
    return len(stored)


async def import_entries(store: Store, reader: Reader, lines: Iterable[str]) -> Imported:
    """Take entries in: new ones, and what happened to known ones since.

    Doing it again changes nothing. An entry to which something else happened here stays as it is
    and is named.

    Raises:
        UsageError: a line is not what `export_entries` writes; those before it were taken in.
        StorageTooNew: a newer version wrote it.
    """
    done = Imported()
    for number, line in enumerate(lines, 1):
        members = _read_line(line, number)
        if number == 1:
            _check_header(members)
        else:
            await _take(store, reader, _events_of(members, number), done)
    return done


async def _take(store: Store, reader: Reader, events: Sequence[Event], done: Imported) -> None:
    entry_id = events[-1].entry.id
    known = [encode_event(each) for each in await reader.events(entry_id)]
    brought = [encode_event(each) for each in events]
    common = min(len(known), len(brought))
    if known[:common] != brought[:common]:
        done.refused.append(entry_id)
    elif len(brought) <= len(known):
        done.same += 1
    elif await settle(store, reader, entry_after(events), brought[common:], after=len(known)):
        done.advanced += bool(known)
        done.added += not known
    else:  # somebody changed it just now
        done.refused.append(entry_id)


def _read_line(line: str, number: int) -> dict[str, Any]:
    try:
        members: object = json.loads(line)
    except ValueError as error:
        raise UsageError(f"line {number} is no JSON: {error}", hint=_HINT) from error
    if not isinstance(members, dict):
        raise UsageError(f"line {number} is no JSON object", hint=_HINT)
    return cast("dict[str, Any]", members)


def _check_header(members: dict[str, Any]) -> None:
    if members.get("format") != _FORMAT:
        raise UsageError("line 1 does not say that this is an exported memory", hint=_HINT)
    if members.get("version") != _VERSION:
        raise StorageTooNew(
            f"the file has version {members.get('version')!r}; this Holdfast knows {_VERSION}",
            hint="upgrade Holdfast; nothing was changed",
        )


def _events_of(members: dict[str, Any], number: int) -> list[Event]:
    try:
        events = [decode_event(json.dumps(each).encode()) for each in members["events"]]
    except (LookupError, TypeError, StorageCorrupt) as error:
        raise UsageError(f"line {number} is no entry: {error}", hint=_HINT) from error
    if not events or {each.entry.id for each in events} != {members.get("id")}:
        raise UsageError(f"line {number} has events of another entry, or none", hint=_HINT)
    return events


_HINT = "give a file that `holdfast memory export` wrote, unchanged"
