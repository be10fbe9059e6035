"""Watching over a connection that breaks."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.errors import StorageUnavailable
from holdfast.storage.redis import RedisStore, driver, feed, link
from holdfast.storage.redis.address import parse_address
from holdfast.storage.seam import ANY, Changes
from holdfast.testing.clock import ManualClock
from tests.servers.proxy import Proxy, proxy_to
from tests.servers.redis import RedisServer, until

pytestmark = pytest.mark.service

KEY = ("runs", "a")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def through(proxy: Proxy, clock: ManualClock) -> RedisStore:
    return RedisStore(f"redis://127.0.0.1:{proxy.port}/0?prefix=p", clock=clock)


async def told(changes: Changes) -> None:
    await asyncio.wait_for(changes.wait(), 10)


async def test_watchers_are_told_when_the_connection_broke_and_hear_again(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with RedisStore(own_redis.url("p"), clock=clock) as store, store.watch(("a",)) as changes:
        for _ in range(3):
            killed = own_redis.command("CLIENT", "KILL", "TYPE", "pubsub")
            assert killed == 1
            await told(changes)  # it broke
            await told(changes)  # it is back
            await store.put(("a",), b"", expected=ANY)
            await told(changes)


async def test_what_changed_while_nobody_could_hear_is_told_by_the_return(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    here, there = (RedisStore(own_redis.url("p"), clock=clock) for _ in range(2))
    async with here, here.watch(("a",)) as first, here.watch(("b",)) as second:
        own_redis.kill()
        await told(first)
        await told(second)
        own_redis.start()
        async with there:
            await there.put(("a",), b"", expected=ANY)
        await told(first)
        await told(second)
        async with there:
            await there.put(("b",), b"", expected=ANY)
        await told(second)
        assert await here.get(("a",)) is not None


async def test_a_watch_that_begins_while_the_server_is_down_fails_and_later_works(
    own_redis: RedisServer, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Long enough that only a newcomer, who is tried at once, can bring the connection back.
    monkeypatch.setattr(feed, "_FIRST_PAUSE_SECONDS", 100.0)
    monkeypatch.setattr(feed, "_LONGEST_PAUSE_SECONDS", 100.0)
    async with RedisStore(own_redis.url("p"), clock=clock) as store, store.watch(("a",)) as changes:
        own_redis.stop()
        await told(changes)
        for _ in range(3):
            with pytest.raises(StorageUnavailable, match="cannot reach"):
                async with store.watch(("b",)):
                    pass
        own_redis.start()
        async with store.watch(("b",)) as others:
            await told(changes)
            await store.put(("b",), b"", expected=ANY)
            await told(others)


async def test_a_closed_store_ends_its_watches(own_redis: RedisServer, clock: ManualClock) -> None:
    store = RedisStore(own_redis.url("p"), clock=clock)
    async with store:
        watching = store.watch(())
        changes = await watching.__aenter__()
        waiting = asyncio.ensure_future(changes.wait())
    with pytest.raises(StorageUnavailable, match="closed while it was watched"):
        await asyncio.wait_for(waiting, 5)
    await watching.__aexit__(None, None, None)
    with pytest.raises(StorageUnavailable, match="is not open"):
        async with store.watch(()):
            pass


async def test_a_watch_that_is_cancelled_while_it_begins_leaves_no_subscription(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async def watch(store: RedisStore, name: str) -> None:
        async with store.watch((name,)) as changes:
            await changes.wait()

    async with (
        proxy_to(own_redis.port) as proxy,
        through(proxy, clock) as store,
        store.watch(("kept",)) as changes,
    ):
        proxy.hold()
        task = asyncio.ensure_future(watch(store, "given up"))
        await asyncio.wait_for(proxy.held.wait(), 5)
        task.cancel()
        await asyncio.wait([task])
        proxy.release()
        async with store.watch(("later",)) as later:
            await store.put(("later",), b"", expected=ANY)
            await told(later)
        await store.put(("kept",), b"", expected=ANY)
        await told(changes)
        await until(lambda: own_redis.command("PUBSUB", "NUMPAT") == 1)


async def test_a_change_in_another_database_is_not_told(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    there = RedisStore(own_redis.url("p").replace("/0?", "/1?"), clock=clock)
    async with (
        RedisStore(own_redis.url("p"), clock=clock) as here,
        there,
        here.watch(()) as changes,
    ):
        await there.put(KEY, b"", expected=ANY)
        waiting = asyncio.ensure_future(changes.wait())
        # Both go through the same server in this order, so the second would come behind the first.
        async with here.watch(("other",)):
            assert not waiting.done()
        await here.put(KEY, b"", expected=ANY)
        await asyncio.wait_for(waiting, 5)


@pytest.mark.parametrize("part", ["*", "?", "[a-z]", "\\", "a*b", "^", "é"])
async def test_a_prefix_that_looks_like_a_pattern_is_watched_by_letter(
    own_redis: RedisServer, clock: ManualClock, part: str
) -> None:
    async with RedisStore(own_redis.url("p"), clock=clock) as store:
        (_, subscribed) = own_redis.command("PUBSUB", "NUMPAT"), 0
        async with store.watch((part,)) as changes:
            waiting = asyncio.ensure_future(changes.wait())
            for other in ("z", "ab", "axb", "q"):
                await store.put((other,), b"", expected=ANY)
            async with store.watch(("fence",)):
                assert not waiting.done()
            await store.put((part, "below"), b"", expected=ANY)
            await asyncio.wait_for(waiting, 5)
        await until(lambda: own_redis.command("PUBSUB", "NUMPAT") == subscribed)


async def test_a_link_that_ended_does_not_connect_by_itself(own_redis: RedisServer) -> None:
    connection = link.Link(parse_address(own_redis.url("p")))
    await connection.connect()
    await connection.close()
    with pytest.raises(driver.exceptions.ConnectionError, match="has ended"):
        await connection.send([(b"PING",)])


class _HeldOnce(link.Link):
    """A link whose first attempt to connect fails when it is let go."""

    def __init__(self, server: RedisServer) -> None:
        super().__init__(parse_address(server.url("p")))
        self.began = asyncio.Event()
        self.go_on = asyncio.Event()

    async def connect(self) -> None:
        if not self.go_on.is_set():
            self.began.set()
            await self.go_on.wait()
            raise driver.exceptions.ConnectionError("the first attempt failed")
        await super().connect()


async def test_a_watch_fails_only_by_an_attempt_that_began_after_it(
    own_redis: RedisServer,
) -> None:
    async def watch(name: str) -> None:
        async with channel.watching((name,)):
            pass

    connection = _HeldOnce(own_redis)
    channel = feed.Feed(connection, parse_address(own_redis.url("p")), b"p:changes:0:")
    first = asyncio.ensure_future(watch("a"))
    await asyncio.wait_for(connection.began.wait(), 5)
    second = asyncio.ensure_future(watch("b"))
    await asyncio.sleep(0)  # so that it waits too
    connection.go_on.set()
    with pytest.raises(StorageUnavailable, match="the first attempt failed"):
        await first
    await asyncio.wait_for(second, 5)
    await channel.close()
