"""A Postgres server that goes away: what is known, what is tried again, what heals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from holdfast.errors import StorageUnavailable
from holdfast.storage.postgres import PostgresStore
from holdfast.storage.seam import ABSENT, ANY, Append
from holdfast.testing.clock import ManualClock
from tests.servers.postgres import PostgresServer
from tests.servers.proxy import Proxy, proxy_to
from tests.storage.postgres_help import holding, locked_row, until_waiting

pytestmark = pytest.mark.service

KEY = ("k",)
LOG = ("log",)
MARK = b"the mark of one write"

OpenStore = Callable[..., PostgresStore]


@pytest.fixture
def open_store(postgres: PostgresServer, schema: str) -> OpenStore:
    def make(**options: Any) -> PostgresStore:
        return PostgresStore(
            postgres.url(**{"schema": schema, **options}), clock=ManualClock(), ack="os"
        )

    return make


@pytest.fixture
async def proxy(postgres: PostgresServer) -> AsyncIterator[Proxy]:
    async with proxy_to(postgres.port) as proxy:
        yield proxy


@pytest.fixture
async def durable_schema(durable_postgres: PostgresServer) -> AsyncIterator[str]:
    schema = durable_postgres.new_schema()
    yield schema
    await durable_postgres.drop(schema)


@pytest.fixture
async def durable(
    durable_postgres: PostgresServer, durable_schema: str
) -> AsyncIterator[PostgresStore]:
    named = {"schema": durable_schema, "application_name": durable_schema}
    async with PostgresStore(durable_postgres.url(**named), clock=ManualClock()) as store:
        yield store


def _cut_once(proxy: Proxy, when: str, mark: bytes = MARK) -> None:
    """End the connection of the next request that holds the mark."""

    def cut(chunk: bytes) -> str | None:
        if mark not in chunk:
            return None
        proxy.cut = lambda _: None
        return when

    proxy.cut = cut


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("verb", ["put", "append", "batch"])
async def test_a_write_without_an_answer_has_an_unknown_outcome_and_is_not_repeated(
    open_store: OpenStore, proxy: Proxy, when: str, verb: str
) -> None:
    async with open_store(port=proxy.port) as store:
        _cut_once(proxy, when)
        writes = {
            "put": lambda: store.put(KEY, MARK, expected=ANY),
            "append": lambda: store.append(LOG, [MARK]),
            "batch": lambda: store.batch([Append(log=LOG, entries=[MARK])]),
        }
        with pytest.raises(StorageUnavailable, match="whether it happened is unknown") as caught:
            await writes[verb]()
        assert "read before you write again" in caught.value.hint
        found = await (store.scan(()) if verb == "put" else store.read(LOG))
        assert [each.value for each in found] == ([MARK] if when == "after" else [])


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_read_without_an_answer_is_sent_again(
    open_store: OpenStore, proxy: Proxy, when: str
) -> None:
    key = (MARK.decode(),)
    async with open_store(port=proxy.port) as store:
        await store.put(key, b"v", expected=ABSENT)
        _cut_once(proxy, when)
        record = await store.get(key)
        assert record is not None
        assert record.value == b"v"
        _cut_once(proxy, when)
        assert len(await store.scan(key)) == 1


async def test_a_read_is_sent_again_only_once(open_store: OpenStore, proxy: Proxy) -> None:
    asked: list[bytes] = []

    def cut(chunk: bytes) -> str | None:
        if MARK not in chunk:
            return None
        asked.append(chunk)
        return "before"

    async with open_store(port=proxy.port) as store:
        proxy.cut = cut
        with pytest.raises(StorageUnavailable, match="no connection"):
            await store.get((MARK.decode(),))
    assert len(asked) == 2


async def test_a_write_that_finds_no_server_did_not_happen(
    open_store: OpenStore, proxy: Proxy
) -> None:
    async with open_store(port=proxy.port, pool_size=1) as store:
        await store.append(LOG, [b"x"])
        proxy.cut = lambda _: "before"
        await proxy.end()
        with pytest.raises(StorageUnavailable):
            await store.append(LOG, [b"y"])
        with pytest.raises(StorageUnavailable, match="no connection") as caught:
            await store.append(LOG, [b"y"])
        assert "unknown" not in caught.value.message
        proxy.cut = lambda _: None
        assert await store.append(LOG, [b"y"]) == 2


async def test_one_lost_connection_has_the_others_made_anew(
    open_store: OpenStore, postgres: PostgresServer, schema: str, proxy: Proxy
) -> None:
    async def use_all(store: PostgresStore) -> set[int]:
        """Let all three connections wait at once; return their processes."""
        async with holding(postgres, schema, *locked_row(KEY)):
            writes = [asyncio.ensure_future(store.put(KEY, b"", expected=ANY)) for _ in range(3)]
            await until_waiting(postgres, schema, 3)
            rows = await postgres.run(
                "SELECT pid FROM pg_stat_activity WHERE application_name = $1 "
                "AND wait_event_type = 'Lock'",
                schema,
            )
        await asyncio.gather(*writes)
        return {row[0] for row in rows}

    named = {"port": proxy.port, "pool_size": 3, "application_name": schema}
    async with open_store(**named) as store:
        await store.put(KEY, b"", expected=ANY)
        before = await use_all(store)
        _cut_once(proxy, "before")
        assert await store.get((MARK.decode(),)) is None
        after = await use_all(store)
    assert len(before) == len(after) == 3
    assert before & after == set()


async def test_all_connections_heal_after_a_restart(
    durable: PostgresStore, durable_postgres: PostgresServer
) -> None:
    async def everybody() -> None:
        await asyncio.gather(*(durable.get((str(n),)) for n in range(20)))

    await durable.put(KEY, b"kept", expected=ABSENT)
    assert await durable.append(LOG, [b"a"]) == 1
    await everybody()
    durable_postgres.restart()
    await everybody()
    record = await durable.get(KEY)
    assert record is not None
    assert record.value == b"kept"
    assert await durable.append(LOG, [b"b"], expected=1) == 2
    version = await durable.put(KEY, b"new", expected=record.version)
    assert isinstance(version, int)
    assert version > record.version


async def test_a_server_that_ends_takes_a_write_under_way_along(
    durable: PostgresStore, durable_postgres: PostgresServer, durable_schema: str
) -> None:
    await durable.put(KEY, b"before", expected=ANY)
    async with holding(durable_postgres, durable_schema, *locked_row(KEY)) as other:
        write = asyncio.ensure_future(durable.put(KEY, b"after", expected=ANY))
        await until_waiting(durable_postgres, durable_schema)
        durable_postgres.kill()
        with pytest.raises(StorageUnavailable, match="unknown"):
            await write
        with pytest.raises(StorageUnavailable, match="no connection"):
            await durable.get(KEY)
        durable_postgres.start()
        record = await durable.get(KEY)
        assert record is not None
        assert record.value == b"before"
        other.terminate()


async def test_everything_acknowledged_survives_a_crash_under_load(
    durable: PostgresStore, durable_postgres: PostgresServer
) -> None:
    enough = asyncio.Event()
    acknowledged: dict[str, int] = {}

    async def write(name: str) -> None:
        while True:
            try:
                number = await durable.append((name,), [name.encode()])
            except StorageUnavailable:
                return
            assert isinstance(number, int)
            acknowledged[name] = number
            if sum(acknowledged.values()) >= 200:
                enough.set()

    writers = [asyncio.ensure_future(write(f"log {number}")) for number in range(8)]
    async with asyncio.timeout(30):
        await enough.wait()
        await asyncio.get_running_loop().run_in_executor(None, durable_postgres.kill)
        await asyncio.gather(*writers)
    durable_postgres.start()
    for name, last in acknowledged.items():
        entries = await durable.read((name,))
        # One more may have been written without an answer.
        assert len(entries) in (last, last + 1)
        assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))


async def test_a_watcher_hears_of_changes_after_a_restart(
    durable: PostgresStore, durable_postgres: PostgresServer
) -> None:
    async with durable.watch(("k",)) as changes:
        durable_postgres.restart()
        async with asyncio.timeout(10):
            await changes.wait()
            await durable.get(KEY)
            await durable.put(KEY, b"", expected=ANY)
            await changes.wait()


async def test_closing_a_store_whose_server_is_gone_ends(
    durable_postgres: PostgresServer, durable_schema: str
) -> None:
    url = durable_postgres.url(schema=durable_schema)
    async with PostgresStore(url, clock=ManualClock()) as store:
        await store.append(LOG, [b"x"])
        watch = store.watch(())
        await watch.__aenter__()
        durable_postgres.kill()
    durable_postgres.start()
    await watch.__aexit__(None, None, None)
    async with PostgresStore(url, clock=ManualClock()) as store:
        assert len(await store.read(LOG)) == 1
