"""The time of parallel branches of uneven nodes, journaled; the longest path takes one second."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.ours.runtime import Request, answer, opened, start_text
from benchmarks.workflows import branches, loop


async def measure(request: Request, folder: Path) -> Mapping[str, float]:  # noqa: ARG001
    """Return the seconds from the start of the run to its durable end."""
    text = branches()
    async with opened(folder) as runtime:
        await runtime.engine.settle(await start_text(runtime, loop("noop", 5)))
        begin = time.perf_counter()
        history = await runtime.engine.settle(await start_text(runtime, text))
        took = time.perf_counter() - begin
    assert len(history.steps) == 32, history.error
    return {"seconds": took}


if __name__ == "__main__":
    answer(measure)
