"""One of many processes that write to one store, each one commit after the other.

`race` starts them all, lets them begin at the same moment and gathers what they did.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.ours.stores import Commit, Request, appending, opened, percentile, value_of

BARE = "bare"
"""The contender that is no store of ours: a script that uses `sqlite3`."""

_HEAD_START = 0.3
_PATIENCE = 60
_BUSY_SECONDS = 10


def race(contender: str, folder: Path, writers: int, seconds: float) -> Mapping[str, float]:
    """Return commits a second of all writers, fairness (slowest by fastest), and p50 and p99."""
    processes = [_start(contender, folder, number) for number in range(writers)]
    try:
        for process in processes:
            _hear_ready(process)
        begin = time.monotonic() + _HEAD_START
        moments = json.dumps([begin, begin + seconds]) + "\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(moments)
            process.stdin.flush()
        done = [process.communicate(timeout=_PATIENCE)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return _summed([json.loads(each.splitlines()[-1]) for each in done], seconds)


def _summed(reports: list[Mapping[str, Any]], seconds: float) -> Mapping[str, float]:
    counts = [each["commits"] for each in reports]
    times = [time for each in reports for time in each["times"]]
    return {
        "rate": sum(counts) / seconds,
        "fairness": min(counts) / max(1, *counts),
        "p50_ms": percentile(times, 50) / 1000,
        "p99_ms": percentile(times, 99) / 1000,
        "refused": sum(each["refused"] for each in reports),
    }


def _start(contender: str, folder: Path, number: int) -> subprocess.Popen[str]:
    request = {"folder": str(folder), "contender": contender, "number": number}
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.ours.writers", json.dumps(request)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def _hear_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        raise RuntimeError("a writer did not come up; its errors stand above")


async def write(request: Request) -> Mapping[str, object]:
    """Commit from one moment to another; what ends later is timed and does not count."""
    folder, number = Path(request["folder"]), int(request["number"])
    contender = _bare(folder) if request["contender"] == BARE else _ours(request, folder, number)
    async with contender as commit:
        await commit()
        print("ready", flush=True)
        begin, end = json.loads(sys.stdin.readline())
        await asyncio.sleep(begin - time.monotonic())
        return await _write_until(commit, end)


async def _write_until(commit: Commit, end: float) -> Mapping[str, object]:
    commits = refused = 0
    times: list[float] = []
    now = time.monotonic()
    while now < end:
        begin = now
        try:
            await commit()
        except sqlite3.OperationalError:
            refused += 1
        now = time.monotonic()
        times.append((now - begin) * 1e6)
        commits += now < end
    return {"commits": commits, "refused": refused, "times": times}


@asynccontextmanager
async def _ours(request: Request, folder: Path, number: int) -> AsyncIterator[Commit]:
    async with opened(str(request["contender"]), folder) as store:
        yield appending(store, ("logs", str(number)), value_of())


@asynccontextmanager
async def _bare(folder: Path) -> AsyncIterator[Commit]:
    """Give what a careful user writes: WAL, FULL, BEGIN IMMEDIATE, and a timeout."""
    connection = sqlite3.connect(folder / "bare.db", timeout=_BUSY_SECONDS, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS entries (number INTEGER PRIMARY KEY, value BLOB)"
    )
    value = value_of()

    async def commit() -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO entries (value) VALUES (?)", (value,))
        connection.execute("COMMIT")

    try:
        yield commit
    finally:
        connection.close()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(write(json.loads(sys.argv[1])))))
