"""How many bytes LangGraph leaves behind for a loop that adds a kilobyte in every turn."""

from __future__ import annotations

import asyncio
import hashlib
import json
import operator
import sys
from pathlib import Path
from typing import Annotated, TypedDict

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    """A list that grows."""

    notes: Annotated[list, operator.add]


async def turn(state: State) -> State:
    """Add 1,024 characters that no other turn adds."""
    number = str(len(state["notes"])).encode()
    return {"notes": [hashlib.shake_256(number).hexdigest(512)]}


async def run(folder: Path, turns: int) -> None:
    """Run the loop and close the database."""
    builder = StateGraph(State)
    builder.add_node("turn", turn)
    builder.add_edge(START, "turn")
    builder.add_conditional_edges("turn", lambda s: "turn" if len(s["notes"]) < turns else END)
    async with AsyncSqliteSaver.from_conn_string(str(folder / "graph.db")) as saver:
        await saver.setup()
        compiled = builder.compile(checkpointer=saver)
        config = {"configurable": {"thread_id": "one"}, "recursion_limit": turns + 10}
        state = await compiled.ainvoke({"notes": []}, config, durability="sync")
        assert len(state["notes"]) == turns


if __name__ == "__main__":
    request = json.loads(sys.argv[1])
    place = Path(request["folder"])
    asyncio.run(run(place, request["turns"]))
    print(json.dumps({"mib": sum(each.stat().st_size for each in place.iterdir()) / 2**20}))
