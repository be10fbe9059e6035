"""What Python allows: the same runs at once with nothing but what makes a step durable.

One event loop, a task a run. A step is called, encoded, chained by its hash and appended to a
journal whose lines carry a checksum; the steps of one turn of the loop share a sync and a future.
No spans, leases, records, retries or limits, and nothing is read. No engine in Python that
journals a step before anything depends on it can be faster than this.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import time
from binascii import crc32
from json.encoder import encode_basestring
from pathlib import Path

from benchmarks.ours.nodes import noop

ROOM = 16 << 20


class Journal:
    """Lines that many runs write together."""

    def __init__(self, path: Path) -> None:
        self.handle = os.open(path, os.O_RDWR | os.O_CREAT)
        os.write(self.handle, bytes(ROOM))
        os.fsync(self.handle)
        self._previous = "0" * 32
        self._offset = self._number = 0
        self._waiting: list[str] = []
        self._durable: asyncio.Future[None]

    def append(self, operation: str) -> asyncio.Future[None]:
        """Return what tells when the operation is on the disk."""
        if not self._waiting:
            loop = asyncio.get_running_loop()
            self._durable = loop.create_future()
            loop.call_soon(self._commit)
        self._waiting.append(operation)
        return self._durable

    def _commit(self) -> None:
        operations, self._waiting = ",".join(self._waiting), []
        self._number += 1
        now = time.time_ns() // 1_000_000
        line = f'{{"n":{self._number},"t":{now},"p":"{self._previous}","o":[{operations}]'.encode()
        data = b'%b,"c":"%08x"}\n' % (line, crc32(line))
        self._previous = hashlib.blake2b(data, digest_size=16).hexdigest()
        os.pwrite(self.handle, data, self._offset)
        os.fdatasync(self.handle)
        self._offset += len(data)
        self._durable.set_result(None)


async def run(journal: Journal, name: str, steps: int) -> None:
    """Take so many steps, each durable before the next one begins."""
    previous = "0" * 32
    done: dict[tuple[str, int], object] = {}
    for visit in range(1, steps + 1):
        result = await noop()
        text = (
            f'{{"event":"step_finished","prev":"{previous}","at":{time.time_ns() // 1_000_000},'
            f'"path":"noop","visit":{visit}}}'
        )
        await journal.append(f'["append",["task","{name}"],{visit},[{encode_basestring(text)}]]')
        previous = hashlib.sha256(text.encode()).hexdigest()[:32]
        done["noop", visit] = result


async def measure(folder: Path, steps: int, runs: int) -> float:
    """Return steps a second of runs that are under way at once."""
    journal = Journal(folder / "journal")
    await run(journal, "warm", 50)
    begin = time.perf_counter()
    await asyncio.gather(*(run(journal, f"{number:032x}", steps) for number in range(runs)))
    return steps * runs / (time.perf_counter() - begin)


if __name__ == "__main__":
    request = json.loads(sys.argv[1])
    each = max(1, request["steps"] // 10)
    rate = asyncio.run(measure(Path(request["folder"]), each, request["runs"]))
    print(json.dumps({"concurrent": rate}))
