"""Tasks that wait for one another."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from holdfast.errors import DependencyCycle, TaskConflict, TaskNotFound
from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import Append, Conflict, Operation, Put, Store
from holdfast.tasks import Filter, NewTask, Relation, Tasks, TaskState, ending
from holdfast.testing.clock import ManualClock
from holdfast.testing.stores import Crashed, CrashingStore

pytestmark = pytest.mark.anyio


async def make(tasks: Tasks, name: str, *blocked_by: str) -> str:
    return (await tasks.create(NewTask(name=name, blocked_by=blocked_by))).id


async def ready(tasks: Tasks) -> list[str]:
    return [each.name for each in await tasks.ready()]


async def finish(tasks: Tasks, task_id: str) -> None:
    await tasks.complete(task_id, begin=True)


async def test_a_task_is_ready_when_all_that_it_waits_for_has_ended(tasks: Tasks) -> None:
    a, b = await make(tasks, "a"), await make(tasks, "b")
    c = await make(tasks, "c", a, b)
    assert sorted(await ready(tasks)) == ["a", "b"]
    assert (await tasks.get(c)).blockers == 2
    with pytest.raises(TaskConflict, match=f"blocked by {a}, {b}"):
        await tasks.start(c)
    with pytest.raises(TaskConflict, match="blocked by"):
        await tasks.claim(c)
    await finish(tasks, a)
    assert await ready(tasks) == ["b"]
    await tasks.cancel(b)
    assert await ready(tasks) == ["c"]
    assert [each.ended for each in (await tasks.get(c)).dependencies] == ["completed", "cancelled"]


async def test_a_blocker_that_failed_goes_on_blocking_and_is_shown(tasks: Tasks) -> None:
    a = await make(tasks, "a")
    b = await make(tasks, "b", a)
    await tasks.fail(a, "no")
    assert await ready(tasks) == []
    task = await tasks.get(b)
    assert (task.blockers, task.failed_blockers) == (1, 1)
    [shown] = (await tasks.list(Filter(standing="blocked_by_failed"))).tasks
    assert shown.id == b
    with pytest.raises(TaskConflict, match="failed ones block until"):
        await tasks.start(b)
    await tasks.undepend(b, a)
    assert await ready(tasks) == ["b"]


async def test_depending_on_what_has_ended_blocks_nothing(tasks: Tasks) -> None:
    a, b = await make(tasks, "a"), await make(tasks, "b")
    await finish(tasks, a)
    await tasks.depend(b, a)
    assert await ready(tasks) == ["b"]
    c = await make(tasks, "c", a)
    assert (await tasks.get(c)).blockers == 0


async def test_a_circle_is_refused_and_its_way_is_named(tasks: Tasks) -> None:
    a = await make(tasks, "a")
    b = await make(tasks, "b", a)
    c = await make(tasks, "c", b)
    with pytest.raises(DependencyCycle) as caught:
        await tasks.depend(a, c)
    assert caught.value.path == [a, c, b, a]
    way = " is blocked by ".join(each[:8] for each in (a, c, b, a))
    assert way in caught.value.message
    assert await ready(tasks) == ["a"]
    with pytest.raises(TaskConflict, match="on itself"):
        await tasks.depend(a, a)


async def test_a_circle_of_parents_is_refused_and_mixed_ones_are_not_circles(tasks: Tasks) -> None:
    epic, part = await make(tasks, "epic"), await make(tasks, "part")
    await tasks.depend(part, epic, Relation.PARENT)
    assert await tasks.children(epic) == [part]
    with pytest.raises(DependencyCycle, match="is a part of"):
        await tasks.depend(epic, part, Relation.PARENT)
    assert (await tasks.depend(epic, part)).blockers == 1
    other = await make(tasks, "other")
    assert (await tasks.depend(part, other, Relation.PARENT)).parent == other
    assert await tasks.children(epic) == []


async def test_relations_that_order_nothing_may_go_round(tasks: Tasks) -> None:
    a, b = await make(tasks, "a"), await make(tasks, "b")
    await tasks.depend(a, b, Relation.RELATES)
    await tasks.depend(b, a, Relation.RELATES)
    await tasks.depend(b, a, Relation.DISCOVERED_FROM)
    assert set(await tasks.dependents(a)) == {
        (Relation.RELATES, b),
        (Relation.DISCOVERED_FROM, b),
    }
    assert sorted(await ready(tasks)) == ["a", "b"]


@pytest.mark.parametrize("rounds", range(5))
async def test_two_that_close_a_circle_at_once_cannot_both(tasks: Tasks, rounds: int) -> None:
    """Neither of the two new dependencies touches what the other one reads."""
    a, b, c, d = [await make(tasks, name) for name in "abcd"]
    await tasks.depend(b, c)
    await tasks.depend(d, a)
    results = await asyncio.gather(tasks.depend(a, b), tasks.depend(c, d), return_exceptions=True)
    assert sum(isinstance(each, DependencyCycle) for each in results) == 1


async def test_a_dependency_on_what_ends_at_the_same_time_does_not_block(tasks: Tasks) -> None:
    for _ in range(10):
        a, b = await make(tasks, "a"), await make(tasks, "b")
        await tasks.start(a)
        await asyncio.gather(tasks.depend(b, a), tasks.complete(a))
        assert (await tasks.get(b)).blockers == 0


async def test_a_task_that_has_begun_takes_no_blocker(tasks: Tasks) -> None:
    a, b = await make(tasks, "a"), await make(tasks, "b")
    await tasks.start(b)
    with pytest.raises(TaskConflict, match="has begun"):
        await tasks.depend(b, a)


async def test_a_dependency_must_be_there(tasks: Tasks) -> None:
    a = await make(tasks, "a")
    with pytest.raises(TaskNotFound):
        await tasks.depend(a, "0" * 32)
    with pytest.raises(TaskNotFound):
        await make(tasks, "b", "0" * 32)
    with pytest.raises(TaskConflict, match="has no blocks"):
        await tasks.undepend(a, "0" * 32)
    b = await make(tasks, "b", a)
    with pytest.raises(TaskConflict, match="already"):
        await tasks.depend(b, a)


@pytest.mark.promise("task-release-is-atomic")
@pytest.mark.parametrize("torn", [False, True])
async def test_a_crash_while_a_task_ends_releases_all_or_none(torn: bool) -> None:
    clock = ManualClock()
    for after in range(3):
        async with MemoryStore(clock=clock) as inner:
            calm = Tasks(inner, clock=clock)
            a = await make(calm, "a")
            waiting = [await make(calm, f"b{number}", a) for number in range(5)]
            await calm.start(a)
            crashing = CrashingStore(inner, after=after, torn=torn)
            with contextlib.suppress(Crashed):
                await Tasks(crashing, clock=clock).complete(a)
            ended = (await calm.get(a)).state is TaskState.COMPLETED
            blockers = {(await calm.get(each)).blockers for each in waiting}
            assert blockers == ({0} if ended else {1})
            assert len(await calm.ready()) == (5 if ended else 0)
            assert (await calm.repair(dry_run=True)).is_clean


class SmallBatches(MemoryStore):
    """A store that takes few operations at once, as DynamoDB does."""

    max_operations = 60

    async def batch(self, operations: list[Operation]) -> Conflict | None:  # type: ignore[override]
        assert len(operations) <= self.max_operations
        return await super().batch(operations)


async def test_more_that_wait_than_a_batch_takes_are_all_released() -> None:
    clock = ManualClock()
    async with SmallBatches(clock=clock) as store:
        tasks = Tasks(store, clock=clock)
        a = await make(tasks, "a")
        for number in range(30):
            await make(tasks, f"b{number}", a)
        await finish(tasks, a)
        assert len(await tasks.ready()) == 30


async def test_the_release_of_many_goes_in_one_batch() -> None:
    clock = ManualClock()
    batches: list[int] = []

    class Counting(MemoryStore):
        async def batch(self, operations: list[Operation]) -> Conflict | None:  # type: ignore[override]
            logs = [each for each in operations if isinstance(each, Append)]
            puts = [each for each in operations if isinstance(each, Put)]
            batches.append(len(logs) - 1)
            assert puts
            return await super().batch(operations)

    async with Counting(clock=clock) as store:
        tasks = Tasks(store, clock=clock)
        a = await make(tasks, "a")
        for number in range(20):
            await make(tasks, f"b{number}", a)
        batches.clear()
        await finish(tasks, a)
        assert batches == [21]
        assert ending.RELEASED_AT_ONCE > 21


async def test_the_graph_of_an_owner_is_its_own(store: Store, tasks: Tasks) -> None:
    a = await make(tasks, "a")
    eve = tasks.acting(owner="eve")
    b = (await eve.create(NewTask(name="b"))).id
    with pytest.raises(TaskNotFound):
        await tasks.depend(a, b)
    with pytest.raises(TaskNotFound):
        await eve.depend(b, a)
