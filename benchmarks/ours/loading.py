"""A process under load that is there to be killed: it puts one record after the other."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from benchmarks.ours.stores import Request, opened, value_of
from holdfast.storage.seam import ANY

TASKS = 64
_VALUE_BYTES = 100


def kill_under_load(backend: str, place: Path, puts: int) -> None:
    """Let a process of its own write to a store, and kill it after so many puts."""
    request = {"backend": backend, "place": str(place)}
    command = [sys.executable, "-m", "benchmarks.ours.loading", json.dumps(request)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            if not any(int(line) >= puts for line in process.stdout):
                raise RuntimeError("the process under load ended by itself")
        finally:
            process.kill()


async def load(request: Request) -> None:
    """Put records for ever, and print how many were acknowledged."""
    value, acknowledged = value_of(_VALUE_BYTES), 0
    async with opened(request["backend"], Path(request["place"])) as store:

        async def put_on(task: int) -> None:
            nonlocal acknowledged
            number = 0
            while True:
                number += 1
                await store.put(("load", str(task), str(number)), value, expected=ANY)
                acknowledged += 1
                if acknowledged % 100 == 0:
                    print(acknowledged, flush=True)

        async with asyncio.TaskGroup() as group:
            for task in range(TASKS):
                group.create_task(put_on(task))


if __name__ == "__main__":
    asyncio.run(load(json.loads(sys.argv[1])))
