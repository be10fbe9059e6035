"""Durable no-op steps a second of LangGraph with its SQLite checkpointers, durability "sync".

Both of its faces are measured (`invoke` with `SqliteSaver`, `ainvoke` with `AsyncSqliteSaver`) and
both databases are in WAL mode with synchronous FULL. The graph is one node in a loop: a chain of
as many nodes is slower.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    """How many steps are behind us."""

    count: int


def turn(state: State) -> State:
    """Do nothing but count."""
    return {"count": state["count"] + 1}


async def turn_async(state: State) -> State:
    """Do nothing but count, in the event loop."""
    return {"count": state["count"] + 1}


def graph(node: Any, steps: int, saver: Any) -> Any:
    """Return the compiled loop."""
    builder = StateGraph(State)
    builder.add_node("turn", node)
    builder.add_edge(START, "turn")
    builder.add_conditional_edges("turn", lambda s: "turn" if s["count"] < steps else END)
    return builder.compile(checkpointer=saver)


def config(thread: str, steps: int) -> Any:
    """Return what names a run and lets it loop long enough."""
    return {"configurable": {"thread_id": thread}, "recursion_limit": steps + 10}


def serial_sync(folder: Path, steps: int) -> float:
    """Return steps a second of one run with `invoke`."""
    with SqliteSaver.from_conn_string(str(folder / "sync.db")) as saver:
        saver.setup()
        assert_durable(saver.conn.execute)
        graph(turn, 20, saver).invoke({"count": 0}, config("warm", 20), durability="sync")
        compiled = graph(turn, steps, saver)
        begin = time.perf_counter()
        compiled.invoke({"count": 0}, config("one", steps), durability="sync")
        return steps / (time.perf_counter() - begin)


def many_sync(folder: Path, steps: int, runs: int) -> float:
    """Return steps a second of runs that are under way at once, each in a thread with `invoke`."""
    with SqliteSaver.from_conn_string(str(folder / "threads.db")) as saver:
        saver.setup()
        compiled = graph(turn, steps, saver)

        def run(number: int) -> None:
            compiled.invoke({"count": 0}, config(str(number), steps), durability="sync")

        with ThreadPoolExecutor(runs) as pool:
            begin = time.perf_counter()
            list(pool.map(run, range(runs)))
            return steps * runs / (time.perf_counter() - begin)


async def many_async(folder: Path, steps: int, runs: int) -> float:
    """Return steps a second of runs that are under way at once with `ainvoke`."""
    path = str(folder / f"async{runs}.db")
    async with AsyncSqliteSaver.from_conn_string(path) as saver:
        await saver.setup()
        warm = graph(turn_async, 20, saver)
        await warm.ainvoke({"count": 0}, config("warm", 20), durability="sync")
        compiled = graph(turn_async, steps, saver)
        begin = time.perf_counter()
        await asyncio.gather(
            *(
                compiled.ainvoke({"count": 0}, config(str(number), steps), durability="sync")
                for number in range(runs)
            )
        )
        return steps * runs / (time.perf_counter() - begin)


def assert_durable(execute: Any) -> None:
    """Make sure that the comparison is fair to both sides."""
    assert execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert execute("PRAGMA synchronous").fetchone() == (2,)


def main() -> None:
    """Print steps a second of each way."""
    request = json.loads(sys.argv[1])
    folder, steps = Path(request["folder"]), request["steps"]
    each = max(1, steps // 10)
    result = {
        "serial_sync": serial_sync(folder, steps),
        "serial_async": asyncio.run(many_async(folder, steps, 1)),
        "concurrent_sync": many_sync(folder, each, request["runs"]),
        "concurrent_async": asyncio.run(many_async(folder, each, request["runs"])),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
