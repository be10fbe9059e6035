"""A shelf of notes that keeps a feed, as an owner of records would, and the index of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from holdfast.storage.fallback import write_all
from holdfast.storage.seam import ANY, Append, Delete, Entry, Key, Put, Store
from holdfast.storage.texts import Change, Document, Question, Removed, Texts

FEED: Key = ("note-feed",)


class Shelf:
    """Notes in a store: each change is in the feed too."""

    def __init__(self, store: Store, path: Path | None = None) -> None:
        self.store = store
        self.path = path
        self.texts = self.open()
        self.changes = 0
        self.loaded = 0

    def open(self) -> Texts:
        return Texts(self.store, FEED, load=self._load, path=self.path)

    async def put(self, name: str, text: str, **members: Any) -> None:
        value = json.dumps({"text": text, **members}).encode()
        await self._write(name, Put(key=key(name), value=value, expected=ANY))

    async def remove(self, name: str) -> None:
        await self._write(name, Delete(key=key(name), expected=ANY))

    async def find(self, text: str, **asked: Any) -> list[str]:
        hits = await self.texts.search(Question(text=text, **asked))
        return [hit.key[1] for hit in hits]

    async def _write(self, name: str, operation: Put | Delete) -> None:
        self.changes += 1
        entry = json.dumps([name, self.changes, id(self)]).encode()
        await write_all(self.store, [operation, Append(log=FEED, entries=[entry])])

    async def _load(self, entries: Sequence[Entry]) -> Sequence[Change]:
        changes: list[Change] = []
        for name in {json.loads(entry.value)[0] for entry in entries}:
            self.loaded += 1
            record = await self.store.get(key(name))
            changes.append(
                Document(key=key(name), **json.loads(record.value))
                if record
                else Removed(key(name))
            )
        return changes


def key(name: str) -> Key:
    return ("note", name)
