"""What only the Postgres backend does: its round trips, its locks, its limits."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from holdfast.errors import StorageError, StorageFull, StorageUnavailable, UsageError
from holdfast.storage.postgres import PostgresStore, batches
from holdfast.storage.seam import (
    ABSENT,
    ANY,
    Append,
    Batching,
    Claiming,
    Listing,
    Operation,
    Put,
    Submitting,
    Watching,
)
from holdfast.testing.clock import ManualClock
from tests.servers.postgres import PostgresServer
from tests.servers.proxy import proxy_to
from tests.storage.postgres_help import holding, locked_row, until, until_waiting

pytestmark = pytest.mark.service

KEY = ("k",)
LOG = ("log",)

OpenStore = Callable[..., PostgresStore]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def open_store(postgres: PostgresServer, schema: str, clock: ManualClock) -> OpenStore:
    """Make a store whose connections are called like its schema."""

    def make(**options: Any) -> PostgresStore:
        named = {"schema": schema, "application_name": schema, **options}
        return PostgresStore(postgres.url(**named), clock=clock)

    return make


@pytest.fixture
async def store(open_store: OpenStore) -> AsyncIterator[PostgresStore]:
    async with open_store() as store:
        yield store


async def _until_records(postgres: PostgresServer, schema: str, number: int) -> None:
    """Return when so many rows are left, seen or not."""
    count = "SELECT count(*) FROM records"
    await until(postgres, count, schema=schema, wanted=lambda found: found == number)


def test_it_has_every_ability_but_to_submit() -> None:
    store = PostgresStore("postgres://host/db", clock=ManualClock())
    assert isinstance(store, Batching)
    assert isinstance(store, Claiming)
    assert isinstance(store, Watching)
    assert isinstance(store, Listing)
    assert not isinstance(store, Submitting)


# Round trips


async def test_every_verb_is_one_round_trip(
    open_store: OpenStore, postgres: PostgresServer, clock: ManualClock
) -> None:
    async with proxy_to(postgres.port) as proxy, open_store(port=proxy.port, pool_size=1) as store:
        batch: list[Operation] = [
            Put(key=("b",), value=b"", expected=ANY),
            Append(log=("b",), entries=[b"1", b"2"]),
        ]
        verbs = {
            "put": lambda: store.put(KEY, b"v", expected=ANY, due_at=clock.now_ms()),
            "get": lambda: store.get(KEY),
            "scan": lambda: store.scan(()),
            "append": lambda: store.append(LOG, [b"1", b"2"]),
            "read": lambda: store.read(LOG),
            "logs": lambda: store.logs(()),
            "batch": lambda: store.batch(batch),
            "claim": lambda: store.claim((), until=0),
            "delete": lambda: store.delete(KEY, expected=ANY),
        }
        await asyncio.gather(*store._connections._under_way)  # the clean-up after opening
        trips: dict[str, int] = {}
        for name, verb in verbs.items():
            await verb()  # a connection prepares a statement once
            proxy.forget()
            await verb()
            trips[name] = len(proxy.requests)
    assert trips == dict.fromkeys(verbs, 1)


async def test_reading_writes_nothing(open_store: OpenStore, store: PostgresStore) -> None:
    version = await store.put(KEY, b"v", expected=ABSENT)
    async with open_store(default_transaction_read_only="on") as reader:
        record = await reader.get(KEY)
        assert record is not None
        assert record.version == version
        assert len(await reader.scan(())) == 1
        assert list(await reader.read(LOG)) == []
        assert list(await reader.logs(())) == []
        with pytest.raises(StorageUnavailable, match="read-only") as caught:
            await reader.put(KEY, b"v", expected=ANY)
        assert "standby" in caught.value.hint


# Cancellation and failures of one statement


async def test_a_write_goes_on_without_its_caller(
    open_store: OpenStore, postgres: PostgresServer, schema: str
) -> None:
    async with open_store(pool_size=2) as store:
        await store.put(KEY, b"before", expected=ANY)
        async with asyncio.timeout(5), holding(postgres, schema, *locked_row(KEY)):
            write = asyncio.ensure_future(store.put(KEY, b"after", expected=ANY))
            await until_waiting(postgres, schema)
            write.cancel()
            await asyncio.gather(write, return_exceptions=True)
            assert write.cancelled()
            record = await store.get(KEY)
            assert record is not None
            assert record.value == b"before"
    async with open_store() as store:
        record = await store.get(KEY)
        assert record is not None
        assert record.value == b"after"


async def test_callers_that_gave_up_leave_all_connections_to_the_next(
    open_store: OpenStore, postgres: PostgresServer, schema: str
) -> None:
    async with open_store(pool_size=3) as store:
        await store.put(KEY, b"before", expected=ANY)
        async with holding(postgres, schema, *locked_row(KEY)):
            writes = [asyncio.ensure_future(store.put(KEY, b"", expected=ANY)) for _ in range(20)]
            await until_waiting(postgres, schema, 3)
            for write in writes:
                write.cancel()
            await asyncio.gather(*writes, return_exceptions=True)
        async with asyncio.timeout(5):
            await asyncio.gather(*(store.get(KEY) for _ in range(20)))
        assert isinstance(await store.put(KEY, b"after", expected=ANY), int)
        rows = await postgres.run(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", schema
        )
        assert rows[0][0] <= 3


async def test_a_statement_that_an_administrator_stops_did_not_happen(
    store: PostgresStore, postgres: PostgresServer, schema: str
) -> None:
    await store.put(KEY, b"before", expected=ANY)
    async with holding(postgres, schema, *locked_row(KEY)) as other:
        write = asyncio.ensure_future(store.put(KEY, b"after", expected=ANY))
        await until_waiting(postgres, schema)
        await other.execute(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity "
            f"WHERE application_name = '{schema}' AND wait_event_type = 'Lock'"
        )
        with pytest.raises(StorageUnavailable, match="canceling statement") as caught:
            await write
        assert "unknown" not in caught.value.message
    record = await store.get(KEY)
    assert record is not None
    assert record.value == b"before"


async def test_a_full_disk_is_storage_full(
    store: PostgresStore, postgres: PostgresServer, schema: str
) -> None:
    await store.append(LOG, [b"x"])
    connection = await postgres.connect(schema)
    await connection.execute(
        "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE 'could not extend file' USING ERRCODE = '53100'; END $$;"
        "CREATE TRIGGER filled BEFORE INSERT ON entries EXECUTE FUNCTION fill()"
    )
    await connection.close()
    with pytest.raises(StorageFull, match="no space left") as caught:
        await store.append(LOG, [b"y"])
    assert "free some space" in caught.value.hint
    assert len(await store.read(LOG)) == 1


async def test_a_value_of_a_wrong_type_is_an_error_of_ours(store: PostgresStore) -> None:
    wrong: Any = "text where bytes belong"
    with pytest.raises(StorageError):
        await store.put(KEY, wrong, expected=ANY)
    with pytest.raises(StorageError):
        await store.batch(
            [Put(key=("a",), value=b"", expected=0), Append(log=LOG, entries=[wrong])]
        )
    assert await store.get(("a",)) is None


async def test_a_schema_that_was_dropped_is_corrupt(
    store: PostgresStore, postgres: PostgresServer, schema: str
) -> None:
    await postgres.drop(schema)
    for verb in (store.get(KEY), store.put(KEY, b"", expected=ANY), store.append(LOG, [b""])):
        with pytest.raises(StorageError, match="damaged") as caught:
            await verb
        assert "backup" in caught.value.hint


async def test_another_default_isolation_changes_nothing(open_store: OpenStore) -> None:
    async with open_store(default_transaction_isolation="serializable") as store:
        results = await asyncio.gather(
            *(store.put(KEY, b"%d" % n, expected=ABSENT) for n in range(20)),
            *(store.append(LOG, [b"x"]) for _ in range(20)),
        )
    assert sum(isinstance(result, int) for result in results[:20]) == 1
    assert sorted(map(int, results[20:])) == list(range(1, 21))


# Limits and clean-up


async def test_values_of_64_mib_fit(store: PostgresStore) -> None:
    value = os.urandom(store.max_value_bytes)
    await store.put(KEY, value, expected=ABSENT)
    await store.batch([Append(log=LOG, entries=[value])])
    record = await store.get(KEY)
    assert record is not None
    assert record.value == value
    assert [entry.value for entry in await store.read(LOG)] == [value]


async def test_more_than_one_statement_can_carry_is_a_usage_error(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "_MAX_BYTES", 100)
    half = bytes(50)
    assert await store.append(LOG, [half, half]) == 2
    with pytest.raises(UsageError, match="101 bytes; 100 are allowed"):
        await store.append(LOG, [half, half, b"x"])
    with pytest.raises(UsageError, match="101 bytes; 100 are allowed"):
        await store.batch(
            [Put(key=KEY, value=half + b"x", expected=0), Append(log=LOG, entries=[half])]
        )
    assert await store.get(KEY) is None


async def test_opening_removes_what_expired_a_minute_ago(
    open_store: OpenStore, postgres: PostgresServer, schema: str, clock: ManualClock
) -> None:
    async with open_store() as store:
        for number in range(2500):
            expires_at = clock.now_ms() + (0 if number % 100 else 1)
            key = ("k", str(number))
            await store.put(key, b"", expected=ABSENT, expires_at=expires_at)
        version = await store.put(("stays",), b"", expected=ABSENT)
    clock.advance(60)
    async with open_store():
        await _until_records(postgres, schema, 25 + 1)
    clock.advance(1)
    async with open_store() as store:
        await _until_records(postgres, schema, 1)
        again = await store.put(("k", "1"), b"", expected=ABSENT)
    assert isinstance(again, int)
    assert isinstance(version, int)
    assert again > version


async def test_every_thousandth_write_removes_what_expired(
    open_store: OpenStore, postgres: PostgresServer, schema: str, clock: ManualClock
) -> None:
    async with open_store() as store:
        for number in range(10):
            await store.put((str(number),), b"", expected=ABSENT, expires_at=clock.now_ms())
        clock.advance(3600)
        for _ in range(989):
            await store.append(LOG, [])
        await _until_records(postgres, schema, 10)
        await store.append(LOG, [])
        await _until_records(postgres, schema, 0)
