"""The nature of the trace store on Postgres: many machines, one server, and the way to it."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest

from holdfast.errors import (
    HoldfastError,
    StorageCorrupt,
    StorageTooNew,
    StorageUnavailable,
    UsageError,
)
from holdfast.tracing.digest import Digester
from holdfast.tracing.entries import Opened
from holdfast.tracing.store.opening import open_trace_store
from holdfast.tracing.store.postgres import asking, database
from holdfast.tracing.store.postgres.database import TRACES
from holdfast.tracing.store.postgres.store import PostgresTraceStore
from holdfast.tracing.store.seam import Query, TraceStore
from tests.servers.postgres import GUARDED, PostgresServer
from tests.tracing.store.conftest import schemas_of
from tests.tracing.store.making import EPOCH, plain_digest, span, span_id, trace_id

pytestmark = pytest.mark.service


@pytest.fixture
def address(postgres: PostgresServer) -> Iterator[str]:
    for fresh in schemas_of(postgres):
        yield fresh()


def schema_of(address: str) -> str:
    return address.rpartition("=")[2]


def opened(address: str, digester: Digester = plain_digest) -> PostgresTraceStore:
    store = open_trace_store(address, digester=digester)
    assert isinstance(store, PostgresTraceStore)
    return store


def run(server: PostgresServer, statement: str, schema: str = "public") -> list:
    return asyncio.run(server.run(statement, schema=schema))


def test_people_ask_in_sql_and_can_only_read(
    address: str, tmp_path: Path, postgres: PostgresServer
) -> None:
    schema = schema_of(address)
    with opened(address) as store:
        store.add(
            [
                span(0, 0, attributes={"a": {"b": 1}, "n": "x\0y\ud800"}),
                span(0, 1, kind="model", attributes={"cost": 7}, status="error", error="boom"),
            ]
        )
        columns, rows = store.ask(
            "SELECT name, attributes -> 'a' ->> 'b' AS b FROM spans ORDER BY start;"
        )
        assert (columns, rows) == (["name", "b"], [("name 0", "1"), ("name 1", None)])
        assert store.ask("SELECT count(*) FROM traces") == (["count"], [(1,)])
        assert store.ask("SELECT sum(cost_msat) FROM calls")[1] == [(7,)]
        assert store.ask("SELECT message FROM errors")[1] == [("boom",)]
        assert store.ask("WITH n AS (SELECT * FROM names) SELECT count(*) FROM n")[1] == [(2,)]
        assert store.ask("SELECT 1 AS one WHERE false") == (["one"], [])
        assert len(store.ask("SELECT * FROM generate_series(1, 50)", limit=3)[1]) == 3
        for bad in (
            f"DELETE FROM {schema}.packs", "SELECT 1; SELECT 2", "SELEKT", "", "SELECT $1",
            f"WITH gone AS (DELETE FROM {schema}.packs RETURNING 1) SELECT * FROM gone",
            f"COPY (SELECT 1) TO '{tmp_path}/x'", "COMMIT", "CREATE TABLE x (a int)",
            "SELECT 1 INTO x", "SET transaction_read_only = off",
            f"SELECT setval('{schema}.chunks_number_seq', 1)", "SELECT 1 / 0",
            "SELECT set_config('transaction_read_only', 'off', false)", "TRUNCATE traces",
            "EXPLAIN SELECT 1",
        ):  # fmt: skip
            with pytest.raises(UsageError, match="cannot be answered"):
                store.ask(bad)
        assert store.state().traces == 1
    assert run(postgres, "SELECT count(*) FROM spans", f"{schema}_views")[0][0] == 2


def test_a_query_that_takes_too_long_is_stopped(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_LIMITS", {**asking._LIMITS, "statement_timeout": "50"})
    with opened(address) as store, pytest.raises(UsageError, match="longer than"):
        store.ask("SELECT pg_sleep(50)")


def test_a_newer_schema_and_a_foreign_one_are_refused_and_left(
    address: str, postgres: PostgresServer
) -> None:
    schema = schema_of(address)
    with opened(address):
        pass
    run(postgres, f"INSERT INTO {TRACES.table} VALUES (99)", schema)
    with pytest.raises(StorageTooNew, match="schema 99"):
        opened(address)
    other = postgres.new_schema()
    run(postgres, f"CREATE SCHEMA {other}")
    run(postgres, "CREATE TABLE digests (a int)", other)
    with pytest.raises(StorageCorrupt, match="another program"):
        opened(postgres.url(schema=other))
    tables = run(postgres, f"SELECT tablename FROM pg_tables WHERE schemaname = '{other}'")
    assert [row[0] for row in tables] == ["digests"]
    asyncio.run(postgres.drop(other))


_FIRST = """
import sys
from holdfast.tracing.store.opening import open_trace_store
from tests.tracing.store.making import plain_digest, span
print("ready", flush=True)
sys.stdin.readline()
with open_trace_store(sys.argv[1], digester=plain_digest) as store:
    store.add([span(int(sys.argv[2]), 0)])
    store.settle()
"""


def test_schemas_that_somebody_made_need_no_rights_on_the_database(
    address: str, postgres: PostgresServer
) -> None:
    schema = schema_of(address)
    run(postgres, f"CREATE ROLE {schema} LOGIN")
    try:
        for each in (schema, f"{schema}_views"):
            run(postgres, f"CREATE SCHEMA {each} AUTHORIZATION {schema}")
        with opened(postgres.url(user=schema, schema=schema)) as store:
            store.add([span(0, 0)])
            assert store.ask("SELECT count(*) FROM spans")[1] == [(1,)]
        with pytest.raises(StorageUnavailable, match="permission denied") as caught:
            opened(postgres.url(user=schema, schema=f"{schema}_more"))
        assert caught.value.hint
        run(postgres, f"CREATE ROLE {schema}_analyst LOGIN")
        run(postgres, f"GRANT USAGE ON SCHEMA {schema}_views TO {schema}_analyst")
        run(postgres, f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema}_views TO {schema}_analyst")
        assert analyst_sees(postgres, schema) == 1
    finally:
        asyncio.run(postgres.drop(schema))
        asyncio.run(postgres.drop(f"{schema}_views"))
        for role in (f"{schema}_analyst", schema):
            run(postgres, f"DROP ROLE IF EXISTS {role}")


def analyst_sees(server: PostgresServer, schema: str) -> int:
    async def count() -> int:
        url = server.url(user=f"{schema}_analyst").partition("?")[0]
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(f"SELECT count(*) FROM {schema}_views.traces")
        finally:
            await connection.close()

    return asyncio.run(count())


WORDS = [
    "run",
    "running",
    "runner",
    "file",
    "files",
    "path",
    "burning",
    "burned",
    "relational",
    "nation",
    "flies",
    "sky",
    "as",
    "is",
    "a",
    "i",
    "x2",
    "2x",
    "10",
    "v2.1",
    "node_12",
    "foo-bar",
    "café",
    "naïve",
    "Straße",
    "over",
    "host.example.com",
    "/usr/lib/x.py",
    "me@you.org",
    "can't",
    "ponies",
    "generalizations",
    "3.14",
    "1e5",
    "0x1F",
    "C++",
    "the",
    "and",
    "not",
]


def test_words_are_found_as_in_a_file(address: str) -> None:
    chance = random.Random(3)
    noted = [
        span(number, 0, name="n", attributes={"note": " ".join(chance.sample(WORDS, 6))})
        for number in range(50)
    ]
    with opened(address) as here, open_trace_store("memory:", digester=plain_digest) as there:
        here.add(noted)
        there.add(noted)
        for _ in range(150):
            typed = " ".join(chance.sample(WORDS, chance.randint(1, 2)))
            query = Query(text=typed[: chance.randint(1, len(typed))])
            found = [
                [each.trace_id for each in store.traces(query, limit=50).traces]
                for store in (here, there)
            ]
            assert found[0] == found[1], query.text


def test_eight_processes_may_be_the_first(address: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _FIRST, address, str(number)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3],
        )
        for number in range(8)
    ]  # fmt: skip
    for each in processes:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in processes:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    assert [each.communicate(timeout=60) and each.returncode for each in processes] == [0] * 8
    with opened(address) as store:
        assert len(store.traces().traces) == 8


def test_a_server_that_goes_is_named_and_used_again_when_it_is_back(
    durable_postgres: PostgresServer,
) -> None:
    for fresh in schemas_of(durable_postgres):
        with opened(fresh()) as store:
            store.add([span(0, 0)])
            durable_postgres.kill()
            for _ in range(2):
                with pytest.raises(StorageUnavailable, match="no connection to the store"):
                    store.add([span(1, 0)])
            durable_postgres.start()
            store.add([span(2, 0)])
            found = [each.trace_id for each in store.traces().traces]
        assert found == [trace_id(2), trace_id(0)]


def test_a_connection_that_broke_while_nobody_used_it_is_not_noticed(
    address: str, postgres: PostgresServer
) -> None:
    with opened(address) as store:
        store.add([span(0, 0)])
        ended = run(
            postgres,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE application_name = 'holdfast'",
        )
        assert all(row[0] for row in ended)
        store.add([span(1, 0)])
        assert len(store.traces().traces) == 2


def test_a_machine_that_sleeps_in_the_middle_does_not_hold_up_the_others(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "STUCK_MS", 200)
    with opened(address) as sleeper, opened(address) as other:

        def fall_asleep() -> None:
            with sleeper._server.changing() as connection:
                connection.execute("DELETE FROM dirty")
                other.add([span(0, 0)])
                connection.execute("SELECT 1")

        with pytest.raises(StorageUnavailable):
            fall_asleep()
        assert len(sleeper.traces().traces) == 1


def test_whoever_is_interrupted_leaves_nothing_half_done(address: str) -> None:
    interrupts = iter([KeyboardInterrupt(), ValueError("mine")])

    def interrupted(spans: object) -> object:
        error = next(interrupts, None)
        if error is not None:
            raise error
        return plain_digest(spans)  # pyright: ignore[reportArgumentType]

    with opened(address, interrupted) as store:  # pyright: ignore[reportArgumentType]
        store.add([span(0, 0), span(1, 0)])
        with pytest.raises(KeyboardInterrupt):
            store.settle()
        with pytest.raises(ValueError, match="mine"):
            store.settle()
        assert sum(each.count for each in store.statistics()) == 2


def test_a_password_is_never_told(postgres: PostgresServer) -> None:
    run(postgres, f"DROP ROLE IF EXISTS {GUARDED}")
    run(postgres, f"CREATE ROLE {GUARDED} LOGIN PASSWORD 'right'")
    try:
        for address in (
            postgres.url(user=f"{GUARDED}:s3cret", schema="x"),
            f"postgres://me:s3cret@127.0.0.1:{postgres.port}/nowhere?schema=X",
            f"postgres://me:s3cret@127.0.0.1:{postgres.port}/nowhere?application_name=s3cret&sslmode=s3cret",
            "postgres://me:s3cret@127.0.0.1:1/nowhere",
            "postgress://me:s3cret@127.0.0.1:1/nowhere",
        ):
            with pytest.raises(HoldfastError) as caught:
                open_trace_store(address, digester=plain_digest)
            assert "s3cret" not in f"{caught.value} {caught.value.hint}", address
    finally:
        run(postgres, f"DROP ROLE {GUARDED}")


def test_many_who_add_the_same_at_once_do_not_wait_in_a_circle(address: str) -> None:
    def work(turn: int) -> None:
        with opened(address) as store:
            for again in range(15):
                numbers = range(6) if (turn + again) % 2 else range(5, -1, -1)
                store.add(
                    [
                        Opened(
                            trace_id=trace_id(n), span_id=span_id(turn), parent_id=None, name="o",
                            kind="s", start_ns=EPOCH,
                        )
                        for n in numbers
                    ]
                )  # fmt: skip
                store.add([span(n, turn) for n in numbers])
                if again % 5 == 0:
                    store.settle()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    with opened(address) as store:
        assert sum(each.count for each in store.statistics()) == 24
        assert store.state().open_spans == 0


def test_two_stores_see_what_the_other_does(address: str) -> None:
    first: TraceStore
    with opened(address) as first, opened(address) as second:
        first.add([span(0, 0, name="new here", attributes={"user": "ada"})])
        assert [each.name for each in second.traces().traces] == ["new here"]
        second.add([span(0, 1, name="and here")])
        assert {each.name for each in first.spans(trace_id(0))} == {"new here", "and here"}
        assert second.pin(trace_id(0))
        assert first.state().pinned == 1
        assert second.forget(Query(user="ada")) == 1
        assert list(first.traces().traces) == []
