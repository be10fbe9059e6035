"""Break every call of a program to its disk, one a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

from holdfast.errors import StorageError
from holdfast.testing.crash.exploring import (
    Examiner,
    Exploration,
    Ledger,
    Program,
    Recover,
)
from holdfast.testing.crash.failing import FailingDisk, How
from holdfast.testing.crash.pending import Model
from holdfast.testing.crash.recording import RecordingDisk
from holdfast.testing.crash.states import Bounds

_AFTER_A_FAULT = Bounds(per_cut=64, tears=8)


@dataclass(slots=True)
class Sweep:
    """What a sweep saw: runs that broke a call, those that ended with an error, and the faults."""

    how: How
    runs: int = 0
    refused: int = 0
    acknowledged: int = 0
    faults: list[str] = field(default_factory=list[str])
    cuts: Exploration = field(default_factory=lambda: Exploration("weak"))

    def require_clean(self) -> None:
        """Raise an AssertionError that tells of the first faults, if there was one."""
        stories = "\n".join(f"- {fault}" for fault in self.faults[:5])
        assert not self.faults, f"{len(self.faults)} faults in {self.runs} runs:\n{stories}"
        self.cuts.require_clean()

    def figures(self) -> dict[str, int]:
        """Return the numbers by name."""
        lost = len(self.faults) + self.cuts.lost + self.cuts.invented + self.cuts.unreadable
        return {
            "runs": self.runs,
            "refused": self.refused,
            "states": self.cuts.states,
            "acknowledged": self.acknowledged,
            "broken": lost,
        }


def sweep(
    program: Program,
    recover: Recover,
    *,
    how: How,
    model: Model = "weak",
    bounds: Bounds = _AFTER_A_FAULT,
    clean: tuple[type[Exception], ...] = (StorageError, OSError),
) -> Sweep:
    """Return what happens when the first, the second, ... call to the disk breaks.

    Each run must end well or with one of the `clean` errors. Then, with a good disk, the program
    must be able to go on where the fault left off (`ledger.life` is 1 then). A cut at any moment
    from the fault on must lose nothing that was acknowledged by then; the mildest cut loses
    nothing at all, which is what opening the store again shows. The sweep ends with the first
    run in which nothing broke.
    """
    examiner = Examiner(recover, model, bounds)
    found = Sweep(how, cuts=examiner.found)
    for at in count(1):
        disk = RecordingDisk()
        failing = FailingDisk(disk, at=at, how=how)
        ledger = Ledger(disk)
        found.refused += _was_refused(program, failing, ledger, clean, found)
        if failing.broken is None:
            return found
        found.runs += 1
        disk.release_locks()
        since = len(disk.operations)
        story = f"{how} at call {at} ({failing.broken})"
        _go_on(program, disk, ledger, story, found)
        found.acknowledged += len(ledger.acknowledged())
        examiner.examine(disk, ledger, since=since)
    raise AssertionError("unreachable")


def _was_refused(
    program: Program,
    disk: FailingDisk,
    ledger: Ledger,
    clean: tuple[type[Exception], ...],
    found: Sweep,
) -> bool:
    try:
        program(disk, ledger)
    except clean:
        return True
    except Exception as error:  # noqa: BLE001 - any other error is what the sweep looks for
        found.faults.append(f"{disk.broken} broke, and {type(error).__name__} came out: {error}")
        return True
    return False


def _go_on(program: Program, disk: RecordingDisk, ledger: Ledger, story: str, found: Sweep) -> None:
    """Note a fault if the program cannot go on where the fault left the disk."""
    ledger.life = 1
    try:
        program(disk, ledger)
    except Exception as error:  # noqa: BLE001 - the disk is good now: nothing may come out
        found.faults.append(f"{story}, and then the program cannot go on: {error!r}")
