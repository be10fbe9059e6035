"""Where the memory keeps its records and logs.

::

    ("memory", NAMESPACE…, NAME)           an entry that nothing has ended: what faces show
    ("memory-past", NAMESPACE…, NAME)      an entry that was superseded, forgotten or swept
    ("memory-id", ID)                      the parts of the keys above, by id
    ("memory-key", NAMESPACE…, KEY, NAME)  finds the living about one subject
    ("memory-due", TIME, NAMESPACE…, NAME) finds the living that expire
    log ("memory", ID)                     what happened to an entry; the record is its last event
    log ("memory-feed",)                   one entry for every change of any of them
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from holdfast.memory.entry import Entry
from holdfast.memory.namespaces import Namespace
from holdfast.storage.seam import Append, Key

ENTRIES: Key = ("memory",)
PAST: Key = ("memory-past",)
IDS: Key = ("memory-id",)
SUBJECTS: Key = ("memory-key",)
DUE: Key = ("memory-due",)
FEED: Key = ("memory-feed",)

_SLUG = 40
_NO_WORD = re.compile(r"[\W_]+")


class Named(NamedTuple):
    """What an entry of the feed names: an entry by the parts of its keys."""

    id: str
    parts: Key


def name_of(entry_id: str, headline: str) -> str:
    """Return the last part of the keys of a new entry: readable, and different for every id."""
    slug = _NO_WORD.sub("-", headline[:_SLUG].lower()).strip("-")
    return f"{slug}.{entry_id}" if slug else entry_id


def live_key(entry: Entry) -> Key:
    """Return the key of an entry that nothing has ended."""
    return (*ENTRIES, *entry.parts)


def past_key(entry: Entry) -> Key:
    """Return the key of an entry that was put away."""
    return (*PAST, *entry.parts)


def id_key(entry_id: str) -> Key:
    """Return the key of the record that finds an entry by its id."""
    return (*IDS, entry_id)


def subjects_of(namespace: Namespace, key: str) -> Key:
    """Return what the keys of all entries about one subject begin with."""
    return (*SUBJECTS, *namespace.parts, key)


def due_by(moment: int) -> Key:
    """Return what the keys of all entries that expire at a moment begin with, in its order."""
    return (*DUE, f"{moment:016d}")


def log_of(entry_id: str) -> Key:
    """Return the log of an entry."""
    return ("memory", entry_id)


def feed_of(entries: Sequence[Entry]) -> Append:
    """Return the operation that tells of changed entries."""
    values = [
        json.dumps([each.id, each.tail, each.updated_at, *each.parts], ensure_ascii=False).encode()
        for each in entries
    ]
    return Append(log=FEED, entries=values)


def read_feed(value: bytes) -> Named:
    """Return what an entry of the feed names."""
    entry_id, _, _, *parts = json.loads(value)
    return Named(entry_id, tuple(parts))
