"""Telling watchers from any thread, and looking out for other processes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.errors import StorageUnavailable
from holdfast.storage import lookout
from holdfast.storage.keys import encode_key
from holdfast.storage.seam import ANY, Append, Put
from holdfast.storage.sqlite import SqliteStore
from holdfast.storage.watchers import Watcher, Watchers
from holdfast.testing.clock import ManualClock

KEY = ("a", "b")


async def _is_told(watcher: Watcher) -> bool:
    """Return whether the next wait returns by what was said so far."""
    # What another thread said arrives with the next turn of the loop.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return watcher._told.is_set()


@pytest.mark.parametrize(
    ("prefix", "told"),
    [((), True), (("a",), True), (KEY, True), (("a", "b", "c"), False), (("a", ""), False),
     (("b",), False), (("a:b",), False)],
)  # fmt: skip
async def test_only_who_watches_the_key_is_told(prefix, told: bool) -> None:
    watchers = Watchers("here")
    with watchers.watching(prefix) as watcher:
        watchers.tell([encode_key(("z",)), encode_key(KEY)])
        assert await _is_told(watcher) is told


async def test_nobody_is_told_of_nothing() -> None:
    watchers = Watchers("here")
    with watchers.watching(()) as watcher:
        watchers.tell([])
        assert not await _is_told(watcher)
        watchers.tell_all()
        assert await _is_told(watcher)


async def test_a_change_in_another_thread_ends_a_wait() -> None:
    watchers = Watchers("here")
    with watchers.watching(("a",)) as watcher:
        waiting = asyncio.ensure_future(watcher.wait())
        await asyncio.sleep(0)
        thread = threading.Thread(target=watchers.tell, args=([encode_key(KEY)],))
        thread.start()
        async with asyncio.timeout(5):
            await waiting
        thread.join()
        assert not await _is_told(watcher)


async def test_who_left_is_not_told_any_more() -> None:
    watchers = Watchers("here")
    assert not watchers
    with watchers.watching(()) as one, watchers.watching(()) as two:
        assert watchers
        with watchers.watching(()) as gone:
            pass
        watchers.tell_all()
        assert [await _is_told(each) for each in (one, two, gone)] == [True, True, False]
    assert not watchers


def test_a_watcher_whose_loop_is_gone_takes_nobody_along() -> None:
    watchers = Watchers("here")

    async def leave_behind() -> None:
        watchers.watching(()).__enter__()

    async def watch() -> None:
        with watchers.watching(()) as watcher:
            watchers.tell([encode_key(KEY)])
            assert await _is_told(watcher)

    asyncio.run(leave_behind())
    asyncio.run(watch())


async def test_closing_ends_every_wait_with_an_error_that_names_the_store() -> None:
    watchers = Watchers("here")
    with watchers.watching(()) as watcher:
        waiting = asyncio.ensure_future(watcher.wait())
        await asyncio.sleep(0)
        watchers.close()
        for wait in (waiting, watcher.wait()):
            with pytest.raises(StorageUnavailable, match="'here' was closed"):
                await wait


# SQLite


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def open_store(tmp_path: Path, clock: ManualClock) -> Callable[[], SqliteStore]:
    return lambda: SqliteStore(tmp_path / "store.db", clock=clock, ack="os")


async def test_a_change_by_this_process_is_told_without_looking(
    open_store: Callable[[], SqliteStore], clock: ManualClock
) -> None:
    async with open_store() as store, store.watch(("a",)) as changes:
        for write in (
            lambda: store.put(KEY, b"", expected=ANY, due_at=0),
            lambda: store.batch([Append(log=KEY, entries=[b"x"])]),
            lambda: store.claim(("a",), until=0),
            lambda: store.delete(KEY, expected=ANY),
        ):
            waiting = asyncio.ensure_future(changes.wait())
            await write()
            async with asyncio.timeout(5):
                await waiting
        assert clock.now_ms() == ManualClock().now_ms()


async def test_a_change_elsewhere_by_this_process_is_not_told(
    open_store: Callable[[], SqliteStore], clock: ManualClock
) -> None:
    async with open_store() as store, store.watch(("a",)) as changes:
        await store.put(("b",), b"", expected=ANY)
        await store.batch([Put(key=("a:b",), value=b"", expected=ANY)])
        await store.put(KEY, b"", expected=77)
        await store.claim(("a",), until=0)
        watching: Watcher = changes
        # The refused write is told too, which is allowed: a look shows that nothing changed.
        if await _is_told(watching):
            await changes.wait()
        await clock.until_sleeping()
        await clock.run(1)
        assert not await _is_told(watching)


async def test_the_file_is_looked_at_only_while_somebody_watches(
    open_store: Callable[[], SqliteStore], clock: ManualClock
) -> None:
    async with open_store() as store:
        looks: list[str] = []
        store._writer._session._connection.set_trace_callback(looks.append)
        await clock.run(1)
        assert (looks, clock.sleeping) == ([], 0)
        async with store.watch(()):
            async with store.watch(("a",)):
                await clock.until_sleeping()
                assert clock.sleeping == 1
            await clock.until_sleeping()
            assert set(looks) == {"PRAGMA data_version"}
            for _ in range(3):
                clock.advance(0.05)
                await clock.until_sleeping()
        count = len(looks)
        assert count >= 3
        await clock.run(1)
        assert (len(looks), clock.sleeping) == (count, 0)


async def test_looking_takes_no_lock(
    open_store: Callable[[], SqliteStore], clock: ManualClock, tmp_path: Path
) -> None:
    import sqlite3

    async with open_store() as store, store.watch(()) as changes:
        other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE counter SET version = version + 1")
        await clock.until_sleeping()
        clock.advance(0.05)
        # The next look has begun when the last one has ended.
        await clock.until_sleeping()
        assert not await _is_told(changes)
        other.execute("COMMIT")
        other.close()
        clock.advance(0.05)
        async with asyncio.timeout(5):
            await changes.wait()


async def test_what_others_committed_before_the_watch_is_no_news(
    open_store: Callable[[], SqliteStore], clock: ManualClock
) -> None:
    async with open_store() as store, open_store() as other:
        await other.append(("log",), [b"x"])
        async with store.watch(()) as changes:
            await clock.until_sleeping()
            clock.advance(0.05)
            await clock.until_sleeping()
            assert not await _is_told(changes)


async def test_a_look_that_fails_tells_everybody_and_goes_on(clock: ManualClock) -> None:
    watchers = Watchers("here")
    failures = 2

    async def look() -> None:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise StorageUnavailable("gone")

    with watchers.watching(()) as watcher:
        async with lookout.Lookout(look, watchers, clock).kept():
            for told in (True, True, False):
                await clock.until_sleeping()
                clock.advance(0.05)
                await clock.until_sleeping()
                assert await _is_told(watcher) is told
                watcher._told.clear()


async def test_a_look_that_breaks_is_not_silent(clock: ManualClock) -> None:
    async def look() -> None:
        raise KeyError("broken")

    async def keep() -> None:
        async with lookout.Lookout(look, Watchers("here"), clock).kept():
            await clock.until_sleeping()
            clock.advance(0.05)
            for _ in range(5):
                await clock.sleep(0)

    with pytest.raises(KeyError):
        await keep()


async def test_closing_the_store_ends_a_wait(open_store: Callable[[], SqliteStore]) -> None:
    store = await open_store().__aenter__()
    async with store.watch(()) as changes:
        waiting = asyncio.ensure_future(changes.wait())
        await asyncio.sleep(0)
        await store.__aexit__(None, None, None)
        with pytest.raises(StorageUnavailable):
            await waiting


def test_loops_in_two_threads_watch_one_store(open_store: Callable[[], SqliteStore]) -> None:
    ready, told = threading.Event(), threading.Event()

    async def watch(store: SqliteStore) -> None:
        async with store.watch(()) as changes:
            ready.set()
            async with asyncio.timeout(5):
                await changes.wait()
        told.set()

    async def write() -> None:
        async with open_store() as store:
            thread = threading.Thread(target=lambda: asyncio.run(watch(store)))
            thread.start()
            await asyncio.get_running_loop().run_in_executor(None, ready.wait, 5)
            await store.append(("log",), [b"x"])
            await asyncio.get_running_loop().run_in_executor(None, told.wait, 5)
            thread.join()

    asyncio.run(write())
    assert told.is_set()
