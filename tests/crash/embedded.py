"""The embedded backends, and programs that write to them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection
from pathlib import Path

import pytest

from holdfast.clock import SystemClock
from holdfast.storage.files import journal as journal_module
from holdfast.storage.files.disk import Disk
from holdfast.storage.files.drafts import Draft, Passed
from holdfast.storage.files.journal import Journal
from holdfast.storage.files.rebuild import IndexHandle
from holdfast.storage.files.store import FilesStore
from holdfast.storage.opening import open_store
from holdfast.storage.seam import ABSENT, ANY, Append, Conflict, Put, Store
from holdfast.testing.clock import ManualClock
from holdfast.testing.crash import ROOT, Ledger

EMBEDDED = ("sqlite", "files")

Value = tuple[int, int, int]
"""The life of the program, its opening within it, and a number."""


class JournalProgram:
    """Lines in the journal of the files backend, with no store around it.

    `openings` journals one after the other write `groups` groups of `lines` lines; a group is
    acknowledged by one sync. `writers` of them are open at once and take turns.
    """

    folder = ROOT / "journal"

    def __init__(
        self, *, openings: int = 1, groups: int = 3, lines: int = 1, writers: int = 1, pad: int = 0
    ) -> None:
        self.openings = openings
        self.groups = groups
        self.lines = lines
        self.writers = writers
        self.pad = pad

    def __call__(self, disk: Disk, ledger: Ledger) -> None:
        for opening in range(self.openings):
            journals = [self._open(disk) for _ in range(self.writers)]
            for group in range(self.groups):
                for at, journal in enumerate(journals):
                    first = (group * self.writers + at) * self.lines
                    values = [(ledger.life, opening, first + each) for each in range(self.lines)]
                    self._commit(journal, ledger, values)
            for journal in journals:
                journal.close()

    def read(self, disk: Disk) -> Collection[Value]:
        found: list[Value] = []
        journal = Journal(self.folder, disk=disk, clock=ManualClock(), syncs=True)
        journal.open()
        try:
            journal.recover(
                lambda: None,
                lambda lines, _: found.extend(
                    tuple(operation[1])
                    for line in lines
                    for operation in line.operations
                    if operation[0] == "crash"
                ),
            )
        finally:
            journal.close()
        return found

    def _open(self, disk: Disk) -> Journal:
        journal = Journal(self.folder, disk=disk, clock=ManualClock(), syncs=True)
        journal.open()
        journal.recover(lambda: None, lambda _, __: None)
        return journal

    def _commit(self, journal: Journal, ledger: Ledger, values: list[Value]) -> None:
        for value in values:
            ledger.attempt(value)
        with journal.locked():
            journal.catch_up()
            lines = [[json.dumps(["crash", value, "x" * self.pad])] for value in values]
            journal.write(journal.prepare(lines, 1))
        journal.sync()
        for value in values:
            ledger.acknowledge(value)


class StoreProgram:
    """Appends and batches through a whole files store on the disk of the model."""

    def __init__(self, *, openings: int = 1, writes: int = 3) -> None:
        self.openings = openings
        self.writes = writes

    def __call__(self, disk: Disk, ledger: Ledger) -> None:
        async def writing() -> None:
            for opening in range(self.openings):
                async with _store(disk) as store:
                    for number in range(self.writes):
                        await self._write(store, ledger, (ledger.life, opening, number))

        asyncio.run(writing())

    def read(self, disk: Disk) -> Collection[Value]:
        async def reading() -> Collection[Value]:
            async with _store(disk) as store:
                entries = await store.read(("log",))
                assert [each.number for each in entries] == list(range(1, len(entries) + 1))
                record = await store.get(("last",))
                values = [tuple(json.loads(each.value)) for each in entries]
                # Every second entry was written together with the record.
                pairs = [value for value in values if value[2] % 2 == 0]
                assert (pairs[-1] if pairs else None) == (
                    tuple(json.loads(record.value)) if record else None
                )
                return values

        return asyncio.run(reading())

    async def _write(self, store: FilesStore, ledger: Ledger, value: Value) -> None:
        data = json.dumps(value).encode()
        ledger.attempt(value)
        if value[2] % 2:
            assert not isinstance(await store.append(("log",), [data]), Conflict)
        else:
            both = [
                Append(log=("log",), entries=[data]),
                Put(key=("last",), value=data, expected=ANY),
            ]
            assert await store.batch(both) is None
        ledger.acknowledge(value)


class ErasingProgram:
    """A log that is begun and erased in turn; the value of a turn is its number.

    The first segment is one of format 1, so that the first erasure has to begin another one.
    """

    log = ("turns",)

    def __init__(self, *, turns: int = 4) -> None:
        self.turns = turns

    def __call__(self, disk: Disk, ledger: Ledger) -> None:
        asyncio.run(self._write(disk, ledger))

    def read(self, disk: Disk) -> Collection[int]:
        async def reading() -> int:
            async with _store(disk) as store:
                return await self._done(store)

        return range(1, asyncio.run(reading()) + 1)

    async def _write(self, disk: Disk, ledger: Ledger) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(journal_module, "FORMAT", 1)
            async with _store(disk):
                pass
        async with _store(disk) as store:
            done = await self._done(store)
            for turn in range(done + 1, done + 1 + self.turns):
                ledger.attempt(turn)
                await self._take(store, turn)
                ledger.acknowledge(turn)

    async def _take(self, store: FilesStore, turn: int) -> None:
        if turn % 2:
            assert await store.append(self.log, [b"x"], expected=ABSENT) == turn // 2 + 1
        else:
            assert await store.erase(self.log, expected=turn // 2) is None

    async def _done(self, store: FilesStore) -> int:
        """Return the last turn: the number of the entry tells, or that of the erased one before."""
        entries = await store.read(self.log)
        if entries:
            assert len(entries) == 1
            return entries[0].number * 2 - 1
        draft = Draft(store._core.view, IndexHandle(store._core._index), Passed(), ())
        draft.begin((), 0, 0)
        end = draft.log_end(b"turns\0", b"")
        assert end <= 0
        return -end * 2


def _store(disk: Disk) -> FilesStore:
    return FilesStore(ROOT / "store", clock=ManualClock(), disk=disk)


def open_embedded(scheme: str, path: Path) -> Store:
    return open_store(f"{scheme}:{path}", clock=SystemClock())
