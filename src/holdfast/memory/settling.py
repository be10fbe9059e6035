"""Bring the records of an entry in line with its log, which is the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from holdfast.memory.batches import point, pointers_of
from holdfast.memory.entry import Entry, encode_entry, write_json
from holdfast.memory.events import Change, Event, encode_event
from holdfast.memory.keys import (
    ENTRIES,
    IDS,
    PAST,
    feed_of,
    id_key,
    live_key,
    log_of,
    past_key,
)
from holdfast.memory.reading import Reader
from holdfast.storage.fallback import write_all
from holdfast.storage.seam import ABSENT, ANY, Append, Delete, Key, Listing, Operation, Put, Store

_PAGE = 500
_MERGES: Key = ("merged",)
_SETTLED: Key = ("memory-merged",)
_MOST_MERGES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """What a repair found: how many entries there are, and a sentence for each that was mended.

    `lost` names records that cannot be read and have no history; they are left alone.
    """

    entries: int
    mended: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settled:
    """How an entry stands by its log, and whether it is to be with the living."""

    entry: Entry
    is_live: bool


def entry_after(events: Sequence[Event]) -> Settled:
    """Return how an entry stands after the events of its log. Pure.

    The logs of two clones that were merged may hold what happened on either side: an end is final,
    else the latest change counts. Nothing of the other is lost, it stays in the log.
    """
    ends = [each for each in events if each.entry.end is not None]
    swept = [each for each in events if each.change is Change.SWEPT]
    latest = max(enumerate(events), key=lambda each: (each[1].at, each[0]))[1]
    deciding = (ends or swept or [latest])[-1]
    entry = replace(deciding.entry, tail=len(events), updated_at=max(each.at for each in events))
    return Settled(entry, not (ends or swept))


async def settle(
    store: Store, reader: Reader, settled: Settled, events: Sequence[bytes], *, after: int
) -> bool:
    """Make the records of an entry what its log says, adding events behind entry `after` of it.

    False says that somebody else changed it just now.
    """
    entry = settled.entry
    stored = await reader.by_id(entry.id)
    live = await store.get(live_key(entry))
    past = await store.get(past_key(entry))
    wanted, other = (live, past) if settled.is_live else (past, live)
    operations: list[Operation] = [
        Put(
            key=live_key(entry) if settled.is_live else past_key(entry),
            value=encode_entry(entry),
            expected=wanted.version if wanted else ABSENT,
        ),
        Put(key=id_key(entry.id), value=write_json(list(entry.parts)).encode(), expected=ANY),
    ]
    if events:
        operations.append(Append(log=log_of(entry.id), entries=events, expected=after))
    if other:
        operations.append(Delete(key=other.key, expected=other.version))
    before = stored.entry if stored else entry
    operations += _pointers(settled, before)
    return await write_all(store, [*operations, feed_of([entry])]) is None


def _pointers(settled: Settled, before: Entry) -> list[Operation]:
    wanted = pointers_of(settled.entry) if settled.is_live else []
    known = {*pointers_of(before), *pointers_of(settled.entry)}
    # All that are wanted are written, also those that should have been there.
    return [*point(known - set(wanted), ()), *point((), wanted)]


async def repair(store: Store, reader: Reader, *, dry_run: bool = False) -> Mended:
    """Compare the records of all entries with their logs, and mend those that differ."""
    mended: list[str] = []
    lost: list[str] = []
    ids = await _all_ids(store)
    for entry_id, key in sorted(ids.items()):
        events = await reader.events(entry_id)
        reason = await _difference(store, entry_after(events)) if events else ""
        if not events and (key is None or await store.get(key) is None):
            lost.append(f"{entry_id}: it is named, and neither record nor history is there")
        elif not events or reason:
            mended.append(f"{entry_id}: {reason or 'its history was missing and begins anew'}")
            if not dry_run:
                await _mend(store, reader, entry_id, events, key)
    return Mended(entries=len(ids), mended=tuple(mended), lost=tuple(lost))


async def settle_merges(store: Store, reader: Reader) -> int:
    """Bring the memory in line after the store was merged with a clone; return how often it was.

    A merge leaves a log `("merged", DIGEST)`; which ones were settled is noted here.
    """
    if not isinstance(store, Listing):
        return 0
    settled = 0
    for name in await store.logs(_MERGES, limit=_MOST_MERGES):
        mark = (*_SETTLED, *name[1:])
        if await store.get(mark) is None:
            await repair(store, reader)
            await store.put(mark, b"", expected=ANY)
            settled += 1
    return settled


async def _mend(
    store: Store, reader: Reader, entry_id: str, events: Sequence[Event], key: Key | None
) -> None:
    if events:
        await settle(store, reader, entry_after(events), [], after=len(events))
    elif key is not None:
        await _begin_anew(store, reader, entry_id, key)


async def _begin_anew(store: Store, reader: Reader, entry_id: str, key: Key) -> None:
    """Write the first event of an entry whose log is gone."""
    stored = await reader.by_parts(key[1:])
    if stored is None or stored.entry.id != entry_id:
        return
    entry = replace(stored.entry, tail=1)
    event = Event(
        change=Change.WRITTEN, at=entry.updated_at, entry=entry, why="its history was lost"
    )
    await settle(store, reader, Settled(entry, stored.is_live), [encode_event(event)], after=0)


async def _difference(store: Store, settled: Settled) -> str:
    """Return what is wrong with the records of an entry; nothing if they are right."""
    entry, value = settled.entry, encode_entry(settled.entry)
    live, past = await store.get(live_key(entry)), await store.get(past_key(entry))
    wanted, other = (live, past) if settled.is_live else (past, live)
    if wanted is None:
        return "its record was missing"
    if wanted.value != value:
        return "its record was not what its history says"
    if other is not None:
        return "it was both live and past"
    if await store.get(id_key(entry.id)) is None:
        return "it could not be found by its id"
    for key in pointers_of(entry):
        if (await store.get(key) is not None) is not settled.is_live:
            return "it could not be found by its key or its end, or should not have been"
    return ""


async def _all_ids(store: Store) -> dict[str, Key | None]:
    """Return the ids of all entries that are named anywhere, with the key of a record."""
    found: dict[str, Key | None] = {}
    if isinstance(store, Listing):
        after: Key | None = None
        while names := await store.logs(("memory",), after=after, limit=_PAGE):
            found |= {name[1]: None for name in names if len(name) == 2}
            after = names[-1]
    for prefix in (IDS, PAST, ENTRIES):
        after = None
        while page := await store.scan(prefix, after=after, limit=_PAGE):
            for each in page:
                entry_id = each.key[-1].rpartition(".")[2]
                found[entry_id] = each.key if prefix != IDS else found.get(entry_id)
            after = page[-1].key
    return found
