"""How fast a run goes through the steps that it remembers, when it is taken up again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.ours.nodes import noop
from benchmarks.ours.runtime import Request, answer, opened
from holdfast.engine.seam import Inputs, RunContext


async def ask_at_the_end(context: RunContext, inputs: Inputs) -> object:
    """Run many steps and then ask."""
    for _ in range(int(str(inputs["steps"]))):
        await context.step("noop", noop)
    return await context.wait_for_input("go", "Go on?")


async def measure(request: Request, folder: Path) -> Mapping[str, float]:
    """Return remembered steps a second, from taking the run over to its end."""
    steps, programs = int(str(request["steps"])), {"ask": ask_at_the_end}
    async with opened(folder, programs) as runtime:
        run_id = await runtime.engine.start("ask", {"steps": steps})
        await runtime.engine.settle(run_id)
    async with opened(folder, programs) as runtime:
        await runtime.engine.answer(run_id, "go", value=True)
        begin = time.perf_counter()
        await runtime.engine.resume(run_id)
        history = await runtime.engine.settle(run_id)
        took = time.perf_counter() - begin
    assert history.result is True
    return {"steps_per_s": steps / took}


if __name__ == "__main__":
    answer(measure)
