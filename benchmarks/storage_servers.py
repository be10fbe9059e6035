"""Count what one `get` asks of a backend, and measure the commits of the servers.

The servers are those of the tests. One that is missing, or fails, is left out.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch
from urllib.parse import quote

import pytest

from benchmarks.measure import fresh_folder, note
from benchmarks.ours.stores import rate
from holdfast.clock import SystemClock
from holdfast.storage.files import FilesStore
from holdfast.storage.files.disk import SystemDisk
from holdfast.storage.opening import open_store
from holdfast.storage.seam import ANY, Key, Store

MANY = 32
"""So many callers at once commit, beside one on its own."""

_UNAVAILABLE = (Exception, pytest.skip.Exception, pytest.fail.Exception)
_GETS = 10
_RECORDS = 1000
_READING_STATEMENTS = ("SELECT", "PRAGMA")
_READING_REQUESTS = {"GetItem", "BatchGetItem", "Query", "Scan", "DescribeTable"}
_REGION = "eu-central-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """What was asked of a backend since its beginning: round trips, and writes."""

    trips: Callable[[], int]
    writes: Callable[[], Awaitable[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running server: the address of a store, and of one that is metered."""

    direct: str
    metered: str
    meter: Meter


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The figures of one backend; `commits` are those of one caller and of many."""

    trips: int
    writes: int
    commits: tuple[float, float] | None = None


async def measure(folder: Path, servers: tuple[str, ...], seconds: float) -> Mapping[str, Found]:
    """Return what was found of each backend that could be measured."""
    found = {"memory": await _count_memory()}
    for name, count in {"sqlite": _count_sqlite, "files": _count_files}.items():
        with fresh_folder(folder) as place:
            found[name] = await count(place)
    for name in servers:
        note(f"benchmarks: {name}")
        with fresh_folder(folder) as place:
            try:
                found[name] = await _measure_server(_SERVICES[name](place), seconds)
            except _UNAVAILABLE as error:
                note(f"benchmarks: {name} is left out: {error!r}")
    return found


async def _measure_server(starting: AbstractAsyncContextManager[Service], seconds: float) -> Found:
    async with starting as service:
        async with open_store(service.metered, clock=SystemClock()) as store:
            await _put_records(store)
            trips, writes = await _count(store, service.meter)
        async with open_store(service.direct, clock=SystemClock()) as store:
            commits = await rate(store, 1, seconds), await rate(store, MANY, seconds)
    return Found(trips=trips, writes=writes, commits=commits)


async def _put_records(store: Store) -> None:
    soon = SystemClock().now_ms() + 1
    await store.put(("gone",), b"x", expected=ANY, expires_at=soon)
    for number in range(_RECORDS if isinstance(store, FilesStore) else 1):
        await store.put(("there", str(number)), b"x", expected=ANY)


async def _count(store: Store, meter: Meter) -> tuple[int, int]:
    """Return the most round trips of a single get, and the writes of all of them."""
    keys: tuple[Key, ...] = (("there", "0"), ("missing",), ("gone",))
    # The first one of each connection prepares a statement, and a pool may use any of them.
    await asyncio.gather(*(store.get(key) for key in keys * _GETS))
    most, written = 0, await meter.writes()
    for key in keys * _GETS:
        before = meter.trips()
        await store.get(key)
        most = max(most, meter.trips() - before)
    return most, await meter.writes() - written


async def _count_memory() -> Found:
    async with open_store("memory://", clock=SystemClock()) as store:
        await _put_records(store)
        assert await store.get(("there", "0"))
    return Found(trips=1, writes=0)  # there is nobody else to be asked


async def _count_sqlite(folder: Path) -> Found:
    with _Statements().traced() as statements:
        async with open_store(f"sqlite:{folder / 'store.db'}", clock=SystemClock()) as store:
            await _put_records(store)
            trips, writes = await _count(store, statements.meter())
    return Found(trips=max(1, trips), writes=writes)


async def _count_files(folder: Path) -> Found:
    """Count in a store that was opened anew: its records are in the index."""
    disk = _CountingDisk()
    with _Statements().traced() as statements:
        async with FilesStore(folder / "files", clock=SystemClock()) as store:
            await _put_records(store)
        async with FilesStore(folder / "files", clock=SystemClock(), disk=disk) as store:
            trips, writes = await _count(store, statements.meter(lambda: disk.writes))
    return Found(trips=max(1, trips), writes=writes)


class _Statements:
    """The statements of all connections to SQLite that are opened while it traces."""

    def __init__(self) -> None:
        self.read = 0
        self.written = 0

    @contextmanager
    def traced(self) -> Iterator[_Statements]:
        connect = sqlite3.connect

        def connect_traced(*arguments: object, **options: object) -> sqlite3.Connection:
            connection = connect(*arguments, **options)
            connection.set_trace_callback(self._take)
            return connection

        with patch.object(sqlite3, "connect", connect_traced):
            yield self

    def meter(self, others: Callable[[], int] = lambda: 0) -> Meter:
        """Return a meter of these and of `others`, which are writes."""

        async def writes() -> int:
            return self.written + others()

        return Meter(trips=lambda: self.read + self.written, writes=writes)

    def _take(self, statement: str) -> None:
        if statement.lstrip().upper().startswith(_READING_STATEMENTS):
            self.read += 1
        else:
            self.written += 1


class _CountingDisk(SystemDisk):
    """The operating system's disk, and how often it was asked to change anything."""

    def __init__(self) -> None:
        self.writes = 0

    def write(self, handle: int, data: bytes, offset: int) -> int:
        self.writes += 1
        return super().write(handle, data, offset)

    def allocate(self, handle: int, size: int) -> None:
        self.writes += 1
        super().allocate(handle, size)

    def truncate(self, handle: int, size: int) -> None:
        self.writes += 1
        super().truncate(handle, size)

    def sync(self, handle: int) -> None:
        self.writes += 1
        super().sync(handle)


@asynccontextmanager
async def _postgres(folder: Path) -> AsyncIterator[Service]:  # noqa: ARG001 - has its own
    from tests.servers.postgres import postgres_server
    from tests.servers.proxy import proxy_to

    async def transactions() -> int:
        """Only a transaction that writes is given a number."""
        rows = await server.run("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        return rows[0][0]

    # Its own cleaning would write, too.
    with postgres_server(18, "autovacuum=off") as server:
        async with proxy_to(server.port) as proxy:
            yield Service(
                direct=server.url(schema="direct"),
                metered=server.url(schema="metered", port=proxy.port),
                meter=Meter(trips=lambda: len(proxy.requests), writes=transactions),
            )


@asynccontextmanager
async def _redis(folder: Path) -> AsyncIterator[Service]:
    from tests.servers.proxy import proxy_to
    from tests.servers.redis import redis_program, redis_server

    async def changes() -> int:
        return int(server.info("persistence", "rdb_changes_since_last_save"))

    with redis_server(redis_program(), folder, "--appendfsync", "always") as server:
        async with proxy_to(server.port) as proxy:
            yield Service(
                direct=server.url("direct"),
                metered=f"redis://127.0.0.1:{proxy.port}/0?prefix=metered",
                meter=Meter(trips=lambda: len(proxy.requests), writes=changes),
            )


@asynccontextmanager
async def _dynamodb(folder: Path) -> AsyncIterator[Service]:
    from tests.servers.dynamodb import local_credentials, moto_server
    from tests.servers.dynamodb_proxy import proxy_to

    def address(table: str, endpoint: str) -> str:
        return f"dynamodb://{table}?region={_REGION}&endpoint={quote(endpoint, safe='')}"

    async def writes() -> int:
        return sum(name not in _READING_REQUESTS for name in proxy.operations)

    with local_credentials(), moto_server(folder) as server:
        async with proxy_to(server) as (proxy, seen):
            yield Service(
                direct=address("direct", server.endpoint),
                metered=address("metered", seen.endpoint),
                meter=Meter(trips=lambda: len(proxy.operations), writes=writes),
            )


_SERVICES: Mapping[str, Callable[[Path], AbstractAsyncContextManager[Service]]] = {
    "postgres": _postgres,
    "redis": _redis,
    "dynamodb": _dynamodb,
}
SERVERS = tuple(_SERVICES)
