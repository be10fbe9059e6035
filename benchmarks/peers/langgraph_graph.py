"""The time of a chain of no-op nodes in LangGraph without a checkpointer."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from statistics import median
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    """Next to nothing."""

    count: int


async def noop(state: State) -> None:
    """Do nothing."""


def chain(length: int) -> Any:
    """Return a compiled graph of so many nodes, one behind the other."""
    builder = StateGraph(State)
    names = [f"node{number}" for number in range(length)]
    for name in names:
        builder.add_node(name, noop)
    for source, target in zip([START, *names], [*names, END], strict=True):
        builder.add_edge(source, target)
    return builder.compile()


async def measure(length: int) -> float:
    """Return the median seconds of a run."""
    graph, times = chain(length), []
    for _ in range(4):
        begin = time.perf_counter()
        await graph.ainvoke({"count": 0}, {"recursion_limit": length + 10})
        times.append(time.perf_counter() - begin)
    return median(times[1:])


if __name__ == "__main__":
    print(json.dumps({"seconds": asyncio.run(measure(json.loads(sys.argv[1])["nodes"]))}))
