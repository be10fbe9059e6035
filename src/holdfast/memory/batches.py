"""The batches of operations by which entries change, each with its event and its trace. Pure.

The feed is not in them: one batch may name several entries, and gets one `feed_of` them all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from holdfast.memory.entry import Entry, encode_entry, write_json
from holdfast.memory.events import Change, Event, encode_event
from holdfast.memory.keys import id_key, live_key, log_of, past_key, subjects_of
from holdfast.storage.seam import ABSENT, ANY, Append, Delete, Key, Operation, Put


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry as it was read: with the key and the version of its record."""

    entry: Entry
    key: Key
    version: int

    @property
    def is_live(self) -> bool:
        """Whether nothing has ended it, and nobody put it away."""
        return self.key == live_key(self.entry)


def create(entry: Entry, *, by: str, why: str = "") -> list[Operation]:
    """Return what makes an entry; refused if it exists."""
    event = Event(change=Change.WRITTEN, at=entry.updated_at, entry=entry, by=by, why=why)
    return [
        Put(key=live_key(entry), value=encode_entry(entry), expected=ABSENT),
        Append(log=log_of(entry.id), entries=[encode_event(event)], expected=ABSENT),
        Put(key=id_key(entry.id), value=write_json(list(entry.parts)).encode(), expected=ABSENT),
        *_subject(entry),
    ]


def change(stored: Stored, event: Event) -> tuple[Entry, list[Operation]]:
    """Return a live entry after an event that leaves it live, and what makes it so."""
    after, append = _next(stored, event)
    operations: list[Operation] = [
        Put(key=stored.key, value=encode_entry(after), expected=stored.version),
        append,
    ]
    if after.key != stored.entry.key:
        operations += [*_no_subject(stored.entry), *_subject(after)]
    return after, operations


def put_away(stored: Stored, event: Event) -> tuple[Entry, list[Operation]]:
    """Return a live entry after an event that ends it, and what makes it so."""
    after, append = _next(stored, event)
    return after, [
        Delete(key=stored.key, expected=stored.version),
        append,
        Put(key=past_key(after), value=encode_entry(after), expected=ABSENT),
        *_no_subject(stored.entry),
    ]


def _next(stored: Stored, event: Event) -> tuple[Entry, Append]:
    """Number an event of an entry: one that was not the next is refused."""
    tail = stored.entry.tail
    after = replace(event.entry, tail=tail + 1, updated_at=event.at)
    numbered = replace(event, entry=after)
    return after, Append(log=log_of(after.id), entries=[encode_event(numbered)], expected=tail)


def _subject(entry: Entry) -> list[Operation]:
    if not entry.key:
        return []
    key = (*subjects_of(entry.namespace, entry.key), entry.id)
    return [Put(key=key, value=entry.name.encode(), expected=ANY)]


def _no_subject(entry: Entry) -> list[Operation]:
    if not entry.key:
        return []
    return [Delete(key=(*subjects_of(entry.namespace, entry.key), entry.id), expected=ANY)]
