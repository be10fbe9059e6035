"""Who may work on a run, and what happens when a process dies."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from holdfast.engine.holders import Holder
from holdfast.engine.seam import Progress
from holdfast.errors import (
    LeaseLost,
    RunBusy,
    RunConflict,
)
from holdfast.storage.liveness import LockFiles, NoLiveness
from holdfast.storage.memory import MemoryStore
from holdfast.tasks.state import TaskState
from holdfast.testing.clock import ManualClock
from holdfast.testing.stores import FaultyStore
from tests.engine.support import DeadToTheWorld, Gate, YieldingStore, ask, engine_on, kill


@pytest.mark.promise("one-worker")
async def test_a_second_process_cannot_take_a_run_whose_lease_is_alive(store: MemoryStore) -> None:
    gate = Gate()
    async with engine_on(store, {"p": gate.program}) as first:
        run_id = await first.start("p", {})
        await gate.begun.wait()
        async with engine_on(store, {"p": gate.program}) as second:
            with pytest.raises(RunBusy):
                await second.resume(run_id)
            assert await second.orphans() == []
            assert await second.recover() == []
        gate.let_go.set()
        assert (await first.settle(run_id)).result == "through"


@pytest.mark.promise("fenced", "terminal-never-changes")
async def test_a_process_that_lost_its_lease_cannot_write(store: MemoryStore) -> None:
    stalled, quick = Gate(), Gate()
    async with engine_on(store, {"p": stalled.program}) as first:
        run_id = await first.start("p", {})
        await stalled.begun.wait()
        quick.let_go.set()
        async with engine_on(store, {"p": quick.program}, liveness=DeadToTheWorld()) as second:
            assert await second.recover() == [run_id]
            ended = await second.settle(run_id)
        stalled.let_go.set()  # back from the dead
        with pytest.raises(LeaseLost):
            await first.settle(run_id)
        after = await first.history(run_id)
    assert ended.state is TaskState.COMPLETED
    assert after.tail == ended.tail
    assert after.fence == 2


@pytest.mark.promise("expired-taken-over")
async def test_a_run_is_taken_over_when_the_lease_has_expired() -> None:
    clock = ManualClock()
    async with MemoryStore(clock=clock) as store:
        gate = Gate()
        first = engine_on(store, {"p": gate.program}, clock=clock)
        run_id = await first.start("p", {})
        await gate.begun.wait()
        kill(first)  # as a kill would
        second = engine_on(store, {"p": gate.program}, clock=clock)
        clock.advance(14.999)
        with pytest.raises(RunBusy):
            await second.resume(run_id)
        clock.advance(0.001)
        gate.let_go.set()
        await second.resume(run_id)
        assert (await second.settle(run_id)).result == "through"
        kill(second)


@pytest.mark.promise("dead-noticed")
def test_lock_files_tell_the_dead_from_the_living(tmp_path: Path) -> None:
    living, looking = LockFiles(tmp_path), LockFiles(tmp_path)
    living.announce("a")
    assert not looking.is_dead("a")
    living._own.release()  # as the operating system does when a process ends

    assert looking.is_dead("a")
    assert not looking.is_dead("never-heard-of")


@pytest.mark.promise("one-winner")
async def test_of_many_that_take_a_run_over_one_wins(store: MemoryStore) -> None:
    async with engine_on(store, {"ask": ask}) as engine:
        run_id = await engine.start("ask", {})
        await engine.settle(run_id)
        await engine.answer(run_id, "name", "Ada")
    racers = [engine_on(YieldingStore(store), {"ask": ask}) for _ in range(16)]
    outcomes = await asyncio.gather(
        *(racer.resume(run_id) for racer in racers), return_exceptions=True
    )
    for racer in racers:
        await racer.__aexit__(None, None, None)
    assert sum(outcome is None for outcome in outcomes) == 1
    assert {type(outcome) for outcome in outcomes if outcome} <= {RunBusy, RunConflict}


async def test_closing_lets_go_of_runs_so_that_others_can_go_on_at_once(
    store: MemoryStore,
) -> None:
    gate = Gate()
    async with engine_on(store, {"p": gate.program}) as first:
        run_id = await first.start("p", {})
        await gate.begun.wait()
    gate.let_go.set()
    async with engine_on(store, {"p": gate.program}) as second:
        assert await second.recover() == [run_id]
        assert (await second.settle(run_id)).result == "through"


async def test_an_adopting_engine_takes_over_without_being_told(store: MemoryStore) -> None:
    gate = Gate()
    first = engine_on(store, {"p": gate.program})
    run_id = await first.start("p", {})
    await gate.begun.wait()
    kill(first)
    gate.let_go.set()
    taken_over = asyncio.Event()

    def watch(progress: Progress) -> None:
        if progress.kind == "step_finished":
            taken_over.set()

    adopting = engine_on(
        store, {"p": gate.program}, liveness=DeadToTheWorld(), observer=watch, adopt=True
    )
    async with adopting, asyncio.timeout(5):
        await taken_over.wait()
        assert (await adopting.settle(run_id)).result == "through"
    assert gate.runs == 2


async def test_a_holder_is_alive_until_its_lease_ends() -> None:
    clock = ManualClock()
    async with MemoryStore(clock=clock) as store:
        holder, other = (
            Holder(store, clock=clock, liveness=NoLiveness(), lease_seconds=9) for _ in range(2)
        )
        await holder.renew()
        clock.advance(8.999)
        assert await other.is_alive(holder.id)
        await holder.renew()
        clock.advance(8.999)
        assert await other.is_alive(holder.id)
        clock.advance(0.001)
        assert not await other.is_alive(holder.id)


async def test_a_lease_is_written_again_only_when_a_third_of_it_has_passed() -> None:
    clock = ManualClock()
    async with MemoryStore(clock=clock) as inner:
        store = FaultyStore(inner, {})
        holder = Holder(store, clock=clock, liveness=NoLiveness(), lease_seconds=9)
        for seconds, writes in ((0, 1), (2.999, 1), (0.001, 2), (0, 2)):
            clock.advance(seconds)
            await holder.renew()
            assert store.calls["put"] == writes


async def test_a_run_that_waits_for_an_answer_is_no_orphan(store: MemoryStore) -> None:
    async with engine_on(store, {"ask": ask}) as engine:
        run_id = await engine.start("ask", {})
        await engine.settle(run_id)
        assert await engine.orphans() == []
        await engine.answer(run_id, "name", "Ada")
        assert await engine.orphans() == [run_id]


async def test_news_are_told_once() -> None:
    clock = ManualClock()
    async with MemoryStore(clock=clock) as store:
        holder = Holder(store, clock=clock, liveness=NoLiveness(), lease_seconds=9)
        for _ in range(2):
            await holder.poke(holder.id, "a")
        assert await holder.news() == ["a"]
        assert await holder.news() == []
