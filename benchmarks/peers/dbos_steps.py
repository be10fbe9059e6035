"""Durable no-op steps a second of DBOS on SQLite; the file is switched to WAL first.

As shipped DBOS uses the rollback journal, which is slower. Synchronous is FULL. Both of its faces
are measured, plain functions and coroutines.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

from dbos import DBOS


@DBOS.step()
def step() -> None:
    """Do nothing."""


@DBOS.step()
async def step_async() -> None:
    """Do nothing, in the event loop."""


@DBOS.workflow()
def steps_sync(steps: int) -> None:
    """Run so many steps."""
    for _ in range(steps):
        step()


@DBOS.workflow()
async def steps_async(steps: int) -> None:
    """Run so many steps, in the event loop."""
    for _ in range(steps):
        await step_async()


def many_sync(steps: int, runs: int) -> float:
    """Return steps a second of runs of plain functions."""
    begin = time.perf_counter()
    if runs == 1:
        steps_sync(steps)
    else:
        handles = [DBOS.start_workflow(steps_sync, steps) for _ in range(runs)]
        for handle in handles:
            handle.get_result()
    return steps * runs / (time.perf_counter() - begin)


async def many_async(steps: int, runs: int) -> float:
    """Return steps a second of runs of coroutines."""
    begin = time.perf_counter()
    if runs == 1:
        await steps_async(steps)
    else:
        await asyncio.gather(*(run_async(steps) for _ in range(runs)))
    return steps * runs / (time.perf_counter() - begin)


async def run_async(steps: int) -> None:
    """Start a run of coroutines and wait for it."""
    handle = await DBOS.start_workflow_async(steps_async, steps)
    await handle.get_result()


async def all_async(steps: int, each: int, runs: int) -> dict[str, float]:
    """Return what coroutines reach, after a warm-up."""
    await many_async(20, 1)
    return {
        "serial_async": await many_async(steps, 1),
        "concurrent_async": await many_async(each, runs),
    }


def main() -> None:
    """Print steps a second of each way."""
    request = json.loads(sys.argv[1])
    path = Path(request["folder"]) / "dbos.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE IF NOT EXISTS made_in_wal (number)")
    DBOS(
        config={
            "name": "benchmark",
            "system_database_url": f"sqlite:///{path}",
            "log_level": "ERROR",
            "run_admin_server": False,
        }
    )
    DBOS.launch()
    steps, runs = request["steps"], request["runs"]
    each = max(1, steps // 10)
    many_sync(20, 1)
    result = {
        "serial_sync": many_sync(steps, 1),
        "concurrent_sync": many_sync(each, runs),
        **asyncio.run(all_async(steps, each, runs)),
    }
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    DBOS.destroy()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
