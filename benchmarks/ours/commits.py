"""What one durable commit takes, beside the bare writes that it is made of."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from benchmarks.ours.stores import (
    Commit,
    Request,
    answer,
    appending,
    opened,
    percentile,
    timed,
    value_of,
)

WARM_UP = 50


async def measure(request: Request, folder: Path) -> Mapping[str, float]:
    """Return the p10 and p50 of each contender in microseconds; they take turns one by one."""
    commits, value = int(request["commits"]), value_of()
    size = (commits + WARM_UP) * len(value)
    async with opened("files", folder) as files, opened("sqlite", folder) as sqlite:
        with (
            _raw(folder / "grows", value) as raw,
            _raw(folder / "ready", value, size) as ready,
            _raw(folder / "elsewhere", value, size) as elsewhere,
            _in_thread(elsewhere) as in_thread,
        ):
            contenders: dict[str, Commit] = {
                "raw": _inline(raw),
                "preallocated": _inline(ready),
                "thread": in_thread,
                "files": appending(files, ("log",), value),
                "sqlite": appending(sqlite, ("log",), value),
            }
            times = await _take_turns(contenders, commits)
    return {
        f"{name}_p{percent}": percentile(each[WARM_UP:], percent)
        for name, each in times.items()
        for percent in (10, 50)
    }


async def _take_turns(contenders: Mapping[str, Commit], commits: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in contenders}
    order, shuffled = list(contenders), random.Random(commits)
    for _ in range(commits + WARM_UP):
        shuffled.shuffle(order)  # nobody always comes behind the same neighbour
        for name in order:
            times[name].append(await timed(contenders[name]))
    return times


class _Raw:
    """The bare writing of a value behind the last one, and its sync."""

    def __init__(self, file: int, value: bytes) -> None:
        self._file = file
        self._value = value
        self._offset = 0

    def write(self) -> None:
        os.pwrite(self._file, self._value, self._offset)
        os.fdatasync(self._file)
        self._offset += len(self._value)


@contextmanager
def _raw(path: Path, value: bytes, size: int = 0) -> Iterator[_Raw]:
    """Open a file that grows with every write, or that has its `size` in advance."""
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        if size:
            os.posix_fallocate(file, 0, size)
            os.fsync(file)
        yield _Raw(file, value)
    finally:
        os.close(file)


def _inline(raw: _Raw) -> Commit:
    async def commit() -> None:
        raw.write()

    return commit


@contextmanager
def _in_thread(raw: _Raw) -> Iterator[Commit]:
    """Give the same as an event loop must do it that goes on meanwhile: in another thread."""
    loop, queue = asyncio.get_running_loop(), SimpleQueue[asyncio.Future[None] | None]()

    def serve() -> None:
        while answer := queue.get():
            raw.write()
            loop.call_soon_threadsafe(answer.set_result, None)

    async def commit() -> None:
        answer: asyncio.Future[None] = loop.create_future()
        queue.put(answer)
        await answer

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield commit
    finally:
        queue.put(None)
        thread.join()


if __name__ == "__main__":
    answer(measure)
