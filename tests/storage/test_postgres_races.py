"""Many writers of a Postgres store: who waits for whom, and what is compared with what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from holdfast.storage.keys import encode_key, encode_prefix
from holdfast.storage.postgres import PostgresStore
from holdfast.storage.seam import ABSENT, ANY, Append, Conflict, Delete, Operation, Put
from holdfast.testing.clock import ManualClock
from tests.servers.postgres import PostgresServer
from tests.storage.postgres_help import holding, until_waiting

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


async def test_reads_do_not_wait_for_a_writer(
    store: PostgresStore, postgres: PostgresServer, schema: str
) -> None:
    await store.put(KEY, b"before", expected=ANY)
    update = "UPDATE records SET value = 'after'"
    async with asyncio.timeout(5), holding(postgres, schema, update):
        record = await store.get(KEY)
        assert record is not None
        assert record.value == b"before"
        assert len(await store.scan(())) == 1


async def test_a_number_drawn_before_a_removal_is_not_the_version(
    store: PostgresStore, postgres: PostgresServer, schema: str
) -> None:
    put = "SELECT number FROM put_record($1, '', 0, NULL, NULL, NULL, 0)"
    key = encode_key(KEY)
    async with holding(postgres, schema, put, key) as other:
        # Our put has drawn its number when it waits for the key of the other one.
        ours = asyncio.ensure_future(store.put(KEY, b"ours", expected=ABSENT))
        await until_waiting(postgres, schema)
        await other.fetch("SELECT delete_record($1, -1, 0)", key)
        later = await other.fetchval(put, key)
        await other.fetch("SELECT delete_record($1, -1, 0)", key)
        await other.execute("COMMIT")
        version = await ours
    assert isinstance(version, int)
    assert version > later
    record = await store.get(KEY)
    assert record is not None
    assert record.version == version


async def test_a_refused_create_names_who_won_the_race(
    store: PostgresStore, postgres: PostgresServer, schema: str
) -> None:
    put = "SELECT number FROM put_record($1, '', 0, NULL, NULL, NULL, 0)"
    async with holding(postgres, schema, put, encode_key(KEY)) as other:
        ours = asyncio.ensure_future(store.put(KEY, b"ours", expected=ABSENT))
        await until_waiting(postgres, schema)
        await other.execute("COMMIT")
        refused = await ours
    record = await store.get(KEY)
    assert record is not None
    assert refused == Conflict(record.version)


async def test_a_put_that_waited_compares_with_what_is_there_then(
    store: PostgresStore, postgres: PostgresServer, schema: str
) -> None:
    version = await store.put(KEY, b"first", expected=ABSENT)
    assert isinstance(version, int)
    replace = "SELECT number FROM put_record($1, 'second', $2, NULL, NULL, NULL, 0)"
    async with holding(postgres, schema, replace, encode_key(KEY), version) as other:
        ours = asyncio.ensure_future(store.put(KEY, b"ours", expected=version))
        await until_waiting(postgres, schema)
        await other.execute("COMMIT")
        refused = await ours
    record = await store.get(KEY)
    assert record is not None
    assert record.value == b"second"
    assert refused == Conflict(record.version)


@pytest.mark.parametrize(
    ("statement", "target"),
    [
        ("SELECT delete_record($1, 0, 0)", KEY),
        ("SELECT extend_log($1, 0, 0)", LOG),
    ],
    ids=["delete", "append"],
)
async def test_what_a_batch_found_absent_stays_absent_until_it_is_done(
    store: PostgresStore, postgres: PostgresServer, schema: str, statement: str, target: Any
) -> None:
    async with holding(postgres, schema, statement, encode_key(target)) as other:
        write = store.append(LOG, [b"x"]) if target == LOG else store.put(KEY, b"", expected=0)
        ours = asyncio.ensure_future(write)
        await until_waiting(postgres, schema)
        assert not ours.done()
        await other.execute("COMMIT")
        assert isinstance(await ours, int)


async def test_one_of_two_batches_that_exclude_each_other_is_refused(
    store: PostgresStore,
) -> None:
    for turn in range(30):
        one, two = ("one", str(turn)), ("two", str(turn))
        results = await asyncio.gather(
            store.batch([Delete(key=one, expected=0), Put(key=two, value=b"", expected=0)]),
            store.batch([Delete(key=two, expected=0), Put(key=one, value=b"", expected=0)]),
        )
        assert results.count(None) == 1
        [refused] = [result for result in results if result is not None]
        assert refused.index == 0
        assert refused.current > 0


async def test_batches_in_opposite_orders_do_not_wait_in_a_circle(store: PostgresStore) -> None:
    keys = [("k", str(number)) for number in range(20)]

    def batch(order: list[tuple[str, str]]) -> list[Operation]:
        return [
            *(Put(key=key, value=b"", expected=ANY) for key in order),
            *(Append(log=key, entries=[b"x"]) for key in order),
        ]

    results = await asyncio.gather(
        *(store.batch(batch(keys if turn % 2 else keys[::-1])) for turn in range(40))
    )
    assert results == [None] * 40
    assert [len(await store.read(key)) for key in keys] == [40] * 20


async def test_a_batch_of_thousands_is_one_statement(store: PostgresStore) -> None:
    puts = [Put(key=("k", f"{n:04}"), value=b"%d" % n, expected=ABSENT) for n in range(2000)]
    appends = [
        Append(log=("l", str(n)), entries=[b"%d" % place for place in range(n % 5)])
        for n in range(500)
    ]
    assert await store.batch([*puts, *appends]) is None
    records = await store.scan(("k",), limit=5000)
    assert [record.value for record in records] == [put.value for put in puts]
    for append in appends:
        assert [entry.value for entry in await store.read(append.log)] == append.entries
    assert len(await store.logs(("l",), limit=1000)) == 400


# Claims


async def test_a_claim_passes_over_what_another_one_is_taking(
    store: PostgresStore, postgres: PostgresServer, schema: str, clock: ManualClock
) -> None:
    for place, name in enumerate("abc"):
        due_at = clock.now_ms() - 10 + place
        await store.put(("q", name), b"", expected=ABSENT, due_at=due_at)
    claim = "SELECT key FROM claim_record($1, $2, $3)"
    arguments = encode_prefix(("q",)), clock.now_ms() + 10, clock.now_ms()
    async with asyncio.timeout(5), holding(postgres, schema, claim, *arguments) as other:
        second = await store.claim(("q",), until=clock.now_ms() + 10)
        third = await store.claim(("q",), until=clock.now_ms() + 10)
        assert [record and record.key for record in (second, third)] == [("q", "b"), ("q", "c")]
        # Nothing else is due: whether there is something depends on the other one.
        fourth = asyncio.ensure_future(store.claim(("q",), until=clock.now_ms() + 10))
        await until_waiting(postgres, schema)
        await other.execute("ROLLBACK")
        record = await fourth
    assert record is not None
    assert record.key == ("q", "a")


async def test_a_claim_finds_nothing_once_the_other_one_has_it(
    store: PostgresStore, postgres: PostgresServer, schema: str, clock: ManualClock
) -> None:
    await store.put(("q", "a"), b"", expected=ABSENT, due_at=clock.now_ms())
    claim = "SELECT key FROM claim_record($1, $2, $3)"
    arguments = encode_prefix(("q",)), clock.now_ms() + 10, clock.now_ms()
    async with asyncio.timeout(5), holding(postgres, schema, claim, *arguments) as other:
        ours = asyncio.ensure_future(store.claim(("q",), until=clock.now_ms() + 10))
        await until_waiting(postgres, schema)
        await other.execute("COMMIT")
        assert await ours is None
