"""Watching a Postgres store: who is told, who is not, and what a lost connection costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from holdfast.errors import StorageUnavailable
from holdfast.storage.keys import encode_key, encode_prefix
from holdfast.storage.postgres import PostgresStore, driver, listening
from holdfast.storage.seam import ABSENT, ANY, Append, Changes, Put
from holdfast.testing.clock import ManualClock
from tests.servers.postgres import PostgresServer
from tests.servers.proxy import proxy_to
from tests.storage.postgres_help import holding, until, until_waiting

pytestmark = pytest.mark.service

KEY = ("a", "k")
PUT = "SELECT number FROM put_record($1, '', -1, NULL, NULL, NULL, 0)"
WATCHERS = "SELECT count(*) FROM watchers"

OpenStore = Callable[..., PostgresStore]


@pytest.fixture
def open_store(postgres: PostgresServer, schema: str) -> OpenStore:
    """Make a store whose connections are called like its schema."""

    def make(pause: Any = None, **options: Any) -> PostgresStore:
        named = {"schema": schema, "application_name": schema, **options}
        url = postgres.url(**named)
        return PostgresStore(url, clock=ManualClock(), ack="os", pause=pause)

    return make


@pytest.fixture
async def store(open_store: OpenStore) -> AsyncIterator[PostgresStore]:
    async with open_store() as store:
        yield store


@asynccontextmanager
async def _overheard(postgres: PostgresServer, schema: str) -> AsyncIterator[Callable[..., Any]]:
    """Give a function that returns all that was notified in the schema so far."""
    heard: list[str] = []
    end = asyncio.Event()

    def hear(_connection: object, _sender: int, _channel: str, text: str) -> None:
        heard.append(text)

    def hear_end(*_: object) -> None:
        end.set()

    async def told() -> list[str]:
        end.clear()
        # Notifications come in the order of their commits, also over two channels.
        await connection.execute(f"NOTIFY end_{schema}")
        await end.wait()
        return heard

    connection = await postgres.connect()
    await connection.add_listener(f"holdfast_{schema}", hear)
    await connection.add_listener(f"end_{schema}", hear_end)
    try:
        yield told
    finally:
        await connection.close()


async def _changed(changes: Changes) -> None:
    async with asyncio.timeout(5):
        await changes.wait()


async def _quiet(changes: Changes) -> None:
    """Use up what was told already."""
    try:
        async with asyncio.timeout(0):
            await changes.wait()
    except TimeoutError:
        return


# Who is told


async def test_a_change_by_another_store_is_told(open_store: OpenStore) -> None:
    async with open_store() as one, open_store() as two, one.watch(("a",)) as changes:
        await two.put(KEY, b"", expected=ABSENT)
        await _changed(changes)
        await two.append(("a", "log"), [b"x"])
        await _changed(changes)
        await two.batch([Put(key=("b",), value=b"", expected=ANY), Append(log=KEY, entries=[b""])])
        await _changed(changes)
        await two.delete(KEY, expected=ANY)
        await _changed(changes)


async def test_a_claim_is_a_change(open_store: OpenStore) -> None:
    async with open_store() as one, open_store() as two, one.watch(("q", "a")) as changes:
        await two.put(("q", "a"), b"", expected=ABSENT, due_at=0)
        await _changed(changes)
        await two.claim(("q",), until=1)
        await _changed(changes)


async def test_nobody_is_notified_as_long_as_nobody_watches(
    store: PostgresStore, postgres: PostgresServer, schema: str
) -> None:
    async with _overheard(postgres, schema) as told:
        await store.put(KEY, b"", expected=ANY)
        await store.append(KEY, [b""])
        async with store.watch(("b",)):
            await store.put(KEY, b"", expected=ANY)
        assert await told() == []


async def test_what_is_sent_is_the_watched_prefix_once_a_commit(
    store: PostgresStore, postgres: PostgresServer, schema: str
) -> None:
    long = ("a", "x" * 1000)
    async with (
        _overheard(postgres, schema) as told,
        store.watch(("a",)),
        store.watch(("a",)),
        store.watch(long),
    ):
        await store.batch([Put(key=("a", str(n)), value=b"", expected=ANY) for n in range(50)])
        assert await told() == [encode_prefix(("a",)).hex()]
        await store.append((*long, "y"), [b""])
        assert set((await told())[1:]) == {encode_prefix(("a",)).hex(), encode_prefix(long).hex()}


async def test_what_is_refused_or_undone_is_not_told(
    store: PostgresStore, postgres: PostgresServer, schema: str
) -> None:
    async with _overheard(postgres, schema) as told, store.watch(()):
        await store.put(KEY, b"", expected=7)
        await store.append(KEY, [b""], expected=7)
        await store.delete(KEY, expected=7)
        await store.claim(("a",), until=1)
        await store.batch(
            [
                Put(key=("a",), value=b"", expected=ANY),
                Append(log=("a",), entries=[b""]),
                Put(key=KEY, value=b"", expected=7),
            ]
        )
        assert await told() == []


async def test_a_watch_begins_behind_the_writes_under_way(
    store: PostgresStore, postgres: PostgresServer, schema: str
) -> None:
    async with holding(postgres, schema, PUT, encode_key(KEY)) as other:
        watch = store.watch(("a",))
        entering = asyncio.ensure_future(watch.__aenter__())
        await until_waiting(postgres, schema)
        assert not entering.done()
        await other.execute("COMMIT")
        await entering
    assert await store.get(KEY) is not None
    await watch.__aexit__(None, None, None)


async def test_a_write_that_began_before_another_watch_still_tells_the_first(
    open_store: OpenStore, postgres: PostgresServer, schema: str
) -> None:
    async with open_store() as one, one.watch(("a",)) as changes:
        await _quiet(changes)
        async with holding(postgres, schema, PUT, encode_key(KEY)) as other:
            waiting = asyncio.ensure_future(changes.wait())
            # What is not committed is not told.
            assert await one.get(KEY) is None
            assert not waiting.done()
            await other.execute("COMMIT")
        async with asyncio.timeout(5):
            await waiting


async def test_a_notice_that_nobody_understands_wakes_everybody(
    store: PostgresStore, postgres: PostgresServer, schema: str
) -> None:
    async with store.watch(("a",)) as changes:
        await _quiet(changes)
        await postgres.run("SELECT pg_notify($1, 'news of a later version')", f"holdfast_{schema}")
        await _changed(changes)


# Who leaves


async def test_leaving_a_watch_and_closing_leave_nothing_behind(
    open_store: OpenStore, postgres: PostgresServer, schema: str
) -> None:
    async with open_store() as one:
        async with one.watch(("a",)), one.watch(("b",)):
            await until(postgres, WATCHERS, schema=schema, wanted=lambda found: found == 2)
        await until(postgres, WATCHERS, schema=schema, wanted=lambda found: found == 0)
        watch = one.watch(("a",))
        await watch.__aenter__()
    assert (await postgres.run(WATCHERS, schema=schema))[0][0] == 0
    await watch.__aexit__(None, None, None)


async def test_who_left_without_a_word_is_forgotten_by_the_next_watch(
    store: PostgresStore, postgres: PostgresServer, schema: str
) -> None:
    left = "INSERT INTO watchers (listener, prefix) VALUES (999999999, '')"
    await postgres.run(left, schema=schema)
    async with store.watch(("a",)):
        assert (await postgres.run(WATCHERS, schema=schema))[0][0] == 1


async def test_a_watch_that_was_given_up_at_its_beginning_leaves_nothing_behind(
    store: PostgresStore, postgres: PostgresServer, schema: str
) -> None:
    async with holding(postgres, schema, PUT, encode_key(KEY)):
        entering = asyncio.ensure_future(store.watch(("a",)).__aenter__())
        await until_waiting(postgres, schema)
        entering.cancel()
        await asyncio.gather(entering, return_exceptions=True)
        assert entering.cancelled()
    await asyncio.gather(*store._connections._under_way)
    assert (await postgres.run(WATCHERS, schema=schema))[0][0] == 0
    assert store._listener._numbers == {}


async def test_closing_the_store_ends_a_wait(open_store: OpenStore) -> None:
    async with open_store() as one:
        watch = one.watch(("a",))
        changes = await watch.__aenter__()
        await _quiet(changes)
        waiting = asyncio.ensure_future(changes.wait())
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        with pytest.raises(StorageUnavailable, match="closed"):
            await waiting
    await watch.__aexit__(None, None, None)


async def test_a_closed_store_cannot_be_watched(open_store: OpenStore) -> None:
    async with open_store() as one:
        pass
    with pytest.raises(StorageUnavailable):
        await one.watch(()).__aenter__()


async def test_a_server_that_is_down_cannot_be_watched(
    open_store: OpenStore, postgres: PostgresServer
) -> None:
    async with proxy_to(postgres.port) as proxy, open_store(port=proxy.port) as one:
        proxy.cut = lambda _: "before"
        await proxy.end()
        with pytest.raises(StorageUnavailable):
            await one.watch(()).__aenter__()
        proxy.cut = lambda _: None
        async with one.watch(("a",)) as changes:
            await one.put(KEY, b"", expected=ANY)
            await _changed(changes)


# The connection is lost


async def test_a_lost_connection_wakes_everybody_and_is_made_again(
    open_store: OpenStore, postgres: PostgresServer, schema: str
) -> None:
    async with open_store() as one, one.watch(("a",)) as changes, one.watch(("b",)) as others:
        await postgres.run(
            "SELECT pg_terminate_backend(listener) FROM (SELECT DISTINCT listener FROM watchers)"
            " AS all_of_them",
            schema=schema,
        )
        await _changed(changes)
        await _changed(others)
        await one.put(KEY, b"", expected=ANY)
        await _changed(changes)
        assert (await postgres.run(WATCHERS, schema=schema))[0][0] == 2


async def test_a_server_that_is_away_is_tried_again_and_again(
    open_store: OpenStore, postgres: PostgresServer
) -> None:
    tries: asyncio.Queue[float] = asyncio.Queue()
    again = asyncio.Semaphore(0)

    async def pause(seconds: float) -> None:
        tries.put_nowait(seconds)
        await again.acquire()

    async with (
        proxy_to(postgres.port) as proxy,
        open_store(pause, port=proxy.port) as one,
        one.watch(("a",)) as changes,
        asyncio.timeout(10),
    ):
        await _quiet(changes)
        proxy.cut = lambda _: "before"
        await proxy.end()
        waiting = asyncio.ensure_future(changes.wait())
        assert await tries.get() == 0.5
        again.release()
        assert await tries.get() == 0.5
        assert not waiting.done()
        proxy.cut = lambda _: None
        again.release()
        await waiting
        await one.put(KEY, b"", expected=ANY)
        await changes.wait()


async def test_a_watch_that_cannot_be_taken_up_again_is_tried_again(
    open_store: OpenStore, postgres: PostgresServer, schema: str
) -> None:
    tries: asyncio.Queue[float] = asyncio.Queue()
    again = asyncio.Semaphore(0)

    async def pause(seconds: float) -> None:
        tries.put_nowait(seconds)
        await again.acquire()

    mark = "the mark of a watch"
    async with (
        proxy_to(postgres.port) as proxy,
        open_store(pause, port=proxy.port) as one,
        one.watch((mark,)) as changes,
        asyncio.timeout(10),
    ):
        await _quiet(changes)
        proxy.cut = lambda chunk: "before" if mark.encode() in chunk else None
        await postgres.run("SELECT pg_terminate_backend(listener) FROM watchers", schema=schema)
        await tries.get()
        proxy.cut = lambda _: None
        again.release()
        await changes.wait()
        await one.put((mark,), b"", expected=ANY)
        await changes.wait()


async def test_a_connection_that_fell_silent_is_noticed(
    open_store: OpenStore, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "PROBE_SECONDS", 0.01)
    monkeypatch.setattr(driver, "COMMAND_SECONDS", 0.5)
    async with (
        proxy_to(postgres.port) as proxy,
        open_store(port=proxy.port) as one,
        one.watch(("a",)) as changes,
        asyncio.timeout(10),
    ):
        await _quiet(changes)
        silent = one._listener._lost
        proxy.hold()
        await proxy.held.wait()  # the answer to a probe
        await silent.wait()
        proxy.release()
        await changes.wait()
        await one.put(KEY, b"", expected=ANY)
        await changes.wait()
