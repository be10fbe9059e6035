"""Durable no-op steps a second: one run, many runs at once, and as nodes of a workflow file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.ours.nodes import noop
from benchmarks.ours.runtime import Request, answer, opened, start_text
from benchmarks.workflows import loop
from holdfast.app.runtime import Runtime
from holdfast.engine.seam import Inputs, RunContext


async def take_steps(context: RunContext, inputs: Inputs) -> None:
    """Run so many steps that do nothing."""
    for _ in range(int(str(inputs["steps"]))):
        await context.step("noop", noop)


async def measure(request: Request, folder: Path) -> Mapping[str, float]:
    """Return steps a second."""
    steps, runs = int(str(request["steps"])), int(str(request["runs"]))
    async with opened(folder, {"steps": take_steps}) as runtime:
        await _timed(runtime, steps=50, runs=1)
        serial = await _timed(runtime, steps=steps, runs=1)
        concurrent = await _timed(runtime, steps=max(1, steps // 10), runs=runs)
        return {
            "serial": serial,
            "concurrent": concurrent,
            "workflow": await _timed_workflow(runtime, steps),
        }


async def _timed(runtime: Runtime, *, steps: int, runs: int) -> float:
    begin = time.perf_counter()
    await asyncio.gather(*(_run(runtime, steps) for _ in range(runs)))
    return steps * runs / (time.perf_counter() - begin)


async def _run(runtime: Runtime, steps: int) -> None:
    await runtime.engine.settle(await runtime.engine.start("steps", {"steps": steps}))


async def _timed_workflow(runtime: Runtime, steps: int) -> float:
    begin = time.perf_counter()
    await runtime.engine.settle(await start_text(runtime, loop("noop", steps)))
    return steps / (time.perf_counter() - begin)


if __name__ == "__main__":
    answer(measure)
