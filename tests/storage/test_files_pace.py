"""When a files store commits in the event loop, and when in a thread of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from warnings import catch_warnings, simplefilter

import anyio
from hypothesis import given
from hypothesis import strategies as st

from holdfast.clock import SystemClock
from holdfast.storage import ANY, Append
from holdfast.storage.files import FilesStore
from holdfast.storage.files.disk import SystemDisk
from holdfast.storage.files.pace import SLOW_NS, Pace
from holdfast.storage.pledge import Pledge
from holdfast.testing.clock import ManualClock
from tests.storage.files_help import MeddlingDisk

HERE = threading.main_thread()


class _Threads:
    """A disk on which a sync takes `seconds` of a manual clock; it notes who synced."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.seconds = 0.0
        self.seen: list[threading.Thread] = []
        self.disk = MeddlingDisk()
        self.disk.before["sync"] = self._sync

    def _sync(self, _: object) -> None:
        self.seen.append(threading.current_thread())
        self.clock.advance(self.seconds)

    def store(self, path: Path) -> FilesStore:
        return FilesStore(path, clock=self.clock, disk=self.disk)

    def last(self, number: int) -> list[bool]:
        """Return for the last syncs whether they were in the event loop."""
        return [thread is HERE for thread in self.seen[-number:]]


async def test_a_quick_disk_is_waited_for_in_the_event_loop(tmp_path: Path) -> None:
    threads = _Threads()
    async with threads.store(tmp_path) as store:
        for _ in range(5):
            await store.append(("log",), [b"x"])
        assert threads.last(4) == [True] * 4


async def test_a_slow_disk_is_left_to_a_thread(tmp_path: Path) -> None:
    threads = _Threads()
    async with threads.store(tmp_path) as store:
        await store.append(("log",), [b"x"])
        threads.seconds = 0.01
        for _ in range(30):
            await store.append(("log",), [b"x"])
    assert threads.seen.count(HERE) < 5, "a slow sync held up the event loop again and again"


async def test_a_disk_that_is_quick_again_is_waited_for_again(tmp_path: Path) -> None:
    threads = _Threads()
    async with threads.store(tmp_path) as store:
        threads.seconds = 0.01
        for _ in range(3):
            await store.append(("log",), [b"x"])
        threads.seconds = 0.0
        for _ in range(60):
            await store.append(("log",), [b"x"])
        assert threads.last(20) == [True] * 20


async def test_the_event_loop_never_waits_for_another_process_that_writes(tmp_path: Path) -> None:
    threads, other = _Threads(), SystemDisk()
    async with threads.store(tmp_path) as store:
        for _ in range(3):
            await store.append(("log",), [b"x"])
        handle = other.open(tmp_path / "journal" / "lock")
        other.lock(handle)
        write = asyncio.ensure_future(store.append(("log",), [b"y"]))
        with anyio.fail_after(5):
            for _ in range(20):  # the loop goes on
                await asyncio.sleep(0)
            assert not write.done()
            other.close(handle)
            assert await write == 4
        assert threads.last(1) == [False]


async def test_writes_of_one_turn_of_the_loop_share_a_sync(tmp_path: Path) -> None:
    threads = _Threads()
    async with threads.store(tmp_path) as store:
        for _ in range(3):
            await store.append(("log",), [b"x"])
        before = len(threads.seen)
        await asyncio.gather(*(store.append(("log", str(i)), [b"x"]) for i in range(50)))
        assert len(threads.seen) == before + 1


async def test_a_lone_writer_gives_the_event_loop_a_turn_after_a_few_writes(tmp_path: Path) -> None:
    threads, turns = _Threads(), 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with threads.store(tmp_path) as store:
        for _ in range(3):
            await store.append(("log",), [b"x"])
        counting = asyncio.ensure_future(count())
        for _ in range(100):
            await store.append(("log",), [b"x"])
        counting.cancel()
    # A turn to come to the write and one to come back from it, for one write in five.
    assert 20 <= turns <= 60


async def test_a_cancelled_writer_hears_of_it_when_its_batch_has_ended() -> None:
    answer, heard = Pledge(), asyncio.Event()

    async def wait() -> None:
        try:
            await answer
        except asyncio.CancelledError:
            heard.set()
            raise

    waiter = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    waiter.cancel()
    await asyncio.sleep(0)
    assert not heard.is_set()
    answer.set_result(None)
    await asyncio.wait([waiter])
    assert waiter.cancelled()
    assert answer.result() is None


async def test_what_was_submitted_is_written_though_nobody_waits(tmp_path: Path) -> None:
    async with FilesStore(tmp_path, clock=SystemClock()) as store:
        answer = store.submit([Append(log=("log",), entries=[b"x"], expected=ANY)])
        assert not answer.cancel()
        assert await answer is None
        assert [entry.value for entry in await store.read(("log",))] == [b"x"]


async def test_a_pledge_follows_what_it_is_told_to_follow() -> None:
    loop = asyncio.get_running_loop()
    good, bad, gone = loop.create_future(), loop.create_future(), loop.create_future()
    pledges = [Pledge() for _ in range(3)]
    for pledge, source in zip(pledges, (good, bad, gone), strict=True):
        pledge.follow(source)
    good.set_result(7)
    bad.set_exception(ValueError("no"))
    gone.cancel()
    outcomes = await asyncio.gather(*pledges, return_exceptions=True)
    assert outcomes[0] == 7
    assert isinstance(outcomes[1], ValueError)
    assert isinstance(outcomes[2], asyncio.CancelledError)


@given(st.lists(st.integers(0, 2 * SLOW_NS), max_size=3000))
def test_no_disk_however_it_behaves_is_felt_much_more_often_than_it_is_quick(
    took: list[int],
) -> None:
    pace, felt, quick = Pace(), 0, 0
    for each in took:
        slow = each > SLOW_NS
        felt += pace.is_quick and slow
        quick += not slow
        pace.note(each)
    assert felt <= quick + 1


def test_a_disk_that_is_always_slow_is_felt_once_in_256_syncs() -> None:
    pace, felt = Pace(), 0
    for _ in range(10_000):
        felt += pace.is_quick
        pace.note(SLOW_NS + 1)
    assert felt <= 10


async def test_a_process_that_was_forked_off_writes_nothing_for_its_parent(tmp_path: Path) -> None:
    """It has the same locks: what both of them write would be one on top of the other."""
    async with _Threads().store(tmp_path) as store:
        with catch_warnings():
            simplefilter("ignore", DeprecationWarning)  # there are threads, and nobody uses them
            child = os.fork()
        if not child:
            try:
                store.submit([Append(log=("log",), entries=[b"x"], expected=ANY)])
            except RuntimeError as error:
                os._exit(0 if "running event loop" in str(error) else 2)
            os._exit(1)
        _, status = os.waitpid(child, 0)  # noqa: ASYNC222 - it ends at once
        assert os.waitstatus_to_exitcode(status) == 0
        assert await store.append(("log",), [b"x"]) == 1
