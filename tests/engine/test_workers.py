"""Several processes share a store, are killed and started again, until all work is done."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from holdfast.clock import SystemClock
from holdfast.storage.sqlite import SqliteStore
from holdfast.tasks.state import TaskState
from tests.engine.support import engine_on

STEPS = 8
WORKER = """
import asyncio, os, sys
from pathlib import Path
from holdfast.clock import SystemClock
from holdfast.storage.liveness import LockFiles
from holdfast.storage.sqlite import SqliteStore
from tests.engine.support import engine_on

folder = Path(sys.argv[1])
ran = os.open(folder / "ran.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

async def effect(run_id, number):
    os.write(ran, f"{run_id} {number}\\n".encode())
    await asyncio.sleep(0.02)
    return number

async def chain(context, inputs):
    lanes = [context.scope(str(n)).step("s", effect, context.run_id, n) for n in range(4)]
    found = await asyncio.gather(*lanes)
    for number in range(4, inputs["steps"]):
        found.append(await context.step("t", effect, context.run_id, number))
    return found

async def main():
    store = SqliteStore(folder / "store.db", clock=SystemClock(), ack="os")
    async with store:
        engine = engine_on(
            store, {"chain": chain}, liveness=LockFiles(folder / "processes"), adopt=True
        )
        async with engine:
            await asyncio.Event().wait()

asyncio.run(main())
"""


def start_worker(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": "."},
    )


async def create_runs(folder: Path, count: int) -> list[str]:
    """Create runs and let go of them at once, as a process does that is told to stop."""
    store = SqliteStore(folder / "store.db", clock=SystemClock(), ack="os")
    held = asyncio.Event()

    async def hold(context: object, inputs: object) -> None:
        await held.wait()

    async with store, engine_on(store, {"chain": hold}) as engine:
        return [await engine.start("chain", {"steps": STEPS}) for _ in range(count)]


async def all_done(folder: Path, ids: list[str]) -> bool:
    store = SqliteStore(folder / "store.db", clock=SystemClock(), ack="os")
    async with store, engine_on(store, {}) as engine:
        histories = [await engine.history(run_id) for run_id in ids]
    done = [each for each in histories if each.state is TaskState.COMPLETED]
    assert all(each.result == list(range(STEPS)) for each in done)
    assert all(len(each.steps) == STEPS for each in done)
    return len(done) == len(ids)


Crew = list["subprocess.Popen[bytes]"]


def steps_run(folder: Path) -> int:
    ran = folder / "ran.txt"
    return len(ran.read_bytes().splitlines()) if ran.exists() else 0


def wait_for_steps(folder: Path, ids: list[str], crew: Crew, more: int) -> bool:
    """Return True when all is done, False when some more steps have run."""
    before = steps_run(folder)
    while True:
        assert all(each.poll() is None for each in crew), "a worker died by itself"
        ran = steps_run(folder)
        if ran >= before + more:
            return False
        if ran >= len(ids) * STEPS and asyncio.run(all_done(folder, ids)):
            return True
        with suppress(subprocess.TimeoutExpired):
            crew[0].wait(timeout=0.02)


def work_and_kill(folder: Path, ids: list[str], kills: int, workers: int) -> int:
    """Let workers work; after some steps kill one and start another. Return how many were killed."""
    chance = random.Random(7)
    crew = [start_worker(folder) for _ in range(workers)]
    try:
        for killed in range(kills):
            if wait_for_steps(folder, ids, crew, chance.randint(1, 12)):
                return killed
            victim = chance.randrange(workers)
            crew[victim].kill()
            crew[victim].wait()
            crew[victim] = start_worker(folder)
        wait_for_steps(folder, ids, crew, 10**9)
        return kills
    finally:
        for each in crew:
            each.kill()
            each.wait()


@pytest.mark.torture
@pytest.mark.promise("fenced", "one-worker", "dead-noticed", "finished-step-never-reruns")
def test_workers_that_are_killed_all_the_time_finish_every_run_once(tmp_path: Path) -> None:
    ids = asyncio.run(create_runs(tmp_path, 500))
    kills = work_and_kill(tmp_path, ids, kills=25, workers=3)
    assert kills > 9
    assert asyncio.run(all_done(tmp_path, ids))
    ran = Counter((tmp_path / "ran.txt").read_text().splitlines())
    assert len(ran) == len(ids) * STEPS
    in_flight = 40  # steps that an engine runs at once, and that a kill may catch under way
    assert sum(ran.values()) - len(ran) <= kills * in_flight
