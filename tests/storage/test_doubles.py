"""The manual clock, the wrappers around stores, and the way without batches."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.errors import HoldfastError, StorageFull, StorageUnavailable
from holdfast.storage.fallback import write_all
from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import ABSENT, ANY, Append, Conflict, Put, Store
from holdfast.testing.clock import ManualClock
from holdfast.testing.stores import Crashed, CrashingStore, FaultyStore, UnbatchedStore


async def _three_writes(store: Store) -> None:
    await store.put(("a",), b"", expected=ABSENT)
    await store.append(("log",), [b"x"])
    await store.delete(("a",), expected=ANY)


async def _state(store: Store) -> tuple[int, int]:
    return len(await store.scan(())), len(await store.read(("log",)))


async def test_a_crashing_store_counts_the_writes_of_a_program() -> None:
    async with CrashingStore(MemoryStore(clock=ManualClock())) as store:
        await _three_writes(store)
        await store.get(("a",))
        assert store.writes == 3
        assert not store.crashed


@pytest.mark.parametrize(
    ("after", "torn", "state"),
    [
        (0, False, (0, 0)),
        (0, True, (1, 0)),
        (1, False, (1, 0)),
        (1, True, (1, 1)),
        (2, False, (1, 1)),
        (2, True, (0, 1)),
    ],
)
async def test_a_crash_keeps_the_writes_before_it(
    after: int, torn: bool, state: tuple[int, int]
) -> None:
    async with MemoryStore(clock=ManualClock()) as inner:
        store = CrashingStore(inner, after=after, torn=torn)
        with pytest.raises(Crashed):
            await _three_writes(store)
        assert await _state(inner) == state
        assert (store.crashed, store.writes) == (True, after)


async def test_every_verb_fails_behind_a_crash() -> None:
    async with CrashingStore(MemoryStore(clock=ManualClock()), after=0) as store:
        with pytest.raises(Crashed):
            await store.put(("a",), b"", expected=ANY)
        for verb in (store.get(("a",)), store.scan(()), store.read(("l",)), store.batch([])):
            with pytest.raises(Crashed):
                await verb
    assert not issubclass(Crashed, HoldfastError)


async def test_every_ability_fails_behind_a_crash() -> None:
    async with MemoryStore(clock=ManualClock()) as inner:
        store = CrashingStore(inner, after=0)
        async with store.watch(()) as changes:
            with pytest.raises(Crashed):
                await store.claim(("a",), until=1)
            with pytest.raises(Crashed):
                await changes.wait()
            with pytest.raises(Crashed):
                await store.logs(())
        with pytest.raises(Crashed):
            async with store.watch(()):
                pass


@pytest.mark.parametrize("torn", [False, True])
async def test_a_claim_is_a_write_that_a_crash_can_tear(torn: bool) -> None:
    async with MemoryStore(clock=ManualClock()) as inner:
        await inner.put(("a", "b"), b"", expected=ABSENT, due_at=0)
        store = CrashingStore(inner, after=0, torn=torn)
        with pytest.raises(Crashed):
            await store.claim(("a",), until=99)
        record = await inner.get(("a", "b"))
        assert record is not None
        assert record.due_at == (99 if torn else 0)


async def test_a_faulty_store_counts_every_ability() -> None:
    gone = StorageUnavailable("gone")
    async with FaultyStore(MemoryStore(clock=ManualClock()), {("wait", 2): gone}) as store:
        async with store.watch(()) as changes:
            await store.append(("log",), [b""])
            await changes.wait()
            with pytest.raises(StorageUnavailable):
                await changes.wait()
        await store.logs(())
        await store.claim((), until=1)
        assert store.calls == {"watch": 1, "append": 1, "wait": 2, "logs": 1, "claim": 1}


async def test_an_error_in_a_watch_of_a_double_leaves_the_watch_of_the_store() -> None:
    async with MemoryStore(clock=ManualClock()) as inner:
        watch = CrashingStore(inner).watch(())
        await watch.__aenter__()
        assert inner._watchers
        assert not await watch.__aexit__(KeyError, KeyError(), None)
        assert not inner._watchers


async def test_a_batch_is_one_write() -> None:
    async with CrashingStore(MemoryStore(clock=ManualClock())) as store:
        await write_all(store, [Put(key=(name,), value=b"", expected=ANY) for name in "abc"])
        assert store.writes == 1


async def test_a_faulty_store_raises_at_the_chosen_call_and_works_on() -> None:
    full = StorageFull("no space")
    async with FaultyStore(MemoryStore(clock=ManualClock()), {("put", 2): full}) as store:
        assert isinstance(await store.put(("a",), b"", expected=ANY), int)
        with pytest.raises(StorageFull):
            await store.put(("b",), b"", expected=ANY)
        assert isinstance(await store.put(("c",), b"", expected=ANY), int)
        assert [record.key for record in await store.scan(())] == [("a",), ("c",)]


async def test_write_all_without_batches_keeps_the_prefix_before_a_conflict() -> None:
    operations = [
        Put(key=("a",), value=b"", expected=ABSENT),
        Put(key=("b",), value=b"", expected=7),
        Append(log=("log",), entries=[b"x"]),
    ]
    async with UnbatchedStore(MemoryStore(clock=ManualClock())) as store:
        assert await write_all(store, operations) == Conflict(0, 1)
        assert await _state(store) == (1, 0)


async def test_write_all_without_batches_leaves_a_prefix_at_a_crash() -> None:
    operations = [Append(log=(name,), entries=[b"x"]) for name in "abc"]
    async with MemoryStore(clock=ManualClock()) as inner:
        with pytest.raises(Crashed):
            await write_all(CrashingStore(UnbatchedStore(inner), after=2), operations)
        assert [len(await inner.read((name,))) for name in "abc"] == [1, 1, 0]


async def test_the_manual_clock_stands_still_until_it_is_advanced() -> None:
    clock = ManualClock(start_ms=1000)
    assert (clock.now_ms(), clock.monotonic_ns()) == (1000, 0)
    clock.advance(1.5)
    assert (clock.now_ms(), clock.monotonic_ns()) == (2500, 1_500_000_000)


async def test_sleepers_wake_in_the_order_in_which_they_are_due() -> None:
    clock = ManualClock()
    woken: list[float] = []

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    async with asyncio.TaskGroup() as group:
        for seconds in (3, 1, 2, 10):
            group.create_task(sleep(seconds))
        await clock.until_sleeping(4)
        clock.advance(3)
        await clock.run(0)
        assert woken == [1, 2, 3]
        assert clock.sleeping == 1
        clock.advance(7)
    assert woken == [1, 2, 3, 10]


async def test_running_the_clock_wakes_who_sleeps_again() -> None:
    clock = ManualClock(start_ms=0)
    ticks: list[int] = []

    async def tick() -> None:
        while True:
            await clock.sleep(1)
            ticks.append(clock.now_ms())

    task = asyncio.create_task(tick())
    await clock.run(3.5)
    assert ticks == [1000, 2000, 3000]
    assert clock.now_ms() == 3500
    task.cancel()


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    clock = ManualClock()
    task = asyncio.create_task(clock.sleep(1))
    await clock.until_sleeping()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert clock.sleeping == 0
    clock.advance(1)
    await clock.sleep(0)
