"""The time of a chain of no-op nodes with nothing journaled: what the graph itself costs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from statistics import median

from benchmarks.ours.runtime import Request, answer, opened
from holdfast.agents.run import plan_of, run_workflow
from holdfast.agents.types import ANY
from holdfast.agents.workflow import END, START, Edge, PythonNode, Workflow
from holdfast.clock import SystemClock
from holdfast.engine.ephemeral import EphemeralContext


def chain(length: int) -> Workflow:
    """Return a workflow of so many nodes, one behind the other."""
    names = [f"node{number}" for number in range(length)]
    return Workflow(
        name="chain",
        source="",
        digest="",
        nodes={
            name: PythonNode(name=name, returns=ANY, call="benchmarks.ours.nodes:noop")
            for name in names
        },
        edges=tuple(
            Edge(source=source, target=target) for source, target in pairwise([START, *names, END])
        ),
    )


async def measure(request: Request, folder: Path) -> Mapping[str, float]:
    """Return the median seconds of a run and the seconds of planning it."""
    workflow = chain(int(str(request["nodes"])))
    begin = time.perf_counter()
    plan = plan_of(workflow)
    planned = time.perf_counter() - begin
    times: list[float] = []
    async with opened(folder) as runtime:
        for _ in range(6):
            context = EphemeralContext(clock=SystemClock())
            begin = time.perf_counter()
            await run_workflow(workflow, plan, context, {}, runtime.services)
            times.append(time.perf_counter() - begin)
    return {"seconds": median(times[1:]), "plan_seconds": planned}


if __name__ == "__main__":
    answer(measure)
