"""Clones of a store that tests write to and merge."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.storage.files import FilesStore
from holdfast.storage.files.merging.joining import LOST, MERGED, Joined
from holdfast.storage.files.upkeep.merge import merge_stores
from holdfast.storage.files.upkeep.verify import verify
from holdfast.storage.seam import Key
from holdfast.testing.clock import ManualClock

Entries = dict[Key, list[bytes]]
Records = dict[Key, tuple[bytes, int]]
_OWN = (MERGED, LOST)


@dataclass
class Clone:
    """One clone and its clock."""

    path: Path
    clock: ManualClock = field(default_factory=ManualClock)

    def store(self) -> FilesStore:
        return FilesStore(self.path, clock=self.clock, ack="os")

    def copy_to(self, path: Path) -> Clone:
        shutil.copytree(self.path, path)
        return Clone(path)

    def take(self, other: Clone) -> Joined:
        """Merge the other one into this one."""
        return merge_stores(self.path, other.path)

    def journal(self) -> dict[str, bytes]:
        """Return the files of the journal, without the room behind a seal."""
        return {
            each.name: each.read_bytes().rstrip(b"\0")
            for each in sorted((self.path / "journal").iterdir())
            if ".jsonl" in each.name
        }

    def is_clean(self) -> bool:
        report = verify(self.path, now=self.clock.now_ms())
        return report.is_clean and not report.notes

    async def records(self) -> Records:
        """Return all records but those that tell of merges: value and version."""
        async with self.store() as store:
            found = await store.scan((), limit=10_000)
            return {r.key: (r.value, r.version) for r in found if r.key[0] not in _OWN}

    async def entries(self, *, own: bool = False) -> Entries:
        """Return all logs, or with `own` those that tell of merges; the numbers have no gaps."""
        logs: Entries = {}
        async with self.store() as store:
            for name in await store.logs((), limit=10_000):
                if (name[0] in _OWN) is own:
                    entries = await store.read(name)
                    first = entries[0].number  # behind 1 if the log was erased before
                    assert [e.number - first for e in entries] == list(range(len(entries)))
                    logs[name] = [e.value for e in entries]
        return logs

    async def lost(self) -> dict[Key, list[bytes]]:
        """Return the values that merges put aside, by the key of the record."""
        lost: dict[Key, list[bytes]] = {}
        for name, entries in (await self.entries(own=True)).items():
            if name[0] == LOST:
                for told, value in zip(entries[::2], entries[1::2], strict=True):
                    lost.setdefault(tuple(json.loads(told)["key"]), []).append(value)
        return lost

    async def touched(self) -> list[tuple[str, Key]]:
        """Return what the merges say that both sides had changed."""
        found = await self.entries(own=True)
        named = [
            json.loads(entry)
            for name, entries in found.items()
            if name[0] == MERGED
            for entry in entries[1:]
        ]
        return sorted((kind, tuple(key)) for kind, key in named)


def is_within(short: Sequence[bytes], long: Sequence[bytes]) -> bool:
    """Return whether the entries of one log come in the other one in the same order."""
    rest = iter(long)
    return all(each in rest for each in short)
