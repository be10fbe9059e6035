"""The time of parallel branches of uneven nodes in LangGraph, with its SQLite checkpointer."""

from __future__ import annotations

import asyncio
import json
import operator
import sys
import time
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    """The nodes that have run."""

    done: Annotated[list, operator.add]


def node(name: str, seconds: float) -> Any:
    """Return a node that takes some time and no processor."""

    async def rest(_: State) -> dict[str, list[str]]:
        await asyncio.sleep(seconds)
        return {"done": [name]}

    return rest


def graph(splits: list[list[float]]) -> StateGraph:
    """Return a graph with a branch for each list of seconds."""
    builder = StateGraph(State)
    for branch, split in enumerate(splits):
        before = START
        for position, seconds in enumerate(split):
            name = f"b{branch}n{position}"
            builder.add_node(name, node(name, seconds))
            builder.add_edge(before, name)
            before = name
        builder.add_edge(before, END)
    return builder


async def measure(folder: Path, splits: list[list[float]]) -> float:
    """Return the seconds of a run."""
    async with AsyncSqliteSaver.from_conn_string(str(folder / "graph.db")) as saver:
        await saver.setup()
        compiled = graph(splits).compile(checkpointer=saver)
        config = {"configurable": {"thread_id": "one"}}
        begin = time.perf_counter()
        state = await compiled.ainvoke({"done": []}, config, durability="sync")
        took = time.perf_counter() - begin
    assert len(state["done"]) == sum(map(len, splits))
    return took


if __name__ == "__main__":
    request = json.loads(sys.argv[1])
    seconds = asyncio.run(measure(Path(request["folder"]), request["splits"]))
    print(json.dumps({"seconds": seconds}))
