"""Who works on a task: leases, heartbeats and the number that fences."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.errors import InputError, LeaseLost, TaskBusy, TaskConflict
from holdfast.storage.seam import Store
from holdfast.tasks import Actor, NewTask, RunDetails, Task, Tasks, TaskState
from holdfast.testing.clock import ManualClock

pytestmark = pytest.mark.anyio

RACERS = 64


async def gather(*waits: object) -> list[object]:
    async with asyncio.timeout(20):
        return await asyncio.gather(*waits, return_exceptions=True)  # type: ignore[call-overload]


def by(tasks: Tasks, name: str) -> Tasks:
    return tasks.acting(actor=Actor(by=name))


@pytest.mark.promise("task-claim-has-one-winner")
async def test_of_many_that_claim_one_task_one_gets_it(tasks: Tasks) -> None:
    for _ in range(5):
        task = await tasks.create(NewTask(name="work"))
        results = await gather(*(by(tasks, f"w{n}").claim(task.id) for n in range(RACERS)))
        winners = [each for each in results if isinstance(each, Task)]
        assert len(winners) == 1
        assert all(isinstance(each, TaskBusy) for each in results if each not in winners)
        assert (await tasks.get(task.id)).lease == winners[0].lease


@pytest.mark.promise("task-claim-has-one-winner")
async def test_of_many_that_claim_the_next_each_gets_a_task_of_its_own(tasks: Tasks) -> None:
    for number in range(40):
        await tasks.create(NewTask(name=f"n{number}"))
    results = await gather(*(by(tasks, f"w{n}").claim_next() for n in range(RACERS)))
    taken = [each.id for each in results if isinstance(each, Task)]
    assert len(taken) == len(set(taken)) == 40
    assert results.count(None) == RACERS - 40


async def test_the_next_is_the_most_urgent_and_of_these_the_oldest(
    tasks: Tasks, clock: ManualClock
) -> None:
    for name, priority in [("late", 4), ("first", 1), ("second", 1), ("normal", 2)]:
        await tasks.create(NewTask(name=name, priority=priority))
        clock.advance(1)
    names: list[str] = []
    while task := await tasks.claim_next():
        names.append(task.name)
    assert names == ["first", "second", "normal", "late"]


@pytest.mark.promise("task-late-writes-refused")
async def test_a_lease_ends_to_the_millisecond_and_the_old_number_is_refused(
    tasks: Tasks, clock: ManualClock
) -> None:
    task = await tasks.create(NewTask(name="work"))
    first = await by(tasks, "a").claim(task.id, lease_ms=1000)
    clock.advance(0.999)
    with pytest.raises(TaskBusy, match="held by 'a'"):
        await by(tasks, "b").claim(task.id)
    assert await by(tasks, "b").claim_next() is None
    clock.advance(0.001)
    second = await by(tasks, "b").claim_next(lease_ms=1000)
    assert second is not None
    assert (first.fence, second.fence) == (1, 2)
    late = by(tasks, "a")
    for attempt in (
        lambda: late.complete(task.id, "late", fence=first.fence),
        lambda: late.fail(task.id, "late", fence=first.fence),
        lambda: late.set_variables(task.id, {"x": 1}, fence=first.fence),
        lambda: late.progress(task.id, 1, fence=first.fence),
        lambda: late.renew(task.id, first.fence),
        lambda: late.release(task.id, first.fence),
        lambda: late.require_input(task.id, "q", "?", fence=first.fence),
        lambda: late.start(task.id, fence=first.fence),
    ):
        with pytest.raises(LeaseLost, match="claimed with the number 2 since; 1 is not valid"):
            await attempt()
    done = await by(tasks, "b").complete(task.id, "mine", fence=second.fence)
    assert done.result == "mine"
    with pytest.raises(LeaseLost):
        await late.complete(task.id, "late", fence=first.fence)


async def test_a_heartbeat_keeps_the_lease(tasks: Tasks, clock: ManualClock) -> None:
    task = await tasks.create(NewTask(name="work"))
    held = await by(tasks, "a").claim(task.id, lease_ms=1000)
    for _ in range(3):
        clock.advance(0.9)
        renewed = await by(tasks, "a").renew(task.id, held.fence, lease_ms=1000)
    assert renewed.lease is not None
    assert renewed.lease.until == clock.now_ms() + 1000
    assert renewed.fence == held.fence
    with pytest.raises(TaskBusy):
        await by(tasks, "b").claim(task.id)
    assert await by(tasks, "b").claim_next() is None


async def test_a_late_holder_may_go_on_while_nobody_took_over(
    tasks: Tasks, clock: ManualClock
) -> None:
    task = await tasks.create(NewTask(name="work"))
    held = await by(tasks, "a").claim(task.id, lease_ms=1000)
    clock.advance(60)
    assert (await by(tasks, "a").renew(task.id, held.fence)).fence == held.fence
    assert (await by(tasks, "a").complete(task.id, fence=held.fence)).has_ended


async def test_a_released_task_is_taken_over_at_once(tasks: Tasks) -> None:
    task = await tasks.create(NewTask(name="work"))
    held = await by(tasks, "a").claim(task.id)
    released = await by(tasks, "a").release(task.id, held.fence)
    assert (released.lease, released.state) == (None, TaskState.WORKING)
    with pytest.raises(LeaseLost, match="released"):
        await by(tasks, "a").complete(task.id, fence=held.fence)
    taken = await by(tasks, "b").claim_next()
    assert taken is not None
    assert (taken.id, taken.fence) == (task.id, 2)


async def test_without_a_number_only_the_holder_writes_what_only_it_may(tasks: Tasks) -> None:
    task = await tasks.create(NewTask(name="work"))
    await by(tasks, "a").claim(task.id)
    with pytest.raises(TaskBusy):
        await by(tasks, "b").complete(task.id)
    await by(tasks, "b").note(task.id, "anybody may write a note")
    await by(tasks, "b").set_variables(task.id, {"x": 1})
    assert (await by(tasks, "a").complete(task.id)).state is TaskState.COMPLETED


async def test_what_was_begun_by_hand_is_not_given_to_others(
    tasks: Tasks, clock: ManualClock
) -> None:
    task = await tasks.create(NewTask(name="work"))
    await tasks.start(task.id)
    clock.advance(3600)
    assert await by(tasks, "b").claim_next() is None


async def test_a_task_that_waits_for_an_answer_is_given_out_when_it_came(
    tasks: Tasks, clock: ManualClock, store: Store
) -> None:
    task = await tasks.create(NewTask(name="work"))
    held = await by(tasks, "a").claim(task.id, lease_ms=1000)
    await by(tasks, "a").require_input(task.id, "q", "?", fence=held.fence)
    clock.advance(5)
    assert await by(tasks, "b").claim_next() is None
    assert await store.scan(("task-free",)) == [], "nobody looks at what cannot be taken"
    await tasks.answer(task.id, "q", 1)
    taken = await by(tasks, "b").claim_next()
    assert taken is not None
    assert taken.fence == 2


async def test_time_under_a_dead_holder_does_not_count_as_worked(
    tasks: Tasks, clock: ManualClock
) -> None:
    task = await tasks.create(NewTask(name="work"))
    held = await by(tasks, "a").claim(task.id, lease_ms=1000)
    clock.advance(0.5)
    await by(tasks, "a").renew(task.id, held.fence, lease_ms=1000)
    clock.advance(3600)
    second = await by(tasks, "b").claim(task.id)
    clock.advance(0.25)
    done = await by(tasks, "b").complete(task.id, fence=second.fence)
    assert done.worked_ms == 750


async def test_a_number_that_nobody_has_and_a_lease_of_nothing_are_refused(tasks: Tasks) -> None:
    task = await tasks.create(NewTask(name="work"))
    with pytest.raises(LeaseLost, match="has the number 7"):
        await tasks.complete(task.id, fence=7)
    with pytest.raises(InputError, match="a lease of 0 ms"):
        await tasks.claim(task.id, lease_ms=0)
    with pytest.raises(InputError, match="more than 200 characters"):
        await tasks.claim(task.id, holder="h" * 201)


async def test_nobody_in_particular_gets_a_name_for_each_claim(store: Store) -> None:
    clock = ManualClock()
    tasks = Tasks(store, clock=clock)
    held = await tasks.claim((await tasks.create(NewTask(name="work"))).id)
    assert held.lease is not None
    assert held.lease.holder


async def test_runs_are_given_out_by_the_engine(tasks: Tasks) -> None:
    run = await tasks.create(NewTask(name="run", run=RunDetails(program="workflow")))
    assert run.kind == "run"
    assert await tasks.ready() == []
    assert await tasks.claim_next() is None
    with pytest.raises(TaskConflict, match="engine"):
        await tasks.claim(run.id)
