"""Read entries from a store: by id, by subject, all of them, and as they were."""

from __future__ import annotations

import json
from collections.abc import Iterable

from holdfast.clock import Clock
from holdfast.errors import EntryNotFound, UsageError
from holdfast.ids import ID_LENGTH, normalise_prefix
from holdfast.memory.batches import Stored
from holdfast.memory.belief import State, state_of
from holdfast.memory.entry import Entry, decode_entry
from holdfast.memory.events import Event, decode_event, entry_at
from holdfast.memory.keys import DUE, ENTRIES, IDS, PAST, due_by, id_key, log_of, subjects_of
from holdfast.memory.namespaces import Namespace
from holdfast.storage.paging import every_record
from holdfast.storage.seam import Key, Record, Store

_SHOWN = 5


class Reader:
    """What is in the memory."""

    def __init__(self, store: Store, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def find(self, text: str) -> Stored:
        """Return the entry with this id, or the only one whose id begins so.

        Raises:
            EntryNotFound: there is none, or there are several.
        """
        prefix = normalise_prefix(text)
        ids = await self._ids_from(prefix) if prefix else []
        if not ids:
            raise EntryNotFound(
                f"no entry of the memory has the id {text!r}",
                hint="`holdfast memory list --all` shows the ids",
            )
        if len(ids) > 1:
            listed = ", ".join(each[:12] for each in ids[:_SHOWN])
            more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
            raise EntryNotFound(
                f"{len(ids)} entries have ids that begin with {text!r}: {listed}{more}",
                hint="give more of the id",
            )
        stored = await self.by_id(ids[0])
        if stored is None:
            raise EntryNotFound(
                f"the record of the entry {ids[0]} is missing",
                hint="run `holdfast memory repair`: it is in its history",
            )
        return stored

    async def by_id(self, entry_id: str) -> Stored | None:
        """Return an entry, live or past; None if there is none."""
        record = await self._store.get(id_key(entry_id))
        return await self.by_parts(tuple(json.loads(record.value))) if record else None

    async def by_parts(self, parts: Key) -> Stored | None:
        """Return an entry, live or past, by the parts of its keys."""
        # In this order: an entry only ever goes from the living to the past.
        for prefix in (ENTRIES, PAST):
            if record := await self._store.get((*prefix, *parts)):
                return _stored(record)
        return None

    async def about(self, namespace: Namespace, key: str) -> list[Stored]:
        """Return the live entries about one subject."""
        prefix = (*ENTRIES, *namespace.parts)
        pointers = every_record(self._store, subjects_of(namespace, key))
        keys = [(*prefix, each.key[-1]) async for each in pointers]
        return [_stored(record) for each in keys if (record := await self._store.get(each))]

    async def due(self, now: int) -> list[Stored]:
        """Return the live entries that have expired."""
        end = due_by(now + 1)
        found: list[Stored] = []
        async for pointer in every_record(self._store, DUE):
            if pointer.key >= end:
                break
            stored = await self.by_parts(pointer.key[len(end) :])
            if stored and stored.is_live:
                found.append(stored)
        return found

    async def live(self, namespaces: Iterable[Namespace] | None = None) -> list[Stored]:
        """Return the entries that nothing has ended, whatever the time is."""
        return await self._all(ENTRIES, namespaces)

    async def past(self, namespaces: Iterable[Namespace] | None = None) -> list[Stored]:
        """Return the entries that were superseded, forgotten or swept."""
        return await self._all(PAST, namespaces)

    async def every(self, namespaces: Iterable[Namespace] | None = None) -> list[Stored]:
        """Return live and past entries."""
        chosen = None if namespaces is None else list(namespaces)
        found = {each.entry.id: each for each in await self.live(chosen)}
        # Later, so that what was ended meanwhile is there in its newer form.
        found |= {each.entry.id: each for each in await self.past(chosen)}
        return list(found.values())

    async def events(self, entry_id: str) -> list[Event]:
        """Return what happened to an entry, in order."""
        return [decode_event(each.value) for each in await self._store.read(log_of(entry_id))]

    async def lineage(self, entry: Entry) -> list[Event]:
        """Return what happened to an entry, to what it replaced and to what replaced it."""
        events: list[Event] = []
        waiting, seen = [entry.id], set[str]()
        while waiting:
            entry_id = waiting.pop()
            if entry_id in seen:
                continue
            seen.add(entry_id)
            own = await self.events(entry_id)
            events += own
            for each in own:  # of two clones, each may have superseded it
                waiting += each.entry.supersedes
                waiting += [each.entry.superseded_by] if each.entry.superseded_by else []
        return sorted(events, key=lambda each: (each.at, each.entry.recorded_at))

    async def as_of(
        self,
        moment: int,
        *,
        valid_at: int | None = None,
        namespaces: Iterable[Namespace] | None = None,
    ) -> list[Entry]:
        """Return what was believed at a moment about the world at `valid_at` (else: then).

        Raises:
            UsageError: the moment has not come yet.
        """
        if moment > self._clock.now_ms():
            raise UsageError(
                "nobody knows yet what will be believed at a time in the future",
                hint="ask what is believed now about a time to come: --valid-at",
            )
        believed: list[Entry] = []
        for each in await self.every(namespaces):
            entry = await self._as_it_was(each.entry, moment)
            if entry and state_of(entry, moment, valid_at=valid_at) is State.CURRENT:
                believed.append(entry)
        return believed

    async def _as_it_was(self, entry: Entry, moment: int) -> Entry | None:
        if entry.recorded_at > moment:
            return None
        return (
            entry if entry.updated_at <= moment else entry_at(await self.events(entry.id), moment)
        )

    async def _ids_from(self, prefix: str) -> list[str]:
        if len(prefix) == ID_LENGTH:
            return [prefix] if await self._store.get(id_key(prefix)) else []
        found: list[str] = []
        async for record in every_record(self._store, IDS, after=id_key(prefix)):
            if not record.key[-1].startswith(prefix):
                break
            found.append(record.key[-1])
        return found

    async def _all(self, prefix: Key, namespaces: Iterable[Namespace] | None) -> list[Stored]:
        prefixes = [prefix] if namespaces is None else [(*prefix, *n.parts) for n in namespaces]
        return [
            _stored(record) for each in prefixes async for record in every_record(self._store, each)
        ]


def _stored(record: Record) -> Stored:
    return Stored(decode_entry(record.value), record.key, record.version)
