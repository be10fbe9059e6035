"""How much an owner may have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from holdfast.errors import InputError, QuotaExceeded, UsageError
from holdfast.storage.files import FilesStore
from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import Store
from holdfast.tasks import Limits, NewTask, Task, Tasks
from holdfast.testing.clock import ManualClock
from holdfast.testing.stores import UnbatchedStore

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "files"])
async def store(
    request: pytest.FixtureRequest, clock: ManualClock, tmp_path: Path
) -> AsyncGenerator[Store]:
    memory = request.param == "memory"
    opened = MemoryStore(clock=clock) if memory else FilesStore(tmp_path, clock=clock, ack="os")
    async with opened as store:
        yield store


async def test_a_store_that_cannot_batch_keeps_no_limits(clock: ManualClock) -> None:
    async with MemoryStore(clock=clock) as inner:
        with pytest.raises(UsageError, match="cannot write a task and the count"):
            await make(limited(UnbatchedStore(inner), clock, live=9))
        await make(limited(UnbatchedStore(inner), clock, max_ttl_ms=9))


def limited(store: Store, clock: ManualClock, **limits: int) -> Tasks:
    return Tasks(store, clock=clock, limits=Limits(**limits))


async def make(tasks: Tasks, ttl_ms: int | None = None, **variables: object) -> Task:
    return await tasks.create(NewTask(name="x", ttl_ms=ttl_ms, variables=variables))


@pytest.mark.promise("quota-never-exceeded")
async def test_many_that_create_at_once_never_exceed_the_quota_by_one(
    store: Store, clock: ManualClock
) -> None:
    several = [limited(store, clock, live=10) for _ in range(4)]
    async with asyncio.timeout(60):
        results = await asyncio.gather(
            *(make(several[n % 4]) for n in range(64)), return_exceptions=True
        )
    assert sum(isinstance(each, Task) for each in results) == 10
    assert sum(isinstance(each, QuotaExceeded) for each in results) == 54
    assert len((await several[0].list(limit=100)).tasks) == 10


async def test_what_has_ended_does_not_count(store: Store, clock: ManualClock) -> None:
    tasks = limited(store, clock, live=2)
    ends = [
        lambda task: tasks.complete(task.id, begin=True),
        lambda task: tasks.fail(task.id, "no"),
        lambda task: tasks.cancel(task.id),
    ]
    for end in ends * 2:
        first, second = await make(tasks), await make(tasks)
        with pytest.raises(QuotaExceeded, match="has 2 tasks that have not ended; 2 are allowed"):
            await make(tasks)
        await end(first)
        await tasks.cancel((await make(tasks)).id)
        await end(second)


async def test_a_task_that_expires_gives_its_place_back_to_the_millisecond(
    store: Store, clock: ManualClock
) -> None:
    tasks = limited(store, clock, live=1)
    await make(tasks, ttl_ms=1000)
    clock.advance(0.999)
    with pytest.raises(QuotaExceeded):
        await make(tasks)
    clock.advance(0.001)
    await make(tasks)
    with pytest.raises(QuotaExceeded):
        await make(tasks)


async def test_sweeping_gives_no_place_back_twice(store: Store, clock: ManualClock) -> None:
    tasks = limited(store, clock, live=2)
    await make(tasks, ttl_ms=1000)
    await make(tasks)
    clock.advance(1)
    await make(tasks)
    await tasks.sweep()
    with pytest.raises(QuotaExceeded):
        await make(tasks)


async def test_bytes_are_counted_as_they_grow_and_shrink(store: Store, clock: ManualClock) -> None:
    tasks = limited(store, clock, bytes=8 * 1024)
    task = await make(tasks, a="x" * 3000)
    other = await make(tasks)
    with pytest.raises(QuotaExceeded, match="would take 9216 bytes; 8192 are allowed"):
        await tasks.set_variables(task.id, {"a": "x" * 7500})
    with pytest.raises(QuotaExceeded):
        await make(tasks, a="x" * 4000)
    await tasks.set_variables(task.id, {"a": "small"})
    await tasks.set_variables(other.id, {"a": "x" * 6000})
    await tasks.complete(other.id, begin=True)
    await make(tasks, a="x" * 6000)


async def test_creations_are_counted_in_a_window(store: Store, clock: ManualClock) -> None:
    tasks = limited(store, clock, per_minute=3)
    for _ in range(3):
        await tasks.cancel((await make(tasks)).id)
        clock.advance(10)
    with pytest.raises(QuotaExceeded, match="3 tasks within a minute") as caught:
        await make(tasks)
    assert caught.value.retry_after == 30
    clock.advance(30)
    await make(tasks)


async def test_limits_that_come_late_count_what_is_there(store: Store, clock: ManualClock) -> None:
    free = Tasks(store, clock=clock)
    for _ in range(3):
        await make(free)
    tasks = limited(store, clock, live=4)
    task = await make(tasks)
    with pytest.raises(QuotaExceeded):
        await make(tasks)
    await free.cancel(task.id)
    await make(tasks)


async def test_a_repeated_request_counts_once(store: Store, clock: ManualClock) -> None:
    tasks = limited(store, clock, live=1)
    for _ in range(3):
        await tasks.create(NewTask(name="x", key="k"))


async def test_a_time_to_live_has_a_default_and_a_maximum(store: Store, clock: ManualClock) -> None:
    tasks = limited(store, clock, default_ttl_ms=5000, max_ttl_ms=10_000)
    assert (await make(tasks)).expires_at == clock.now_ms() + 5000
    assert (await make(tasks, ttl_ms=10_000)).ttl_ms == 10_000
    with pytest.raises(InputError, match="above the maximum of 10000 ms"):
        await make(tasks, ttl_ms=10_001)
    assert (await make(limited(store, clock, max_ttl_ms=7))).ttl_ms == 7
