"""Keep records and logs on a Redis or Valkey server; many machines may use it at once.

Every write is one Lua script, so it happens wholly or not at all. Writes and reads have a
connection each, over which the requests of all tasks go in groups.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

from holdfast.clock import Clock
from holdfast.storage.keys import decode_key, encode_key
from holdfast.storage.limits import MAX_VALUE_BYTES, check_batch, check_operation
from holdfast.storage.pledge import Pledge
from holdfast.storage.redis import errors
from holdfast.storage.redis.address import parse_address
from holdfast.storage.redis.commands import MOST_NAMES, Commands, bounds, conflict, outcome
from holdfast.storage.redis.feed import Feed
from holdfast.storage.redis.greeting import greet
from holdfast.storage.redis.link import Link, Reply
from holdfast.storage.redis.pipeline import Pipeline
from holdfast.storage.redis.scripts import ALL
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

T = TypeVar("T")

_LOAD = tuple((b"SCRIPT", b"LOAD", script.text) for script in ALL)


class RedisStore:
    """A store on a Redis 7 or Valkey server that is not a cluster.

        url = "redis://user:password@localhost:6379/0?prefix=holdfast"
        async with RedisStore(url, clock=SystemClock()) as store:
            await store.append(("runs", run_id), [entry])

    What an acknowledged write survives is a setting of the server. On entering, a warning of the
    logger `holdfast.storage` names each setting that keeps less than `ack` asks for.

    Raises on entering:
        StorageUnavailable: the server cannot be reached, or it refuses the login.
        StorageTooNew: the store has a format of the future.
        StorageCorrupt: another program's keys have the prefix of the store.
        UsageError: the server is a cluster, or older than Redis 7.
    """

    def __init__(self, url: str, *, clock: Clock, ack: Ack = "disk") -> None:
        self._address = parse_address(url)
        self._clock = clock
        self._ack: Ack = ack
        self._commands = Commands(
            self._address.prefix, self._address.database, lambda: errors.foreign(self._address)
        )
        self._make_connections()

    @property
    def max_value_bytes(self) -> int:
        return MAX_VALUE_BYTES

    async def __aenter__(self) -> Self:
        self._make_connections()
        try:
            await greet(self._writing, self._address, self._ack)
        except BaseException:
            await self._writing.close()
            raise
        self._writer.start()
        self._reader.start()
        self._open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open = False
        try:
            await self._feed.close()
        finally:
            try:
                await self._reader.stop()
            finally:
                await self._writer.stop()

    async def get(self, key: Key) -> Record | None:
        def decode(reply: Reply) -> Record | None:
            return self._commands.record(key, reply, self._clock.now_ms())

        return await self._reader.submit(self._commands.get(encode_key(key)), decode)

    async def put(
        self,
        key: Key,
        value: bytes,
        *,
        expected: int,
        expires_at: int | None = None,
        due_at: int | None = None,
    ) -> int | Conflict:
        operation = Put(
            key=key, value=value, expected=expected, expires_at=expires_at, due_at=due_at
        )
        return await self._write([operation], outcome)

    async def delete(self, key: Key, *, expected: int) -> Conflict | None:
        return await self.submit([Delete(key=key, expected=expected)])

    async def scan(
        self, prefix: Key, *, after: Key | None = None, limit: int = 100
    ) -> Sequence[Record]:
        low, high = bounds(prefix, after)
        found: list[Record] = []
        more = True
        while more and len(found) < limit:
            command = self._commands.scan((low, high), limit - len(found), self._clock.now_ms())
            page = await self._reader.submit(command, self._commands.page)
            found += page.records
            low, more = b"(" + page.behind, page.more
        return found

    async def append(
        self, log: Key, entries: Sequence[bytes], *, expected: int = ANY
    ) -> int | Conflict:
        operation = Append(log=log, entries=entries, expected=expected)
        return await self._write([operation], outcome)

    async def read(self, log: Key, *, after: int = 0, limit: int | None = None) -> Sequence[Entry]:
        name, behind, known = encode_key(log), max(after, 0), None
        found: list[Entry] = []
        more = True
        while more and (limit is None or len(found) < limit):
            wanted = None if limit is None else limit - len(found)
            command = self._commands.read(name, behind, wanted)
            more, erased, *values = await self._reader.submit(command, list[Any])
            if known not in (None, erased):
                # What was read so far is gone: it is no part of what there is now.
                found, behind, known, more = [], max(after, 0), None, True
                continue
            known = erased
            numbers = enumerate(values, max(behind, erased) + 1)
            found += [Entry(number, value) for number, value in numbers]
            behind = found[-1].number if found else behind
        return found

    async def batch(self, operations: Sequence[Operation]) -> Conflict | None:
        check_batch(operations)
        return await self._write(operations, conflict)

    def submit(self, operations: Sequence[Operation]) -> Future[Conflict | None]:
        check_batch(operations)
        return self._write(operations, conflict, Pledge())

    async def erase(self, log: Key, *, expected: int) -> Conflict | None:
        command = self._commands.erase(encode_key(log), expected, self._clock.now_ms())
        return await self._writer.submit(command, conflict)

    async def claim(self, queue: Key, *, until: int) -> Record | None:
        while True:
            command = self._commands.claim(queue, until, self._clock.now_ms())
            reply = await self._writer.submit(command, list[Any])
            match reply[0]:
                case b"none":
                    return None
                case b"again":
                    continue
                case _:
                    return self._commands.claimed(reply, until)

    @asynccontextmanager
    async def watch(self, prefix: Key) -> AsyncGenerator[Changes]:
        self._require_open()
        async with self._feed.watching(prefix) as changes:
            yield changes

    async def logs(
        self, prefix: Key, *, after: Key | None = None, limit: int = 100
    ) -> Sequence[Key]:
        low, high = bounds(prefix, after)
        found: list[bytes] = []
        more = True
        while more and len(found) < limit:
            wanted = min(limit - len(found), MOST_NAMES)
            names = await self._reader.submit(self._commands.logs((low, high), wanted), list[bytes])
            found += names
            more = len(names) == wanted
            low = b"(" + found[-1] if found else low
        return [decode_key(name) for name in found]

    def _write(
        self,
        operations: Sequence[Operation],
        decode: Callable[[Reply], T],
        answer: Future[T] | None = None,
    ) -> Future[T]:
        for operation in operations:
            check_operation(operation)
        command = self._commands.write(operations, self._clock.now_ms())
        return self._writer.submit(command, decode, answer)

    def _make_connections(self) -> None:
        address = self._address
        self._writing = Link(address, prepare=_LOAD)
        self._writer = Pipeline(self._writing, address, writing=True)
        self._reader = Pipeline(Link(address, prepare=_LOAD), address, writing=False)
        self._feed = Feed(Link(address), address, self._commands.channel)
        self._open = False

    def _require_open(self) -> None:
        if not self._open:
            raise errors.not_open(self._address)
