"""Tasks with a time-to-live, and what is swept up behind them."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.errors import StorageUnavailable, TaskNotFound
from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import Store
from holdfast.tasks import Actor, NewTask, Tasks, TaskState
from holdfast.tasks.sweeping import keep_sweeping
from holdfast.testing.clock import ManualClock
from holdfast.testing.stores import FaultyStore

pytestmark = pytest.mark.anyio

PREFIXES = (
    "task", "task-by-time", "task-ready", "task-open", "task-free", "task-session", "task-child",
    "task-dependent", "task-expiry", "task-key",
)  # fmt: skip


async def left(store: Store) -> list[tuple[str, ...]]:
    return [record.key for prefix in PREFIXES for record in await store.scan((prefix,))]


async def test_an_expired_task_is_absent_everywhere_from_its_millisecond_on(
    tasks: Tasks, clock: ManualClock, store: Store
) -> None:
    task = await tasks.create(NewTask(name="x", ttl_ms=1000, session="s", key="k"))
    await tasks.claim(task.id, lease_ms=100)
    clock.advance(0.999)
    assert (await tasks.get(task.id)).expires_at == task.created_at + 1000
    clock.advance(0.001)
    for verb in (
        lambda: tasks.get(task.id),
        lambda: tasks.find(task.id),
        lambda: tasks.find(task.id[:8]),
        lambda: tasks.history(task.id),
        lambda: tasks.complete(task.id),
        lambda: tasks.note(task.id, "x"),
        lambda: tasks.depend(task.id, task.id),
    ):
        with pytest.raises(TaskNotFound):
            await verb()
    assert (await tasks.list()).tasks == []
    assert await tasks.ready() == []
    assert await tasks.claim_next() is None
    assert (await tasks.stats()).total == 0
    again = await tasks.create(NewTask(name="x", ttl_ms=1000, session="s", key="k"))
    assert again.id != task.id, "the key of a request lives as long as what it made"


async def test_a_time_to_live_counts_from_the_creation_also_when_ended(
    tasks: Tasks, clock: ManualClock
) -> None:
    task = await tasks.create(NewTask(name="x", ttl_ms=1000))
    clock.advance(0.5)
    await tasks.complete(task.id, begin=True)
    clock.advance(0.499)
    assert (await tasks.get(task.id)).state is TaskState.COMPLETED
    clock.advance(0.001)
    with pytest.raises(TaskNotFound):
        await tasks.get(task.id)


async def test_the_sweeper_removes_the_rest_and_releases_who_waited(
    tasks: Tasks, clock: ManualClock, store: Store
) -> None:
    blocker = await tasks.create(NewTask(name="x", ttl_ms=1000, session="s"))
    waiting = await tasks.create(NewTask(name="y", blocked_by=[blocker.id]))
    clock.advance(1)
    assert await tasks.ready() == []
    swept = await tasks.acting(owner="another").sweep()
    assert (swept.removed, swept.released, swept.more) == (1, 1, False)
    assert [each.id for each in await tasks.ready()] == [waiting.id]
    assert (await tasks.get(waiting.id)).dependencies[0].ended == "expired"
    assert not [
        key
        for key in await left(store)
        if blocker.id in (key[-1], key[-2]) and key[0] != "task-dependent"
    ]
    assert (await tasks.sweep()).removed == 0


async def test_the_sweeper_works_in_small_batches(
    tasks: Tasks, clock: ManualClock, store: Store
) -> None:
    for _ in range(25):
        await tasks.create(NewTask(name="x", ttl_ms=1000))
    keeps = await tasks.create(NewTask(name="y", ttl_ms=5000))
    clock.advance(1)
    removed: list[int] = []
    while True:
        swept = await tasks.sweep(limit=10)
        removed.append(swept.removed)
        if not swept.more:
            break
    assert removed == [10, 10, 5]
    assert {key[-1] for key in await left(store)} == {keeps.id}


async def test_an_expired_lease_and_an_expired_task_are_two_things(
    tasks: Tasks, clock: ManualClock
) -> None:
    task = await tasks.create(NewTask(name="x", ttl_ms=1000))
    await tasks.claim(task.id, lease_ms=5000)
    clock.advance(1)
    assert await tasks.acting(actor=Actor(by="b")).claim_next() is None


async def test_a_process_that_lives_long_sweeps_in_the_background(
    tasks: Tasks, clock: ManualClock, store: Store
) -> None:
    for _ in range(250):
        await tasks.create(NewTask(name="x", ttl_ms=1000))
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        sweeper = group.create_task(keep_sweeping(store, clock, every=60))
        await clock.until_sleeping()
        clock.advance(60)
        await clock.until_sleeping()
        assert await left(store) == []
        sweeper.cancel()


async def test_a_sweep_that_fails_is_logged_and_tried_again(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with MemoryStore(clock=clock) as inner, asyncio.timeout(10), asyncio.TaskGroup() as group:
        await Tasks(inner, clock=clock).create(NewTask(name="x", ttl_ms=1))
        clock.advance(1)
        store = FaultyStore(inner, {("scan", 1): StorageUnavailable("the disk is away")})
        sweeper = group.create_task(keep_sweeping(store, clock, every=60))
        await clock.until_sleeping()
        assert "the disk is away" in caplog.text
        clock.advance(60)
        await clock.until_sleeping()
        assert await left(inner) == []
        sweeper.cancel()
