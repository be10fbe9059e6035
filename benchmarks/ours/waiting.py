"""What a run costs that waits for a person: memory of the process, bytes on the disk."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Mapping
from pathlib import Path

from benchmarks.ours.runtime import Request, answer, bytes_below, opened, start_text
from benchmarks.workflows import APPROVAL
from holdfast.app.runtime import Runtime

WARM_UP = 50


async def measure(request: Request, folder: Path) -> Mapping[str, float]:
    """Return KiB a run: growth of the resident memory, and of the closed store."""
    runs = int(str(request["runs"]))
    async with opened(folder) as runtime:
        await _park(runtime, WARM_UP)
        before = _resident_kib()
        await _park(runtime, runs)
        after = _resident_kib()
        assert not runtime.engine.active_runs
    on_disk = bytes_below(folder) / 1024 / (runs + WARM_UP)
    return {"memory_kib": (after - before) / runs, "disk_kib": on_disk}


async def _park(runtime: Runtime, runs: int) -> None:
    ids = [await start_text(runtime, APPROVAL, number=number) for number in range(runs)]
    histories = await asyncio.gather(*map(runtime.engine.settle, ids))
    assert all(history.open_requests for history in histories)


def _resident_kib() -> int:
    gc.collect()
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


if __name__ == "__main__":
    answer(measure)
