"""Fill a store with very many small records, most of which wait in a queue."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from benchmarks.ours.stores import Request, answer, opened, value_of
from holdfast.clock import SystemClock
from holdfast.storage.fallback import write_all
from holdfast.storage.seam import ANY, Key, Put, Store

QUEUES = 8
NOTHING_DUE = QUEUES - 1
"""The queue of which all records are due in a distant future."""

_VALUE_BYTES = 100
_BATCH = 500
_BATCHES_AT_ONCE = 4
_DAY_MS = 24 * 60 * 60 * 1000
_FAR_MS = 1000 * _DAY_MS


def queue(number: int) -> Key:
    """Return the name of a queue."""
    return ("work", f"queue-{number}")


def key_of(number: int, records: int) -> Key:
    """Return the key of a record; those of a queue follow one another."""
    return (*queue(number * QUEUES // records), f"task-{number:09}")


async def fill(store: Store, records: int) -> float:
    """Write the records, so many in a batch, and return how many seconds it took."""
    begin = time.perf_counter()
    puts = _puts(records, SystemClock().now_ms())
    async with asyncio.TaskGroup() as group:
        for _ in range(_BATCHES_AT_ONCE):
            group.create_task(_write_on(store, puts))
    return time.perf_counter() - begin


async def _write_on(store: Store, puts: Iterator[Put]) -> None:
    while batch := list(islice(puts, _BATCH)):
        await write_all(store, batch)


def _puts(records: int, now: int) -> Iterator[Put]:
    value = value_of(_VALUE_BYTES)
    for number in range(records):
        yield Put(
            key=key_of(number, records),
            value=value,
            expected=ANY,
            due_at=_due_at(number, number * QUEUES // records, now),
        )


def _due_at(number: int, in_queue: int, now: int) -> int | None:
    """Let one record in ten not be due at all; of the others every second one is."""
    if number % 10 == 0:
        return None
    later = number % 2 == 0 or in_queue == NOTHING_DUE
    return now + _FAR_MS + number if later else now - _DAY_MS + number * 7919 % _DAY_MS


async def measure(request: Request, folder: Path) -> Mapping[str, float]:  # noqa: ARG001
    """Fill the store in a folder that stays, without waiting for the disk; return the seconds."""
    place = Path(request["place"])
    async with opened(request["backend"], place, ack="memory") as store:
        seconds = await fill(store, int(request["records"]))
        begin = time.perf_counter()
    closing = time.perf_counter() - begin
    os.sync()  # what comes next shall not share the disk with what is left of this
    return {"seconds": seconds + closing}


if __name__ == "__main__":
    answer(measure)
