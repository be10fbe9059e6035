"""Keep records and logs in one SQLite file; many processes may open it at once.

All writes of a process go through one thread that commits them in groups (`sqlite_writer`), all
reads through another one that never waits for it. One machine only: SQLite's log needs shared
memory, so the file must not lie on a network file system.
"""

from __future__ import annotations

import sqlite3
from asyncio import Future
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, assert_never

from holdfast.clock import Clock
from holdfast.storage.keys import decode_key, encode_key, encode_prefix, successor
from holdfast.storage.lane import Lane
from holdfast.storage.limits import MAX_VALUE_BYTES, check_batch, check_value
from holdfast.storage.lookout import Lookout
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
from holdfast.storage.sqlite.operations import (
    AppendChange,
    Batch,
    Change,
    Claim,
    DeleteChange,
    EraseChange,
    Look,
    PutChange,
    Single,
    Work,
)
from holdfast.storage.sqlite.queries import QUERIES
from holdfast.storage.sqlite.transaction import Times
from holdfast.storage.sqlite.writer import Reading, ReadSession, WriteSession
from holdfast.storage.watchers import Watchers

_GET = QUERIES["get_record"]
_SCAN = QUERIES["scan_records"]
_READ = QUERIES["read_entries"]
_LOGS = QUERIES["list_logs"]
_ABOVE_ALL_KEYS = b"\xff"
"""No UTF-8 text has this byte."""


class SqliteStore:
    """A store in one SQLite file, made when it is missing.

        async with SqliteStore(".holdfast/store.db", clock=SystemClock()) as store:
            await store.append(("runs", run_id), [entry])

    Raises on entering:
        StorageTooNew: the file has a schema of the future.
        StorageCorrupt: the file is no SQLite database, a damaged one, or another program's.
        StorageUnavailable: the path cannot be opened or stays locked.
    """

    def __init__(self, path: Path | str, *, clock: Clock, ack: Ack = "disk") -> None:
        # An absolute path cannot be one of SQLite's magic names such as ":memory:".
        self._path = Path(path).expanduser().absolute()
        self._clock = clock
        self._ack: Ack = ack
        self._make_lanes()

    @property
    def max_value_bytes(self) -> int:
        return MAX_VALUE_BYTES

    async def __aenter__(self) -> Self:
        self._make_lanes()
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
        # The writer is last: it empties SQLite's log, which an open reader could prevent.
        try:
            await self._reader.stop()
        finally:
            await self._writer.stop()

    async def get(self, key: Key) -> Record | None:
        encoded = encode_key(key)

        def reading(connection: sqlite3.Connection, now: int) -> Record | None:
            row = connection.execute(_GET, (encoded, now)).fetchone()
            return Record(key, *row) if row else None

        return await self._reader.submit(reading)

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
        change = PutChange(encode_key(key), value, expected, _times(key, expires_at, due_at))
        return await self._writer.submit(Single(change))

    async def delete(self, key: Key, *, expected: int) -> Conflict | None:
        return await self._writer.submit(Single(DeleteChange(encode_key(key), expected)))

    async def scan(
        self, prefix: Key, *, after: Key | None = None, limit: int = 100
    ) -> Sequence[Record]:
        bounds = _bounds(prefix, after)

        def reading(connection: sqlite3.Connection, now: int) -> Sequence[Record]:
            rows = connection.execute(_SCAN, (*bounds, now, max(limit, 0)))
            return [Record(decode_key(key), *rest) for key, *rest in rows]

        return await self._reader.submit(reading)

    async def append(
        self, log: Key, entries: Sequence[bytes], *, expected: int = ANY
    ) -> int | Conflict:
        for value in entries:
            check_value(value)
        change = AppendChange(encode_key(log), entries, expected)
        return await self._writer.submit(Single(change))

    async def read(self, log: Key, *, after: int = 0, limit: int | None = None) -> Sequence[Entry]:
        bounds = encode_key(log), after, -1 if limit is None else max(limit, 0)

        def reading(connection: sqlite3.Connection, now: int) -> Sequence[Entry]:  # noqa: ARG001
            return [Entry(number, value) for number, value in connection.execute(_READ, bounds)]

        return await self._reader.submit(reading)

    async def batch(self, operations: Sequence[Operation]) -> Conflict | None:
        return await self._writer.submit(_batch(operations))

    def submit(self, operations: Sequence[Operation]) -> Future[Conflict | None]:
        return self._writer.promise(_batch(operations))

    async def erase(self, log: Key, *, expected: int) -> Conflict | None:
        return await self._writer.submit(Single(EraseChange(encode_key(log), expected)))

    async def claim(self, queue: Key, *, until: int) -> Record | None:
        return await self._writer.submit(Claim(encode_prefix(queue), until))

    @asynccontextmanager
    async def watch(self, prefix: Key) -> AsyncGenerator[Changes]:
        # What others committed before is no news.
        await self._lookout.look()
        with self._watchers.watching(prefix) as watcher:
            async with self._lookout.kept():
                yield watcher

    async def logs(
        self, prefix: Key, *, after: Key | None = None, limit: int = 100
    ) -> Sequence[Key]:
        bounds = _bounds(prefix, after)

        def reading(connection: sqlite3.Connection, now: int) -> Sequence[Key]:  # noqa: ARG001
            rows = connection.execute(_LOGS, (*bounds, max(limit, 0)))
            return [decode_key(name) for (name,) in rows]

        return await self._reader.submit(reading)

    def _make_lanes(self) -> None:
        self._watchers = Watchers(str(self._path))
        writing = WriteSession(self._path, self._clock, self._ack, self._watchers)
        reading = ReadSession(self._path, self._clock)
        self._writer: Lane[Work] = Lane(writing, str(self._path), "holdfast-sqlite-writer")
        self._reader: Lane[Reading] = Lane(reading, str(self._path), "holdfast-sqlite-reader")
        look = Look(self._watchers)
        self._lookout = Lookout(lambda: self._writer.submit(look), self._watchers, self._clock)


def _batch(operations: Sequence[Operation]) -> Batch:
    check_batch(operations)
    return Batch([_change(each) for each in operations])


def _change(operation: Operation) -> Change:
    match operation:
        case Put(key=key, value=value, expected=expected, expires_at=expires_at, due_at=due_at):
            check_value(value)
            return PutChange(encode_key(key), value, expected, _times(key, expires_at, due_at))
        case Delete(key=key, expected=expected):
            return DeleteChange(encode_key(key), expected)
        case Append(log=log, entries=entries, expected=expected):
            for value in entries:
                check_value(value)
            return AppendChange(encode_key(log), entries, expected)
        case _:
            assert_never(operation)


def _times(key: Key, expires_at: int | None, due_at: int | None) -> Times:
    return expires_at, due_at, None if due_at is None else encode_prefix(key[:-1])


def _bounds(prefix: Key, after: Key | None) -> tuple[bytes, bytes]:
    """Return what lies below and above the keys of a page."""
    # Nothing lies between a prefix without its closing 0 byte and the prefix itself.
    low = encode_prefix(prefix)
    behind = max(low[:-1], encode_key(after)) if after is not None else low[:-1]
    return behind, successor(low) or _ABOVE_ALL_KEYS
