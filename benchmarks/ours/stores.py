"""What the programs share that measure stores: opening them, values, rates, percentiles."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from holdfast.clock import SystemClock
from holdfast.storage.opening import open_store
from holdfast.storage.seam import Ack, Key, Store

Request = Mapping[str, Any]
Commit = Callable[[], Awaitable[object]]

VALUE_BYTES = 640
_WARM_UP = 50


def value_of(size: int = VALUE_BYTES) -> bytes:
    """Return JSON of so many bytes."""
    head, tail = '{"event":"step_finished","name":"fetch","result":"', '"}'
    text = "the quick brown fox jumps over the lazy dog, " * (size // 45 + 1)
    return (head + text[: size - len(head) - len(tail)] + tail).encode()


def opened(backend: str, folder: Path, ack: Ack = "disk") -> Store:
    """Return the store of an embedded backend in a folder, to be entered."""
    places = {
        "memory": "memory://",
        "files": f"files:{folder / 'files'}",
        "sqlite": f"sqlite:{folder / 'store.db'}",
    }
    return open_store(places[backend], clock=SystemClock(), ack=ack)


def appending(store: Store, log: Key, value: bytes) -> Commit:
    """Return one durable commit: an entry behind the last one of a log."""
    return lambda: store.append(log, [value])


async def rate(store: Store, callers: int, seconds: float) -> float:
    """Return commits a second of so many tasks, each of which waits for its own."""
    value = value_of()
    commits = [appending(store, ("logs", str(each)), value) for each in range(callers)]
    for number in range(_WARM_UP):
        await commits[number % callers]()
    begin = time.perf_counter()
    counts = await asyncio.gather(*(_go_on(each, begin + seconds) for each in commits))
    return sum(counts) / (time.perf_counter() - begin)


async def _go_on(commit: Commit, until: float) -> int:
    count = 0
    while time.perf_counter() < until:
        await commit()
        count += 1
    return count


async def timed(action: Commit) -> float:
    """Return how many microseconds it takes."""
    begin = time.perf_counter_ns()
    await action()
    return (time.perf_counter_ns() - begin) / 1000


def middle(times: Sequence[float]) -> float:
    """Return the median."""
    return median(times)


def percentile(times: Sequence[float], percent: float) -> float:
    """Return what so many per cent of the times do not exceed."""
    ordered = sorted(times)
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)]


def answer(measure: Callable[[Request, Path], Awaitable[Mapping[str, object]]]) -> None:
    """Measure what the command line asks for and print it as JSON."""
    request = json.loads(sys.argv[1])
    print(json.dumps(asyncio.run(_measured(measure, request))))


async def _measured(
    measure: Callable[[Request, Path], Awaitable[Mapping[str, object]]], request: Request
) -> Mapping[str, object]:
    return await measure(request, Path(request["folder"]))
