"""What a runtime does besides running workflows."""

from __future__ import annotations

from pathlib import Path

import anyio

from holdfast import load_settings, open_runtime
from holdfast.tasks import NewTask, Tasks
from holdfast.testing.clock import ManualClock


async def test_a_runtime_removes_what_expired_tasks_left_behind(tmp_path: Path) -> None:
    clock = ManualClock()
    settings = load_settings(tmp_path, environ={}, store=f"files:{tmp_path / 'store'}")
    async with open_runtime(settings, clock=clock) as runtime:
        await Tasks(runtime.store, clock=clock).create(NewTask(name="short", ttl_ms=1000))
        await Tasks(runtime.store, clock=clock).create(NewTask(name="long"))
        assert await runtime.store.scan(("task-expiry",)) != []
        clock.advance(2)
        with anyio.fail_after(5):
            while await runtime.store.scan(("task-expiry",)):
                await clock.run(60)  # until the next sweep
        assert [each.name for each in (await Tasks(runtime.store, clock=clock).list()).tasks] == [
            "long"
        ]
