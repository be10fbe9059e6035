"""Wait for what happens to a task."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from holdfast.errors import TaskNotFound
from holdfast.storage.memory import MemoryStore
from holdfast.tasks import NewTask, Tasks, TaskState
from holdfast.testing.clock import ManualClock

pytestmark = pytest.mark.anyio


async def test_a_watcher_sees_the_task_now_and_at_each_change_until_it_ends() -> None:
    clock = ManualClock()
    async with MemoryStore(clock=clock) as store, asyncio.timeout(5):
        tasks = Tasks(store, clock=clock)
        task = await tasks.create(NewTask(name="a"))
        seen: list[TaskState] = []
        looking = asyncio.Event()

        async def look() -> None:
            async for each in tasks.watch(task.id):
                seen.append(each.state)
                looking.set()

        watcher = asyncio.create_task(look())
        for change in (tasks.start, lambda each: tasks.block(each, "why"), tasks.cancel):
            await looking.wait()
            looking.clear()
            await change(task.id)
        await watcher
        assert seen == ["pending", "working", "input_required", "cancelled"]


async def test_a_watch_ends_when_the_task_expires_and_fails_when_it_is_not_there() -> None:
    clock = ManualClock()
    async with MemoryStore(clock=clock) as store, asyncio.timeout(5):
        tasks = Tasks(store, clock=clock)
        task = await tasks.create(NewTask(name="a", ttl_ms=1000))
        async with aclosing(tasks.watch(task.id)) as seen:
            assert (await anext(seen)).id == task.id
            clock.advance(1)
            await tasks.sweep()
            with pytest.raises(StopAsyncIteration):
                await anext(seen)
        with pytest.raises(TaskNotFound):
            await anext(tasks.watch(task.id))
