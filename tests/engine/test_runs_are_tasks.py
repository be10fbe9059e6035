"""A run of the engine is a task: one record, one table of states, one log."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.engine.events import Redefined, StepFinished, StepStarted, TimerSet
from holdfast.engine.history import History
from holdfast.engine.records import linked
from holdfast.engine.seam import Inputs, RunContext
from holdfast.errors import QuotaExceeded, RunConflict, RunNotFound, TaskBusy, TaskConflict
from holdfast.storage.memory import MemoryStore
from holdfast.tasks import Actor, Filter, Limits, NewTask, Tasks
from holdfast.tasks.events import Claimed, Created, Event, InputRequested, Released, encode_event
from holdfast.tasks.fold import broken_links, replay
from holdfast.tasks.keys import task_log
from holdfast.tasks.state import TaskState
from holdfast.testing.clock import ManualClock
from tests.engine.support import Gate, ask, engine_on

CLOCK = ManualClock()


def tasks_on(store: MemoryStore, limits: Limits | None = None) -> Tasks:
    return Tasks(store, clock=CLOCK, actor=Actor(by="ann", via="test"), limits=limits)


async def steps(context: RunContext, inputs: Inputs) -> object:
    async def work() -> int:
        return 1

    return [await context.step("work", work) for _ in range(5)]


async def test_a_run_is_listed_and_read_as_a_task(store: MemoryStore) -> None:
    async with engine_on(store, {"steps": steps}) as engine:
        run_id = await engine.start("steps", {"a": 1}, name="five")
        history = await engine.settle(run_id)
    tasks = tasks_on(store)
    task = await tasks.get(run_id)
    assert task == history.task
    assert (task.kind, task.name, task.state) == ("run", "five", TaskState.COMPLETED)
    assert task.run is not None
    assert (task.run.steps, task.run.inputs) == (5, {"a": 1})
    await tasks.create(NewTask(name="another"))
    listed = (await tasks.list(Filter(kind="run"))).tasks
    assert [each.id for each in listed] == [run_id]


async def test_the_log_of_a_run_is_a_chain_that_replays_to_its_record(store: MemoryStore) -> None:
    async with engine_on(store, {"steps": steps, "ask": ask}) as engine:
        ids = [await engine.start("steps", {}), await engine.start("ask", {})]
        for run_id in ids:
            await engine.settle(run_id)
        await engine.answer(ids[1], "name", "Ada")
        await engine.resume(ids[1])
        await engine.settle(ids[1])
    tasks = tasks_on(store)
    for run_id in ids:
        entries = [entry.value for entry in await store.read(task_log(run_id))]
        assert broken_links(run_id, entries) == []
        assert replay(run_id, entries).task == await tasks.get(run_id)
    assert (await tasks.repair(dry_run=True)).is_clean


async def test_a_run_that_an_engine_holds_cannot_be_ended_by_others(store: MemoryStore) -> None:
    gate = Gate()
    async with engine_on(store, {"p": gate.program}) as engine:
        run_id = await engine.start("p", {})
        await gate.begun.wait()
        with pytest.raises(TaskBusy):
            await tasks_on(store).complete(run_id, "done")
        gate.let_go.set()
        assert (await engine.settle(run_id)).result == "through"


async def test_a_run_that_waits_is_not_ended_by_hand(store: MemoryStore) -> None:
    async with engine_on(store, {"ask": ask}) as engine:
        run_id = await engine.start("ask", {})
        await engine.settle(run_id)
        for verb in (tasks_on(store).complete, tasks_on(store).start):
            with pytest.raises(TaskConflict, match="its program works on it"):
                await verb(run_id)
        await tasks_on(store).cancel(run_id)
        history = await engine.history(run_id)
    assert history.state is TaskState.CANCELLED
    assert history.open_requests == {}


async def test_variables_of_a_run_may_be_changed_while_it_runs(store: MemoryStore) -> None:
    gate = Gate()
    async with engine_on(store, {"p": gate.program}) as engine:
        run_id = await engine.start("p", {})
        await gate.begun.wait()
        await tasks_on(store).set_variables(run_id, {"hint": "faster"})
        await tasks_on(store).note(run_id, "watch this")
        gate.let_go.set()
        history = await engine.settle(run_id)
    assert history.result == "through"
    assert history.task.variables["hint"].value == "faster"
    assert history.task.notes == 1


async def test_a_run_that_was_called_off_as_a_task_stops(store: MemoryStore) -> None:
    gate = Gate()

    async def program(context: RunContext, inputs: Inputs) -> object:
        await context.step("first", gate.step)
        return await context.step("second", gate.step)

    async with engine_on(store, {"p": program}) as engine:
        run_id = await engine.start("p", {})
        await gate.begun.wait()
        await tasks_on(store).cancel(run_id, reason="not needed")
        gate.let_go.set()
        history = await engine.settle(run_id)
    assert history.state is TaskState.CANCELLED
    assert gate.runs == 1
    with pytest.raises(RunConflict):
        history.place()


async def test_runs_count_towards_the_quota_of_their_owner(store: MemoryStore) -> None:
    limits = Limits(live=2)
    async with engine_on(store, {"ask": ask}, limits=limits) as engine:
        await tasks_on(store, limits).create(NewTask(name="one"))
        run_id = await engine.start("ask", {})
        await engine.settle(run_id)
        with pytest.raises(QuotaExceeded):
            await engine.start("ask", {})
        await engine.cancel(run_id)
        assert await engine.start("ask", {})


async def test_a_task_is_no_run(store: MemoryStore) -> None:
    task = await tasks_on(store).create(NewTask(name="by hand"))
    async with engine_on(store, {"ask": ask}) as engine:
        with pytest.raises(RunNotFound, match="is a task and not a run"):
            await engine.history(await engine.find(task.id[:12]))
        assert await engine.list_runs(limit=5) == []
        assert await engine.orphans() == []


at = st.integers(0, 50)
quiet = st.one_of(
    st.builds(
        StepFinished,
        at=at,
        path=st.sampled_from("ab"),
        visit=st.integers(1, 1000),
        took=st.integers(0, 9),
        meta=st.sampled_from([{}, {"cost_msat": 3}, {"cost_msat": None}]),
    ),
    st.builds(StepStarted, at=at, path=st.just("c"), visit=st.integers(1, 9)),
    st.builds(TimerSet, at=at, path=st.just("d"), visit=st.integers(1, 9), until=at),
)
others = st.one_of(
    st.builds(Redefined, at=at, definition=st.sampled_from(["x", "y"])),
    st.builds(Released, at=at),
    st.builds(InputRequested, at=at, key=st.uuids().map(str), prompt=st.just("?")),
)


@given(st.lists(st.one_of(quiet, others), max_size=40))
def test_what_is_counted_adds_up_to_what_is_folded_one_by_one(events: Sequence[Event]) -> None:
    created = Created(at=0, id="r", owner="local", name="n", run={"program": "p"})
    whole = [created, Claimed(at=1, holder="h", fence=1), *events]
    entries = linked([encode_event(event, "") for event in whole], History("r").prev)
    history, fresh = History("r"), History("r")
    history.replay(entries)
    for event, data in zip(whole, entries, strict=True):
        fresh.take(event, data)
    assert history.snapshot == fresh.snapshot == replay("r", entries)
