"""How many bytes a loop leaves behind that adds a kilobyte to the state in every turn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.ours.runtime import Request, answer, bytes_below, opened, start_text
from benchmarks.workflows import loop


async def measure(request: Request, folder: Path) -> Mapping[str, float]:
    """Return the MiB of the whole folder of the store, once it is closed."""
    turns = int(str(request["turns"]))
    async with opened(folder) as runtime:
        history = await runtime.engine.settle(await start_text(runtime, loop("kilobyte", turns)))
    assert len(history.result["notes"]) == turns, history.error
    return {"mib": bytes_below(folder) / 2**20}


if __name__ == "__main__":
    answer(measure)
