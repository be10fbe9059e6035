"""Redis stores whose server, network or caller goes away in the middle."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.errors import StorageUnavailable
from holdfast.storage.redis import RedisStore, link, pipeline
from holdfast.storage.seam import ABSENT, ANY, Changes, Conflict, Put, Record
from holdfast.testing.clock import ManualClock
from tests.servers.process import free_port
from tests.servers.proxy import Proxy, proxy_to
from tests.servers.redis import RedisServer, until

pytestmark = pytest.mark.service

KEY = ("runs", "a")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def through(proxy: Proxy, clock: ManualClock) -> RedisStore:
    return RedisStore(f"redis://127.0.0.1:{proxy.port}/0?prefix=p", clock=clock)


def cut_once(proxy: Proxy, when: str, *, word: bytes) -> list[bytes]:
    """Cut the connection at the next chunk with `word`; return the list of what was cut."""
    done: list[bytes] = []

    def cut(chunk: bytes) -> str | None:
        if done or word not in chunk:
            return None
        done.append(chunk)
        return when

    proxy.cut = cut
    return done


async def told(changes: Changes) -> None:
    await asyncio.wait_for(changes.wait(), 10)


# --- Round trips ---


async def test_a_get_is_one_round_trip(own_redis: RedisServer, clock: ManualClock) -> None:
    async with proxy_to(own_redis.port) as proxy, through(proxy, clock) as store:
        await store.put(KEY, b"v", expected=ABSENT)
        await store.get(KEY)
        proxy.forget()
        assert await store.get(KEY) is not None
        assert (len(proxy.requests), len(proxy.replies)) == (1, 1)
        proxy.forget()
        assert len(await store.scan(())) == 1
        assert (len(proxy.requests), len(proxy.replies)) == (1, 1)


async def test_requests_of_many_tasks_share_round_trips(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with proxy_to(own_redis.port) as proxy, through(proxy, clock) as store:
        await store.append(("log",), [b"x"])
        proxy.forget()
        await asyncio.gather(*(store.append(("log",), [b"x"]) for _ in range(200)))
        assert len(proxy.requests) < 20


# --- The network ---


async def test_a_write_that_was_cut_off_is_unknown_and_not_repeated(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with proxy_to(own_redis.port) as proxy, through(proxy, clock) as store:
        await store.append(("log",), [b"first"])
        for when, length in (("after", 2), ("before", 2)):
            done = cut_once(proxy, when, word=b"entry-2")
            with pytest.raises(StorageUnavailable, match="unknown whether") as caught:
                await store.append(("log",), [b"entry-2"])
            assert "read what is there" in caught.value.hint
            assert len(done) == 1
            assert len(await store.read(("log",))) == length
        assert await store.append(("log",), [b"third"]) == 3


async def test_every_write_of_a_group_that_was_cut_off_is_unknown(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with proxy_to(own_redis.port) as proxy, through(proxy, clock) as store:
        await store.append(("log",), [b"x"])
        cut_once(proxy, "after", word=b"append")
        writes = (store.append(("log",), [b"x"]) for _ in range(20))
        results = await asyncio.gather(*writes, return_exceptions=True)
        unknown = [each for each in results if isinstance(each, StorageUnavailable)]
        assert len(unknown) + sum(isinstance(each, int) for each in results) == 20
        assert unknown
        assert len(set(map(id, unknown))) == len(unknown)
        assert len(await store.read(("log",))) == 21


async def test_a_read_that_was_cut_off_is_tried_once_more(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with proxy_to(own_redis.port) as proxy, through(proxy, clock) as store:
        await store.put(KEY, b"v", expected=ABSENT)
        await store.append(("log",), [b"x"])
        for when in ("before", "after"):
            for verb in (store.get, store.scan, lambda _: store.read(("log",))):
                done = cut_once(proxy, when, word=b"p:")
                assert await verb(KEY)
                assert len(done) == 1


async def test_a_read_that_is_cut_off_twice_fails(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with proxy_to(own_redis.port) as proxy, through(proxy, clock) as store:
        await store.get(KEY)
        cuts: list[bytes] = []

        def cut(chunk: bytes) -> str | None:
            if b"HMGET" not in chunk:
                return None
            cuts.append(chunk)
            return "before"

        proxy.cut = cut
        with pytest.raises(StorageUnavailable, match="cannot reach"):
            await store.get(KEY)
        assert len(cuts) == 2
        proxy.cut = lambda _: None
        assert await store.get(KEY) is None


async def test_a_server_that_does_not_answer_in_time_is_unavailable(
    own_redis: RedisServer, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with RedisStore(own_redis.url("p"), clock=clock) as store:
        await store.put(KEY, b"v", expected=ABSENT)
        await store.get(KEY)
        own_redis.pause()
        monkeypatch.setattr(pipeline, "ANSWER_SECONDS", 0.05)
        monkeypatch.setattr(link, "CONNECT_SECONDS", 0.05)
        with pytest.raises(StorageUnavailable, match=r"no answer.*unknown whether"):
            await store.put(KEY, b"w", expected=ANY)
        with pytest.raises(StorageUnavailable, match=r"cannot reach .*no answer"):
            await store.get(KEY)
        own_redis.go_on()
        monkeypatch.undo()
        assert await store.get(KEY) is not None


# --- Cancelling ---


async def test_a_cancelled_caller_leaves_nobody_a_wrong_answer(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with proxy_to(own_redis.port) as proxy, through(proxy, clock) as store:
        await store.put(("a",), b"1", expected=ABSENT)
        await store.put(("b",), b"2", expected=ABSENT)
        await store.get(("a",))
        connected = own_redis.info("stats", "total_connections_received")
        proxy.hold()
        cancelled = [asyncio.ensure_future(verb) for verb in (store.get(("a",)), store.scan(()))]
        await asyncio.wait_for(proxy.held.wait(), 5)
        for task in cancelled:
            task.cancel()
        await asyncio.wait(cancelled)
        assert all(task.cancelled() for task in cancelled)
        others = [asyncio.ensure_future(store.get((name,))) for name in "abab"]
        proxy.release()
        values = [record and record.value for record in await asyncio.gather(*others)]
        assert values == [b"1", b"2", b"1", b"2"]
        # Two looks of this test itself have connected since.
        assert int(own_redis.info("stats", "total_connections_received")) == int(connected) + 1


async def test_a_wrong_argument_hits_its_caller_alone(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with RedisStore(own_redis.url("p"), clock=clock) as store:
        for wrong in (
            lambda: store.put(KEY, "text", expected=ANY),
            lambda: store.put(KEY, b"", expected=None),
            lambda: store.append(KEY, [None]),
            lambda: store.scan((), limit="1"),
        ):
            good = asyncio.ensure_future(store.append(("log",), [b"x"]))
            with pytest.raises(TypeError):
                await wrong()
            assert isinstance(await good, int)
        assert len(await store.read(("log",))) == 4


async def test_a_cancelled_write_is_carried_out_and_the_next_one_gets_its_own_answer(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with proxy_to(own_redis.port) as proxy, through(proxy, clock) as store:
        await store.append(("log",), [b"x"])
        proxy.hold()
        write = asyncio.ensure_future(store.append(("log",), [b"x", b"x"]))
        await asyncio.wait_for(proxy.held.wait(), 5)
        write.cancel()
        await asyncio.wait([write])
        following = asyncio.ensure_future(store.append(("log",), [b"x"]))
        proxy.release()
        assert await following == 4


# --- The server ---


@pytest.mark.promise("acknowledged-survives")
async def test_what_was_acknowledged_survives_a_killed_server(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with RedisStore(own_redis.url("p"), clock=clock) as store:
        await store.put(KEY, b"v", expected=ABSENT, due_at=1, expires_at=clock.now_ms() + 9)
        version = await store.put(("b",), b"w", expected=ABSENT)
        assert isinstance(version, int)
        await store.append(("log",), [b"1", b"2"])
        own_redis.kill()
        own_redis.start()
        # The same store goes on by itself.
        assert await store.get(("b",)) == Record(("b",), b"w", version)
        assert await store.put(("b",), b"x", expected=version) == version + 1
        assert await store.append(("log",), [b"3"], expected=2) == 3
        assert await store.logs(()) == [("log",)]
        claimed = await store.claim(("runs",), until=5)
        assert claimed is not None
        assert claimed.version == version + 2
        assert len(await store.scan(())) == 2


@pytest.mark.promise("acknowledged-survives", "batch-is-atomic")
async def test_a_server_killed_under_load_loses_nothing_and_splits_nothing(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    acknowledged: list[int] = []

    async def write(store: RedisStore, writer: int) -> None:
        for turn in range(10_000):
            number = writer * 10_000 + turn
            puts = [
                Put(key=(side, str(number)), value=b"%d" % number, expected=ABSENT)
                for side in ("left", "right")
            ]
            assert await store.batch(puts) is None
            acknowledged.append(number)

    async with RedisStore(own_redis.url("p"), clock=clock) as store:
        writers = [asyncio.ensure_future(write(store, each)) for each in range(8)]
        await until(lambda: len(acknowledged) > 200)
        own_redis.kill()
        results = await asyncio.gather(*writers, return_exceptions=True)
        assert all(isinstance(each, StorageUnavailable) for each in results)
        own_redis.start()
        sides = {
            side: {int(record.value) for record in await store.scan((side,), limit=100_000)}
            for side in ("left", "right")
        }
        assert sides["left"] == sides["right"]
        assert set(acknowledged) <= sides["left"]
        # Of each writer at most the one batch that was under way is there unacknowledged.
        assert len(sides["left"] - set(acknowledged)) <= 8


async def test_a_server_that_is_down_is_named_and_found_again(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with RedisStore(own_redis.url("p"), clock=clock) as store:
        own_redis.stop()
        for verb in (
            store.get(KEY),
            store.put(KEY, b"", expected=ANY),
            store.scan(()),
            store.append(("log",), [b"x"]),
            store.claim(("q",), until=1),
            store.logs(()),
        ):
            with pytest.raises(
                StorageUnavailable, match=f"cannot reach .*127.0.0.1:{own_redis.port}"
            ):
                await verb
        with pytest.raises(StorageUnavailable, match="cannot reach"):
            async with store.watch(()):
                pass
        own_redis.start()
        assert await store.put(KEY, b"", expected=ABSENT) == 1
        assert await store.get(KEY) is not None


async def test_a_server_that_is_not_there_is_named_when_opening(clock: ManualClock) -> None:
    port = free_port()
    with pytest.raises(StorageUnavailable, match=f"cannot reach .*127.0.0.1:{port}") as caught:
        async with RedisStore(f"redis://me:s3cret@127.0.0.1:{port}", clock=clock):
            pass
    assert "check that it runs" in caught.value.hint
    assert "s3cret" not in f"{caught.value!r} {caught.value.hint}"


async def test_what_is_no_redis_server_is_named_when_opening(clock: ManualClock) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(StorageUnavailable, match="does not speak as a Redis server does"):
        async with RedisStore(f"redis://127.0.0.1:{port}", clock=clock):
            pass
    server.close()
    await server.wait_closed()


async def test_a_connection_that_the_server_closed_while_idle_is_made_again(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with RedisStore(own_redis.url("p"), clock=clock) as store:
        for number in range(1, 4):
            own_redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            assert await store.append(("log",), [b"x"]) == number
            assert len(await store.read(("log",))) == number


# --- Closing ---


async def test_a_closed_store_refuses_the_further_abilities(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with RedisStore(own_redis.url("p"), clock=clock) as store:
        pass
    for verb in (store.batch([]), store.claim(("q",), until=1), store.logs(())):
        with pytest.raises(StorageUnavailable, match="is not open"):
            await verb


async def test_closing_carries_out_what_waits_in_the_queue(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with RedisStore(own_redis.url("p"), clock=clock) as store:
        answers = [
            store.submit([Put(key=("k", f"{number}"), value=b"", expected=ABSENT)])
            for number in range(1000)
        ]
        read = asyncio.ensure_future(store.get(("k", "none")))
        await asyncio.sleep(0)  # so that it has been called
    assert await asyncio.gather(*answers) == [None] * 1000
    assert await read is None
    assert own_redis.command("ZCARD", "p:keys") == 1000


async def test_a_store_can_be_entered_again(own_redis: RedisServer, clock: ManualClock) -> None:
    store = RedisStore(own_redis.url("p"), clock=clock)
    for number in range(1, 4):
        async with store, store.watch(()) as changes:
            assert await store.append(("log",), [b"x"]) == number
            await told(changes)


async def test_no_connection_is_left_behind(own_redis: RedisServer, clock: ManualClock) -> None:
    async with RedisStore(own_redis.url("p"), clock=clock) as store, store.watch(()):
        await store.get(KEY)
        assert clients(own_redis) == 4  # writer, reader, feed and this look
    own_redis.command("SET", "p:format", "9")
    with pytest.raises(Exception, match="format 9"):
        async with RedisStore(own_redis.url("p"), clock=clock):
            pass
    await until(lambda: clients(own_redis) == 1)


async def test_submitted_batches_are_applied_in_order_also_if_nobody_waits(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with RedisStore(own_redis.url("p"), clock=clock) as store:
        first = store.submit([Put(key=KEY, value=b"1", expected=ABSENT)])
        second = store.submit([Put(key=KEY, value=b"2", expected=1)])
        third = store.submit([Put(key=KEY, value=b"3", expected=1)])
        first.cancel()
        assert await second is None
        assert await third == Conflict(2)
        record = await store.get(KEY)
        assert record is not None
        assert record.value == b"2"


def clients(server: RedisServer) -> int:
    """Return how many clients the server has, this look included."""
    return len(server.command("CLIENT", "LIST").splitlines())
