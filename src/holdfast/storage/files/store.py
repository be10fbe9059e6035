"""Keep records and logs in a folder of journal files; many processes may open it at once.

The truth is an append-only journal of JSON lines (`lines`), written in groups and acknowledged
behind the sync (`journal`, `writer`). What is new is answered from memory (`tail`), what is old from
an index that may be deleted at any time (`index`). One machine only: the locks of a network file
system are not to be trusted.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, assert_never

from holdfast.clock import Clock
from holdfast.errors import UsageError
from holdfast.storage.files.core import Core
from holdfast.storage.files.disk import Disk, SystemDisk
from holdfast.storage.files.reader import Reader
from holdfast.storage.files.reader import Request as Reading
from holdfast.storage.files.requests import (
    AppendRequest,
    Batch,
    Claim,
    DeleteRequest,
    EraseRequest,
    PutRequest,
    Request,
    Single,
    Work,
)
from holdfast.storage.files.tail import Cell
from holdfast.storage.keys import decode_key, encode_key, encode_prefix, successor
from holdfast.storage.limits import MAX_VALUE_BYTES, check_batch, check_operation, check_value
from holdfast.storage.outcomes import Desk
from holdfast.storage.seam import (
    ANY,
    Ack,
    Append,
    Changes,
    Conflict,
    Delete,
    Entry,
    Key,
    Operation,
    Put,
    Record,
)
from holdfast.storage.watchers import Watchers

if TYPE_CHECKING:
    from asyncio import Future

    from holdfast.storage.lookout import Lookout


class FilesStore:
    """A store in a folder, made when it is missing.

        async with FilesStore(".holdfast", clock=SystemClock()) as store:
            await store.append(("runs", run_id), [entry])

    With `at_once` everything happens in the thread of the caller, and its verbs never wait: see
    `holdfast.storage.at_once`. What it only read counts once it is closed: until then, what a process
    wrote that died may be lost with the power.

    Raises on entering:
        StorageTooNew: the journal has a format of the future.
        StorageUnavailable: the folder cannot be used, or lies on a network file system.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        clock: Clock,
        ack: Ack = "disk",
        disk: Disk | None = None,
        allow_network: bool = False,
        at_once: bool = False,
    ) -> None:
        self._path = Path(path).expanduser().absolute()
        self._clock = clock
        self._syncs = ack == "disk"
        self._disk = disk or SystemDisk()
        self._allow_network = allow_network
        self.is_at_once = at_once
        self._make()

    @property
    def max_value_bytes(self) -> int:
        return MAX_VALUE_BYTES

    async def __aenter__(self) -> Self:
        self._make()
        await self._writer.start()
        try:
            await self._reader.start()
        except BaseException:
            await self._writer.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watchers.close()
        try:
            await self._reader.stop()
        finally:
            await self._writer.stop()

    async def get(self, key: Key) -> Record | None:
        encoded = encode_key(key)
        await self._refresh()
        view = self._core.view
        with view.lock:
            cell = view.tail.cut().find(encoded)
        if cell is None and view.has_index:
            cell = await self._read(lambda reader: reader.find(encoded))
        return _record(key, cell, self._clock.now_ms())

    async def put(
        self,
        key: Key,
        value: bytes,
        *,
        expected: int,
        expires_at: int | None = None,
        due_at: int | None = None,
    ) -> int | Conflict:
        check_value(value)
        return await self._writer.submit(
            Single(PutRequest(key, value, expected, expires_at, due_at))
        )

    async def delete(self, key: Key, *, expected: int) -> Conflict | None:
        return await self._writer.submit(Single(DeleteRequest(key, expected)))

    async def scan(
        self, prefix: Key, *, after: Key | None = None, limit: int = 100
    ) -> Sequence[Record]:
        low, high = _bounds(prefix, after)
        await self._refresh()
        view, now, limit = self._core.view, self._clock.now_ms(), max(limit, 0)
        with view.lock:
            newest, end = view.tail.first(low, high, now, limit)
        cells: dict[bytes, Cell] = {}
        if view.has_index:
            # So many that a full page is left when all that is newer hides one of them.
            rows = limit + len(newest)
            cells = await self._read(
                lambda reader: (index := reader.index) and index.between(low, end, now, rows)
            )
        cells.update(newest)
        live = [key for key in sorted(cells) if cells[key].is_live(now)]
        records = (_record(decode_key(key), cells[key], now) for key in live[:limit])
        return [record for record in records if record]

    async def append(
        self, log: Key, entries: Sequence[bytes], *, expected: int = ANY
    ) -> int | Conflict:
        for value in entries:
            check_value(value)
        return await self._writer.submit(Single(AppendRequest(log, entries, expected)))

    async def read(self, log: Key, *, after: int = 0, limit: int | None = None) -> Sequence[Entry]:
        name, after = encode_key(log), max(after, 0)
        limit = None if limit is None else max(limit, 0)
        await self._refresh()
        view = self._core.view
        with view.lock:
            newest = view.tail.entries(name, after, limit)
            after = max(after, view.tail.erased(name))
        entries = newest
        if view.has_index and not (newest and newest[0][0] == after + 1):
            older, erased = await self._read(
                lambda reader: (index := reader.index) and index.log(name, after, limit)
            )
            # The index may have learnt since that the log was erased.
            behind = max(older[-1][0] if older else 0, erased)
            entries = older + [entry for entry in newest if entry[0] > behind]
        return [Entry(number, value) for number, value in entries[:limit]]

    async def batch(self, operations: Sequence[Operation]) -> Conflict | None:
        return await self._writer.submit(_batch(operations))

    def submit(self, operations: Sequence[Operation]) -> Future[Conflict | None]:
        if self._promise is None:
            raise UsageError("this store answers at once", hint="use `batch`, or open another one")
        return self._promise(_batch(operations))

    async def erase(self, log: Key, *, expected: int) -> Conflict | None:
        return await self._writer.submit(Single(EraseRequest(log, expected)))

    async def claim(self, queue: Key, *, until: int) -> Record | None:
        return await self._writer.submit(Claim(encode_prefix(queue), until))

    @asynccontextmanager
    async def watch(self, prefix: Key) -> AsyncGenerator[Changes]:
        _ = self._core.view  # says so if the store is not open
        async with self._looking.kept():
            with self._watchers.watching(prefix) as watcher:
                yield watcher

    async def logs(
        self, prefix: Key, *, after: Key | None = None, limit: int = 100
    ) -> Sequence[Key]:
        low, high = _bounds(prefix, after)
        await self._refresh()
        view, limit = self._core.view, max(limit, 0)
        with view.lock:
            names, erased = view.tail.logs(low, high)
        if view.has_index:
            # So many that a full page is left when all that were erased since are hidden.
            rows = limit + len(erased)
            known = await self._read(
                lambda reader: (index := reader.index) and set(index.logs(low, high, rows))
            )
            names |= known - erased
        return [decode_key(name) for name in sorted(names)[:limit]]

    async def _refresh(self) -> None:
        """Take in what other processes wrote and acknowledged."""
        if not self._core.view.is_fresh():
            await self._reader.submit(Reader.refresh)

    async def _read(self, request: Reading) -> ...:
        return await self._reader.submit(request)

    async def _look(self) -> None:
        await self._refresh()

    @property
    def _looking(self) -> Lookout:
        """What looks for changes of others, made for the first watch."""
        if self._lookout is None:
            from holdfast.storage.lookout import Lookout  # noqa: PLC0415 - needs an event loop

            self._lookout = Lookout(self._look, self._watchers, self._clock)
        return self._lookout

    def _make(self) -> None:
        place = str(self._path)
        self._watchers = Watchers(place)
        self._lookout: Lookout | None = None
        self._core = Core(
            self._path,
            disk=self._disk,
            clock=self._clock,
            syncs=self._syncs,
            allow_network=self._allow_network,
            watchers=self._watchers,
            at_once=self.is_at_once,
        )
        self._promise: Callable[[Work], Future[Conflict | None]] | None = None
        self._reader: Desk[Reading]
        self._writer: Desk[Work]
        if self.is_at_once:
            from holdfast.storage.at_once import AtOnce  # noqa: PLC0415 - one or the other

            self._writer = AtOnce(self._core, place)
            self._reader = AtOnce(self._core.reading, place)
        else:
            self._make_lanes(place)

    def _make_lanes(self, place: str) -> None:
        from holdfast.storage.lane import Lane  # noqa: PLC0415 - needs an event loop

        self._writer = writer = Lane[Work](self._core, place, "holdfast-files-writer")
        self._promise = writer.promise
        self._reader = Lane(self._core.reading, place, "holdfast-files-reader")


def _bounds(prefix: Key, after: Key | None) -> tuple[bytes, bytes | None]:
    """Return the smallest key that may come and the smallest one above all that may."""
    low = encode_prefix(prefix)
    return max(low, encode_key(after) + b"\0") if after is not None else low, successor(low)


def _record(key: Key, cell: Cell | None, now: int) -> Record | None:
    if cell is None or cell.value is None or not cell.is_live(now):
        return None
    return Record(key, cell.value, cell.version, cell.expires_at, cell.due_at)


def _batch(operations: Sequence[Operation]) -> Work:
    if len(operations) == 1 and isinstance(operations[0], Append):
        return _appending(operations[0])
    check_batch(operations)
    return Batch([_request(each) for each in operations])


def _appending(operation: Append) -> AppendRequest:
    for value in operation.entries:
        check_value(value)
    return AppendRequest(operation.log, operation.entries, operation.expected)


def _request(operation: Operation) -> Request:
    check_operation(operation)
    match operation:
        case Append():
            return _appending(operation)
        case Put(key=key, value=value, expected=expected, expires_at=expires_at, due_at=due_at):
            return PutRequest(key, value, expected, expires_at, due_at)
        case Delete(key=key, expected=expected):
            return DeleteRequest(key, expected)
        case _:
            assert_never(operation)
