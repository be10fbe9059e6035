"""Many claim one task at the same moment: how often exactly one of them gets it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.ours.runtime import Request, answer
from holdfast.clock import SystemClock
from holdfast.errors import TaskBusy
from holdfast.storage.files import FilesStore
from holdfast.tasks import Actor, NewTask, Tasks

STORES = 4
"""So many stores are open on the one folder, as in so many processes."""


async def measure(request: Request, folder: Path) -> Mapping[str, float]:
    """Return how many rounds had no winner, or more than one."""
    rounds, racers = int(str(request["rounds"])), int(str(request["racers"]))
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        stores = [
            await stack.enter_async_context(FilesStore(folder, clock=clock, ack="os"))
            for _ in range(STORES)
        ]
        runners = [
            Tasks(stores[number % STORES], clock=clock, actor=Actor(by=f"racer-{number}"))
            for number in range(racers)
        ]
        faults = 0
        for number in range(rounds):
            task = await runners[0].create(NewTask(name=f"round {number}"))
            won = await asyncio.gather(*(_claim(runner, task.id) for runner in runners))
            faults += not await _is_right(runners, task.id, won)
    return {"faults": faults}


async def _claim(runner: Tasks, task_id: str) -> str:
    """Return the name of the racer if it got the task."""
    try:
        task = await runner.claim(task_id)
    except TaskBusy:
        return ""
    return task.lease.holder if task.lease else ""


async def _is_right(runners: Sequence[Tasks], task_id: str, won: Sequence[str]) -> bool:
    winners = [name for name in won if name]
    task = await runners[-1].get(task_id)
    return task.lease is not None and winners == [task.lease.holder] and task.fence == 1


if __name__ == "__main__":
    answer(measure)
