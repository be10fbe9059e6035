"""Opening a Postgres store: migrations, what the server promises, who is refused."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from holdfast.errors import StorageCorrupt, StorageError, StorageTooNew, StorageUnavailable
from holdfast.storage.postgres import PostgresStore, connections
from holdfast.storage.postgres.migrating import RECORDS
from holdfast.storage.seam import ABSENT
from holdfast.testing.clock import ManualClock
from tests.servers.postgres import GUARDED, PostgresServer
from tests.servers.process import free_port

pytestmark = pytest.mark.service

KEY = ("k",)
LOG = ("log",)

OpenStore = Callable[..., PostgresStore]


@pytest.fixture
def open_store(postgres: PostgresServer, schema: str) -> OpenStore:
    def make(*, ack: Any = "os", **options: Any) -> PostgresStore:
        named = {"schema": schema, **options}
        return PostgresStore(postgres.url(**named), clock=ManualClock(), ack=ack)

    return make


async def _refused(store: PostgresStore) -> StorageError:
    """Return the error with which a store refuses to open."""
    with pytest.raises(StorageError) as caught:
        await store.__aenter__()
    return caught.value


async def _script(postgres: PostgresServer, script: str) -> None:
    connection = await postgres.connect()
    await connection.execute(script)
    await connection.close()


@asynccontextmanager
async def _role(postgres: PostgresServer, name: str, password: str = "") -> AsyncIterator[None]:
    """Make a user who may do nothing, until the end of the block."""
    await _script(postgres, f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
    yield
    await _script(postgres, f"DROP OWNED BY {name}; DROP ROLE {name}")


# Migrations


@pytest.mark.parametrize("_round", range(3))
async def test_a_new_schema_is_opened_by_many_at_once(
    open_store: OpenStore, postgres: PostgresServer, schema: str, _round: int
) -> None:
    stores = [open_store() for _ in range(8)]
    await asyncio.gather(*(store.__aenter__() for store in stores))
    numbers = await asyncio.gather(*(store.append(LOG, [b"x"]) for store in stores))
    assert sorted(map(int, numbers)) == list(range(1, 9))
    await asyncio.gather(*(store.__aexit__(None, None, None) for store in stores))
    rows = await postgres.run("SELECT number FROM holdfast_migrations ORDER BY 1", schema=schema)
    assert [row[0] for row in rows] == list(range(1, RECORDS.newest + 1))


async def test_a_store_that_lacks_a_migration_gets_it(
    open_store: OpenStore, postgres: PostgresServer, schema: str
) -> None:
    async with open_store() as store:
        version = await store.put(KEY, b"kept", expected=ABSENT)
    functions = await postgres.run(
        "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = $1::regnamespace",
        schema,
    )
    await _script(
        postgres,
        f"SET search_path = {schema};"
        + "".join(f"DROP FUNCTION {row[0]};" for row in functions)
        + f"ALTER TABLE {schema}.logs DROP COLUMN erased;"
        + f"DELETE FROM {schema}.holdfast_migrations WHERE number > 1",
    )
    async with open_store() as store:
        record = await store.get(KEY)
        assert record is not None
        assert record.version == version
        assert await store.append(LOG, [b"x"]) == 1
        assert await store.erase(LOG, expected=1) is None


async def test_a_schema_of_the_future_is_too_new_and_left_alone(
    open_store: OpenStore, postgres: PostgresServer, schema: str
) -> None:
    async with open_store() as store:
        await store.append(LOG, [b"x"])
    newest = f"{schema}.holdfast_migrations"
    await postgres.run(f"INSERT INTO {newest} VALUES ({RECORDS.newest + 1})")
    error = await _refused(open_store())
    assert isinstance(error, StorageTooNew)
    assert f"has schema {RECORDS.newest + 1}; this Holdfast knows {RECORDS.newest}" in error.message
    assert "upgrade" in error.hint
    assert (await postgres.run(f"SELECT max(number) FROM {newest}"))[0][0] == RECORDS.newest + 1


async def test_a_schema_of_another_program_is_refused_and_left_alone(
    open_store: OpenStore, postgres: PostgresServer, schema: str
) -> None:
    await _script(postgres, f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.records (a int)")
    error = await _refused(open_store())
    assert isinstance(error, StorageCorrupt)
    assert "another program" in error.message
    assert "?schema=NAME" in error.hint
    rows = await postgres.run("SELECT tablename FROM pg_tables WHERE schemaname = $1", schema)
    assert [row[0] for row in rows] == ["records"]


async def test_who_may_not_create_a_schema_is_told_what_to_grant(
    open_store: OpenStore, postgres: PostgresServer, schema: str
) -> None:
    async with _role(postgres, schema):
        error = await _refused(open_store(user=schema))
    assert isinstance(error, StorageUnavailable)
    assert "permission denied" in error.message
    assert "GRANT CREATE" in error.hint


async def test_a_store_is_opened_by_who_may_use_it_but_not_create_it(
    open_store: OpenStore, postgres: PostgresServer, schema: str
) -> None:
    async with open_store() as store:
        await store.append(LOG, [b"x"])
    async with _role(postgres, schema):
        await _script(
            postgres,
            f"GRANT USAGE ON SCHEMA {schema} TO {schema};"
            f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {schema};"
            f"GRANT ALL ON ALL SEQUENCES IN SCHEMA {schema} TO {schema}",
        )
        async with open_store(user=schema) as store:
            assert await store.append(LOG, [b"y"]) == 2
            version = await store.put(KEY, b"", expected=ABSENT)
            async with asyncio.timeout(5), store.watch(()) as changes:
                await store.put(KEY, b"", expected=version)
                await changes.wait()


async def test_two_schemas_of_one_database_are_two_stores(
    open_store: OpenStore, postgres: PostgresServer, schema: str
) -> None:
    try:
        async with open_store() as one, open_store(schema=f"{schema}_two") as two:
            await one.put(KEY, b"one", expected=ABSENT)
            await two.put(KEY, b"two", expected=ABSENT)
            assert await one.append(LOG, [b"x"]) == await two.append(LOG, [b"x"]) == 1
            records = [await store.get(KEY) for store in (one, two)]
        assert [record and record.value for record in records] == [b"one", b"two"]
    finally:
        await postgres.drop(f"{schema}_two")


# What the server promises


async def test_a_server_that_does_not_sync_is_named_in_the_log_once(
    open_store: OpenStore, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_store(ack="disk") as store:
        await store.append(LOG, [b"x"])
    [warning] = caplog.records
    assert (warning.name, warning.levelno) == ("holdfast.storage", logging.WARNING)
    assert "fsync=off" in warning.getMessage()
    assert "may lose acknowledged writes" in warning.getMessage()
    assert open_store()._address.place in warning.getMessage()


async def test_an_address_that_turns_the_commit_off_is_named_too(
    open_store: OpenStore, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_store(ack="disk", synchronous_commit="off"):
        pass
    assert "synchronous_commit=off" in caplog.records[-1].getMessage()
    assert len(caplog.records) == 2


@pytest.mark.parametrize("ack", ["os", "memory"])
async def test_who_asks_for_less_is_not_warned(
    open_store: OpenStore, caplog: pytest.LogCaptureFixture, ack: str
) -> None:
    async with open_store(ack=ack):
        pass
    assert caplog.records == []


async def test_a_server_that_keeps_its_promise_is_not_named(
    durable_postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    schema = durable_postgres.new_schema()
    async with PostgresStore(durable_postgres.url(schema=schema), clock=ManualClock()):
        pass
    await durable_postgres.drop(schema)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("ack", "options", "level"),
    [
        ("disk", {}, "on"),
        ("os", {}, "off"),
        ("memory", {}, "off"),
        ("disk", {"synchronous_commit": "remote_write"}, "remote_write"),
    ],
)
async def test_the_acknowledgement_asked_for_sets_the_commit(
    open_store: OpenStore, ack: str, options: dict[str, str], level: str
) -> None:
    async with open_store(ack=ack, **options) as store:
        connection: Any = await store._connections._pool.acquire()
        shown = await connection.fetchval("SHOW synchronous_commit")
        await store._connections._pool.release(connection)
    assert shown == level


# Who is refused


async def test_a_wrong_password_is_refused_and_never_shown(
    open_store: OpenStore, postgres: PostgresServer
) -> None:
    async with _role(postgres, GUARDED, "the right one"):
        error = await _refused(open_store(user=f"{GUARDED}:s3cret"))
    assert isinstance(error, StorageUnavailable)
    assert "password authentication failed" in error.message
    assert "check the user, the password" in error.hint
    shown: BaseException | None = error
    while shown is not None:
        assert "s3cret" not in f"{shown!r} {shown} {getattr(shown, 'hint', '')}"
        shown = shown.__cause__ or shown.__context__


async def test_the_right_password_opens(
    open_store: OpenStore, postgres: PostgresServer, schema: str
) -> None:
    async with _role(postgres, GUARDED, "p@ss/#1"):
        await _script(postgres, f"GRANT CREATE ON DATABASE postgres TO {GUARDED}")
        async with open_store(user=f"{GUARDED}:p%40ss%2F%231") as store:
            assert await store.append(LOG, [b"x"]) == 1


async def test_an_unknown_database_is_named(postgres: PostgresServer) -> None:
    url = postgres.url().replace("/postgres?", "/nowhere?")
    error = await _refused(PostgresStore(url, clock=ManualClock()))
    assert isinstance(error, StorageUnavailable)
    assert '"nowhere" does not exist' in error.message
    assert "createdb" in error.hint


async def test_an_unknown_option_is_named(open_store: OpenStore) -> None:
    error = await _refused(open_store(colour="blue"))
    assert isinstance(error, StorageUnavailable)
    assert '"colour"' in error.message
    assert "option" in error.hint


async def test_a_server_that_is_down_is_unavailable() -> None:
    port = free_port()
    url = f"postgres://me:s3cret@127.0.0.1:{port}/db"
    error = await _refused(PostgresStore(url, clock=ManualClock()))
    assert isinstance(error, StorageUnavailable)
    assert f"postgres://me@127.0.0.1:{port}/db?schema=holdfast" in error.message
    assert "check that the server runs" in error.hint


async def test_opening_waits_only_so_long_for_a_server_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert connections.CONNECT_SECONDS == 10
    monkeypatch.setattr(connections, "CONNECT_SECONDS", 0.05)
    reached = asyncio.Event()
    gone = asyncio.Event()

    async def ignore(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        await gone.wait()
        writer.close()

    async with await asyncio.start_server(ignore, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        store = PostgresStore(f"postgres://me@127.0.0.1:{port}/db", clock=ManualClock())
        async with asyncio.timeout(5):
            error = await _refused(store)
        assert reached.is_set()
        gone.set()
    assert isinstance(error, StorageUnavailable)
    assert "does not answer" in error.message


async def test_a_store_that_failed_to_open_can_be_tried_again(
    open_store: OpenStore, postgres: PostgresServer, schema: str
) -> None:
    await _script(postgres, f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.records (a int)")
    store = open_store()
    await _refused(store)
    with pytest.raises(StorageUnavailable, match="not open"):
        await store.get(KEY)
    await postgres.drop(schema)
    async with store:
        assert await store.append(LOG, [b"x"]) == 1


async def test_an_opening_that_fails_behind_its_caller_is_no_news(
    open_store: OpenStore, postgres: PostgresServer, schema: str
) -> None:
    await _script(postgres, f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.records (a int)")
    loop, told = asyncio.get_running_loop(), list[object]()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: told.append(context))
    try:
        there = asyncio.all_tasks()
        task = asyncio.ensure_future(open_store().__aenter__())
        await asyncio.sleep(0)
        others = asyncio.all_tasks() - there - {task}
        task.cancel()
        await asyncio.wait({task, *others})  # which asks none of them how it went
        assert others
        del others
        gc.collect()
    finally:
        loop.set_exception_handler(before)
    assert told == []
    assert isinstance(await _refused(open_store()), StorageCorrupt)


async def test_opening_that_is_cancelled_leaves_the_schema_usable(open_store: OpenStore) -> None:
    for turns in range(0, 60, 6):
        task = asyncio.ensure_future(open_store().__aenter__())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if not task.cancelled():
            await task.result().__aexit__(None, None, None)
    async with open_store() as store:
        assert await store.append(LOG, [b"x"]) == 1
