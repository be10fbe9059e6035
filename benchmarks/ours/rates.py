"""Durable commits a second of one task and of many, each on a fresh store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.ours.stores import Request, answer, opened, rate


async def measure(request: Request, folder: Path) -> Mapping[str, float]:
    """Return the rates of one caller and of `callers`; `backwards` measures these first."""
    found: dict[str, float] = {}
    sides = {"one": 1, "many": int(request["callers"])}
    for name in list(sides)[:: -1 if request["backwards"] else 1]:
        (folder / name).mkdir()
        async with opened(request["backend"], folder / name) as store:
            found[name] = await rate(store, sides[name], float(request["seconds"]))
    return found


if __name__ == "__main__":
    answer(measure)
