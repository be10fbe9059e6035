"""How long it takes to say what can be begun, among a million tasks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from benchmarks.ours.runtime import Request, answer
from holdfast.clock import SystemClock
from holdfast.ids import new_run_id
from holdfast.storage.fallback import write_all
from holdfast.storage.files import FilesStore
from holdfast.storage.seam import Store
from holdfast.tasks import Actor, Tasks
from holdfast.tasks.events import Created
from holdfast.tasks.requests import Binding
from holdfast.tasks.unit import Unit

TOP = 50
_BATCH = 200
_CALLS = 400
_WARM_UP = 50


async def measure(request: Request, folder: Path) -> Mapping[str, float]:
    """Return the median and the 99th percentile of a call, in milliseconds."""
    clock = SystemClock()
    async with FilesStore(folder, clock=clock, ack="memory") as store:
        await _fill(store, int(str(request["tasks"])))
    async with FilesStore(folder, clock=clock) as store:
        tasks = Tasks(store, clock=clock)
        took: list[float] = []
        for _ in range(_CALLS + _WARM_UP):
            begin = time.perf_counter()
            found = await tasks.ready(TOP)
            took.append((time.perf_counter() - begin) * 1000)
            assert len(found) == TOP
    took = sorted(took[_WARM_UP:])
    return {"p50_ms": median(took), "p99_ms": took[len(took) * 99 // 100]}


async def _fill(store: Store, count: int) -> None:
    """Make the tasks as `Tasks.create` does, many in a batch."""
    clock = SystemClock()
    for start in range(0, count, _BATCH):
        unit = Unit(store, Binding(actor=Actor(by="filler")), clock.now_ms())
        for number in range(start, min(start + _BATCH, count)):
            task_id = new_run_id()
            unit.make(task_id)
            unit.add(
                task_id,
                Created(
                    at=unit.now + number % 7,
                    id=task_id,
                    owner=unit.owner,
                    name=f"task {number}",
                    priority=number % 5,
                ),
            )
        assert await write_all(store, unit.operations()) is None


if __name__ == "__main__":
    answer(measure)
