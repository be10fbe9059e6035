"""How soon the run of a process that was killed is worked on again, once an engine is opened."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.ours.nodes import noop
from benchmarks.ours.runtime import Request, answer, opened
from holdfast.engine.seam import Inputs, RunContext

STUCK = "stuck"


async def measure(request: Request, folder: Path) -> Mapping[str, float]:  # noqa: ARG001
    """Return the milliseconds from opening the engine to the orphan's next step."""
    _kill_a_worker(folder)
    at_work = asyncio.Event()

    async def go_on(context: RunContext, inputs: Inputs) -> None:  # noqa: ARG001
        async def note() -> None:
            at_work.set()

        await context.step("before", noop)
        await context.step(STUCK, note)

    begin = time.perf_counter()
    async with opened(folder, {"work": go_on}, adopt=True):
        await at_work.wait()
        took = time.perf_counter() - begin
    return {"ms": took * 1000}


def _kill_a_worker(folder: Path) -> None:
    """Let a process of its own begin a run, and kill it while a step is under way."""
    command = [sys.executable, "-m", __spec__.name, json.dumps({"folder": str(folder)}), STUCK]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline().strip() == STUCK
        worker.send_signal(signal.SIGKILL)


async def _get_stuck(request: Request, folder: Path) -> Mapping[str, float]:  # noqa: ARG001
    async def hang() -> None:
        print(STUCK, flush=True)
        await asyncio.Event().wait()

    async def work(context: RunContext, inputs: Inputs) -> None:  # noqa: ARG001
        await context.step("before", noop)
        await context.step(STUCK, hang)

    async with opened(folder, {"work": work}) as runtime:
        await runtime.engine.settle(await runtime.engine.start("work", {}))
    return {}


if __name__ == "__main__":
    answer(_get_stuck if STUCK in sys.argv else measure)
