"""Break every system call that a writer makes to its store, one a run, with `strace`."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from holdfast.testing.crash.crew import PROGRAM
from holdfast.testing.crash.evidence import Ack, parse_ack
from holdfast.testing.crash.kills import read_back
from holdfast.testing.crash.writer import REFUSED, Order

Fault = Literal["error=EIO", "error=ENOSPC", "signal=KILL"]

CALLS = (
    "write", "pwrite64", "fdatasync", "fsync", "rename", "unlink", "openat", "ftruncate",
    "fallocate", "mkdir",
)  # fmt: skip
FAULTS: tuple[Fault, ...] = ("error=EIO", "error=ENOSPC", "signal=KILL")

_PATIENCE = 60
_KILLED = -signal.SIGKILL, 128 + signal.SIGKILL
_OPTIONS = ("strace", "-f", "-qq", "-e", "signal=none")
_PATHS = re.compile(r'"(/[^"]*)"|<(/[^>]*)>')


def missing() -> str:
    """Return what this machine lacks for the sweep; empty if nothing."""
    return "" if shutil.which("strace") else "strace not found"


@dataclass(slots=True)
class CallSweep:
    """What a sweep saw: runs in which a call broke, and how they ended."""

    runs: int = 0
    refused: int = 0
    acknowledged: int = 0
    points: dict[str, int] = field(default_factory=dict[str, int])
    faults: list[str] = field(default_factory=list[str])

    def require_clean(self) -> None:
        """Raise an AssertionError that tells of the first faults, if there was one."""
        told = "\n".join(f"- {each}" for each in self.faults[:5])
        assert not self.faults, f"{len(self.faults)} faults in {self.runs} runs:\n{told}"

    def figures(self) -> dict[str, int]:
        """Return the numbers by name."""
        return {
            "runs": self.runs,
            "refused": self.refused,
            "acknowledged": self.acknowledged,
            "broken": len(self.faults),
        }


@dataclass(frozen=True, slots=True)
class _Run:
    """How a writer under `strace` ended."""

    code: int
    acks: Sequence[Ack]
    errors: str
    was_hit: bool


def sweep_system_calls(
    order: Order,
    folder: Path,
    *,
    calls: Sequence[str] = CALLS,
    faults: Sequence[Fault] = FAULTS,
    points: range = range(1, 1000),
) -> CallSweep:
    """Return what happens when the first, the second, ... system call to the store breaks.

    `order.url` is the address of the store with `{path}` in place of its path, and its rounds are
    few. Each run makes a new store and must end well, with a clean `StorageError`, or by the
    kill; then everything acknowledged must be there. A sweep of one call and one fault ends with
    the first run that makes fewer calls; `points` are the numbers of the calls that are broken.
    """
    paths = _touched_paths(order, folder / "census", calls)
    sweeps = [(call, fault) for call in calls for fault in faults]

    def sweep_one(sweep: tuple[str, Fault]) -> CallSweep:
        place = folder / "-".join(sweep).replace("=", "-")
        return _sweep_one(order, place, *sweep, paths, points)

    # Two at a time, since each is mostly one process that waits for the disk.
    with ThreadPoolExecutor(2) as pool:
        return _sum(pool.map(sweep_one, sweeps))


def _sweep_one(
    order: Order, place: Path, call: str, fault: Fault, paths: Sequence[str], points: range
) -> CallSweep:
    found = CallSweep()
    for at in points:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        here = [option for path in paths for option in ("-P", str(place / path))]
        inject = ["-e", f"trace={call}", "-e", f"inject={call}:{fault}:when={at}"]
        run = _run(_filled(order, place), place / "trace", [*inject, *here])
        story = f"{fault} at {call} {at}"
        found.acknowledged += len(run.acks)
        found.faults += _judge(run, story, _filled(order, place).url)
        if not run.was_hit:
            break
        found.runs += 1
        found.refused += run.code == REFUSED
    found.points[f"{call} {fault}"] = found.runs
    shutil.rmtree(place, ignore_errors=True)
    return found


def _judge(run: _Run, story: str, url: str) -> Iterator[str]:
    """Give what is wrong behind a run."""
    if run.code not in (0, REFUSED, *_KILLED):
        yield f"{story}: the writer ended with {run.code}: {run.errors[-600:]}"
    elif "Traceback" in run.errors:
        yield f"{story}: an error came out of a thread: {run.errors[-600:]}"
    try:
        verdict = read_back(url, run.acks, run.acks)
    except Exception as error:  # noqa: BLE001 - whatever it is, the store cannot be read
        yield f"{story}: the store cannot be read: {error!r}"
        return
    yield from (f"{story}: lost: {each}" for each in verdict.lost)
    yield from (f"{story}: {each}" for each in verdict.wrong)


def _touched_paths(order: Order, place: Path, calls: Sequence[str]) -> list[str]:
    """Return the files of a store that the calls go to, relative to its folder."""
    place.mkdir(parents=True)
    trace = place / "trace"
    run = _run(_filled(order, place), trace, ["-y", "-e", f"trace={','.join(calls)}"])
    assert run.code == 0, f"without any fault the writer ended with {run.code}: {run.errors}"
    named = {Path(a or b) for a, b in _PATHS.findall(trace.read_text())}
    inside = {path for path in named if place in path.parents and path != trace}
    shutil.rmtree(place)
    return sorted(str(path.relative_to(place)) for path in inside)


def _filled(order: Order, place: Path) -> Order:
    return replace(order, url=order.url.format(path=place / "store"))


def _run(order: Order, trace: Path, options: Sequence[str]) -> _Run:
    command = [*_OPTIONS, "-o", str(trace), *options]
    command += [sys.executable, "-B", "-m", PROGRAM, order.line()]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return _Run(1, [], f"it hung for {_PATIENCE} seconds", was_hit=True)
    heard = [parse_ack(line.split()) for line in done.stdout.splitlines()]
    acks = [ack for ack in heard if ack is not None]
    was_killed = done.returncode in _KILLED
    was_hit = was_killed or "INJECTED" in trace.read_text()
    return _Run(done.returncode, acks, done.stderr, was_hit)


def _sum(parts: Iterator[CallSweep]) -> CallSweep:
    whole = CallSweep()
    for part in parts:
        whole.runs += part.runs
        whole.refused += part.refused
        whole.acknowledged += part.acknowledged
        whole.points |= part.points
        whole.faults += part.faults
    return whole
