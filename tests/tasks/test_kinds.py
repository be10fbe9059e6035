"""Whoever reads the log of a run understands the events of the engine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from holdfast.engine.seam import Inputs, RunContext
from holdfast.storage.files import FilesStore
from holdfast.testing.clock import ManualClock
from tests.engine.support import engine_on, kill

LOOK = """
import asyncio, sys
from pathlib import Path
from holdfast.clock import SystemClock
from holdfast.storage.files import FilesStore
from holdfast.tasks import Tasks

assert "holdfast.engine" not in sys.modules

async def look():
    async with FilesStore(Path(sys.argv[1]), clock=SystemClock()) as store:
        print((await Tasks(store, clock=SystemClock()).get(sys.argv[2])).run.steps)

asyncio.run(look())
"""


async def test_a_run_whose_process_died_is_read_without_the_engine(tmp_path: Path) -> None:
    clock = ManualClock()

    async def program(context: RunContext, inputs: Inputs) -> object:
        async def work() -> None:
            pass

        await context.step("work", work)
        return await context.sleep("long", 3600)

    async with FilesStore(tmp_path, clock=clock) as store:
        engine = engine_on(store, {"p": program}, clock=clock)
        run_id = await engine.start("p", {})
        await clock.until_sleeping(2)
        kill(engine)
    command = [sys.executable, "-c", LOOK, str(tmp_path), run_id]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: ASYNC221
    assert (done.stdout, done.stderr) == ("1\n", "")
