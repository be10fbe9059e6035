"""Keep records and logs in a schema of a Postgres database, for many processes and machines.

A write is one call of a function that compares and sets on the server (`migrations/`), a read one
query: one round trip each. All connections of a store come from one pool; a watch takes one more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

from holdfast.clock import Clock, SystemClock
from holdfast.storage.keys import decode_key, encode_key, encode_prefix, successor
from holdfast.storage.limits import MAX_VALUE_BYTES, check_batch, check_operation, check_value
from holdfast.storage.postgres.address import parse_address
from holdfast.storage.postgres.batches import arguments_of, check_total, queue_of
from holdfast.storage.postgres.connections import Connections
from holdfast.storage.postgres.driver import Row
from holdfast.storage.postgres.listening import Listener
from holdfast.storage.seam import (
    ANY,
    Ack,
    Changes,
    Conflict,
    Entry,
    Key,
    Operation,
    Record,
)

_ABOVE_ALL_KEYS = b"\xff"
"""No UTF-8 text has this byte."""

_WRITES_BETWEEN_PURGES = 1000
_PURGED_AT_ONCE = 1000
_PURGE_AFTER_MS = 60_000
"""A record that expired stays for this long: the clocks of two machines may differ."""


class PostgresStore:
    """A store in one schema of a Postgres database; the schema is made when it is missing.

        url = "postgres://user@host/database?schema=holdfast"
        async with PostgresStore(url, clock=SystemClock()) as store:
            await store.append(("runs", run_id), [entry])

    `ack="disk"` turns `synchronous_commit` on, anything less turns it off: then a crash of the
    server may lose the last writes, and the death of this process none. `pause` sleeps between
    two tries to reach a server that is down.

    Raises on entering:
        StorageUnavailable: the server cannot be reached, or refuses the user or the database.
        StorageTooNew: the schema is one of the future.
        StorageCorrupt: the schema holds tables of another program.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        ack: Ack = "disk",
        pause: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        self._address = parse_address(url)
        self._clock = clock
        self._ack: Ack = ack
        self._pause = pause or SystemClock().sleep
        self._writes = 0
        self._prepare()

    @property
    def max_value_bytes(self) -> int:
        return MAX_VALUE_BYTES

    async def __aenter__(self) -> Self:
        self._prepare()
        await self._connections.open()
        self._connections.spawn(self._purge)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.refuse()
        try:
            await self._connections.close()
        finally:
            await self._listener.close()

    async def get(self, key: Key) -> Record | None:
        rows = await self._connections.read("get_record", encode_key(key), self._clock.now_ms())
        return _record(key, rows[0]) if rows else None

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
        return _outcome(
            await self._write(
                "put_record",
                encode_key(key),
                value,
                expected,
                expires_at,
                due_at,
                queue_of(key, due_at),
                self._clock.now_ms(),
            )
        )

    async def delete(self, key: Key, *, expected: int) -> Conflict | None:
        now = self._clock.now_ms()
        outcome = _outcome(await self._write("delete_record", encode_key(key), expected, now))
        return outcome if isinstance(outcome, Conflict) else None

    async def scan(
        self, prefix: Key, *, after: Key | None = None, limit: int = 100
    ) -> Sequence[Record]:
        rows = await self._connections.read(
            "scan_records", *_bounds(prefix, after), self._clock.now_ms(), max(limit, 0)
        )
        return [_record(decode_key(row["key"]), row) for row in rows]

    async def append(
        self, log: Key, entries: Sequence[bytes], *, expected: int = ANY
    ) -> int | Conflict:
        for value in entries:
            check_value(value)
        check_total(entries)
        return _outcome(
            await self._write("append_entries", encode_key(log), list(entries), expected)
        )

    async def read(self, log: Key, *, after: int = 0, limit: int | None = None) -> Sequence[Entry]:
        most = None if limit is None else max(limit, 0)
        rows = await self._connections.read("read_entries", encode_key(log), after, most)
        return [Entry(row["number"], row["value"]) for row in rows]

    async def batch(self, operations: Sequence[Operation]) -> Conflict | None:
        check_batch(operations)
        for operation in operations:
            check_operation(operation)
        rows = await self._write("apply_batch", *arguments_of(operations), self._clock.now_ms())
        refused_at = rows[0]["refused_at"]
        return None if refused_at is None else Conflict(rows[0]["number"], refused_at - 1)

    async def erase(self, log: Key, *, expected: int) -> Conflict | None:
        outcome = _outcome(await self._write("erase_log", encode_key(log), expected))
        return outcome if isinstance(outcome, Conflict) else None

    async def claim(self, queue: Key, *, until: int) -> Record | None:
        now = self._clock.now_ms()
        rows = await self._write("claim_record", encode_prefix(queue), until, now)
        return _record(decode_key(rows[0]["key"]), rows[0]) if rows else None

    def watch(self, prefix: Key) -> AbstractAsyncContextManager[Changes]:
        return self._listener.watch(prefix)

    async def logs(
        self, prefix: Key, *, after: Key | None = None, limit: int = 100
    ) -> Sequence[Key]:
        rows = await self._connections.read("list_logs", *_bounds(prefix, after), max(limit, 0))
        return [decode_key(row["name"]) for row in rows]

    def _prepare(self) -> None:
        address = self._address
        self._connections = Connections(address, self._ack)
        self._listener = Listener(self._connections, address.schema, address.place, self._pause)

    async def _write(self, name: str, *arguments: object) -> list[Row]:
        rows = await self._connections.write(name, *arguments)
        self._writes += 1
        if self._writes % _WRITES_BETWEEN_PURGES == 0:
            self._connections.spawn(self._purge)
        return rows

    async def _purge(self) -> None:
        """Remove what expired a while ago. Readers never see it, purged or not."""
        removed = _PURGED_AT_ONCE
        while removed == _PURGED_AT_ONCE:
            before = self._clock.now_ms() - _PURGE_AFTER_MS
            removed = (await self._connections.read("purge_records", before))[0]["number"]


def _bounds(prefix: Key, after: Key | None) -> tuple[bytes, bytes]:
    """Return the bytes between which the keys behind `after` lie, both exclusive."""
    # Nothing lies between a prefix without its closing 0 byte and the prefix itself.
    low = encode_prefix(prefix)
    behind = low[:-1] if after is None else max(low[:-1], encode_key(after))
    return behind, successor(low) or _ABOVE_ALL_KEYS


def _record(key: Key, row: Row) -> Record:
    return Record(key, row["value"], row["version"], row["expires_at"], row["due_at"])


def _outcome(rows: list[Row]) -> int | Conflict:
    row = rows[0]
    return Conflict(row["number"]) if row["refused"] else row["number"]
