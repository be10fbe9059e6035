"""What was acknowledged survives `kill -9` at any moment."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.storage.sqlite import SqliteStore
from holdfast.testing.clock import ManualClock

_WRITER = """
import asyncio, sys
from holdfast.clock import SystemClock
from holdfast.storage import ANY, Append, Put
from holdfast.storage.sqlite import SqliteStore

async def write(store, lane):
    while True:
        number = await store.append(("log", lane), [lane.encode() * 50])
        print("log", lane, number, flush=True)
        both = [
            Put(key=("last", lane), value=b"%d" % number, expected=ANY),
            Append(log=("pair", lane), entries=[b"%d" % number]),
        ]
        assert await store.batch(both) is None
        print("pair", lane, number, flush=True)

async def main():
    async with SqliteStore(sys.argv[1], clock=SystemClock(), ack=sys.argv[2]) as store:
        await asyncio.gather(*(write(store, lane) for lane in "abc"))

asyncio.run(main())
"""

Acked = dict[tuple[str, str], int]


async def test_acknowledged_writes_survive_ten_kills(tmp_path: Path) -> None:
    await _kill_often(tmp_path / "store.db", times=10, seed=1)


@pytest.mark.torture
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("ack", ["disk", "os"])
async def test_acknowledged_writes_survive_two_hundred_kills(tmp_path: Path, ack: str) -> None:
    await _kill_often(tmp_path / "store.db", times=200, seed=2, ack=ack)


async def _kill_often(path: Path, *, times: int, seed: int, ack: str = "disk") -> None:
    chance = random.Random(seed)
    acked: Acked = {}
    for _ in range(times):
        _write_until_killed(path, ack, chance.randint(1, 80), acked)
        await _check(path, acked)


def _write_until_killed(path: Path, ack: str, lines: int, acked: Acked) -> None:
    """Run a writer, kill it behind so many acknowledgements, and note what it had printed."""
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, path, ack], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        for _ in range(lines):
            _note(process.stdout.readline(), acked)
        process.kill()
        # What was in the pipe when the process died was acknowledged as well.
        # The kill may have cut the last line.
        for line in process.stdout:
            if line.endswith("\n"):
                _note(line, acked)


def _note(line: str, acked: Acked) -> None:
    kind, lane, number = line.split()
    acked[kind, lane] = int(number)


async def _check(path: Path, acked: Acked) -> None:
    async with SqliteStore(path, clock=ManualClock()) as store:
        for lane in "abc":
            entries = await store.read(("log", lane))
            assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))
            assert {entry.value for entry in entries} <= {lane.encode() * 50}
            assert len(entries) >= acked.get(("log", lane), 0)
            pairs = await store.read(("pair", lane))
            last = await store.get(("last", lane))
            # The two halves of a batch are there together.
            assert (pairs[-1].value if pairs else None) == (last.value if last else None)
            assert int(last.value if last else b"0") >= acked.get(("pair", lane), 0)
