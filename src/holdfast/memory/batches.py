"""The batches of operations by which entries change, each with its event and its trace. Pure.

The feed is not in them: one batch may name several entries, and gets one `feed_of` them all.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from holdfast.memory.entry import Entry, encode_entry, write_json
from holdfast.memory.events import Change, Event, encode_event
from holdfast.memory.keys import due_by, id_key, live_key, log_of, past_key, subjects_of
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
        *point((), pointers_of(entry)),
    ]


def change(stored: Stored, event: Event) -> tuple[Entry, list[Operation]]:
    """Return a live entry after an event that leaves it live, and what makes it so."""
    after, append = _next(stored, event)
    return after, [
        Put(key=stored.key, value=encode_entry(after), expected=stored.version),
        append,
        *point(pointers_of(stored.entry), pointers_of(after)),
    ]


def put_away(stored: Stored, event: Event) -> tuple[Entry, list[Operation]]:
    """Return a live entry after an event that ends it, and what makes it so."""
    after, append = _next(stored, event)
    return after, [
        Delete(key=stored.key, expected=stored.version),
        append,
        Put(key=past_key(after), value=encode_entry(after), expected=ABSENT),
        *point(pointers_of(stored.entry), ()),
    ]


def pointers_of(entry: Entry) -> list[Key]:
    """Return the keys of the records by which a live entry is found besides its id."""
    pointers: list[Key] = []
    if entry.key:
        pointers.append((*subjects_of(entry.namespace, entry.key), entry.name))
    if entry.expires_at is not None:
        pointers.append((*due_by(entry.expires_at), *entry.parts))
    return pointers


def point(before: Collection[Key], after: Collection[Key]) -> list[Operation]:
    """Return what puts the pointers `after` in the place of those `before`."""
    gone: list[Operation] = [Delete(key=key, expected=ANY) for key in before if key not in after]
    new = [key for key in after if key not in before]
    return [*gone, *(Put(key=key, value=b"", expected=ANY) for key in new)]


def _next(stored: Stored, event: Event) -> tuple[Entry, Append]:
    """Number an event of an entry: one that was not the next is refused."""
    tail = stored.entry.tail
    after = replace(event.entry, tail=tail + 1, updated_at=event.at)
    numbered = replace(event, entry=after)
    return after, Append(log=log_of(after.id), entries=[encode_event(numbered)], expected=tail)
