"""Prove that what a store acknowledged survives crashes: a plugin of pytest and its drivers.

- `explore` runs a program on a disk in memory and checks every state that a power cut at any
  moment could leave; `sweep` breaks every call to that disk, one a run
- `sweep_system_calls` breaks the system calls of a real process, with `strace`
- `kill_storm` kills writers with `kill -9`, `cut_storm` cuts off the file system under them
- `fill_disk` lets a small disk be full, `flip_every_byte` damages a store byte by byte

The first two take anything that is written against `holdfast.storage.files.disk.Disk`, the last
anything at all, the others the address of a store. To print the figures of a run, write
`pytest_plugins = ["holdfast.testing.crash"]` into `conftest.py` and give them to the fixture
`crash_figures` (`holdfast.testing.crash.figures`).
"""

from __future__ import annotations

from holdfast.testing.crash.crew import Crew
from holdfast.testing.crash.cuts import cut_storm
from holdfast.testing.crash.evidence import Evidence, Verdict
from holdfast.testing.crash.exploring import Exploration, Ledger, explore
from holdfast.testing.crash.failing import FailingDisk, Killed
from holdfast.testing.crash.flips import Flipped, Flips, flip_every_byte
from holdfast.testing.crash.full import Filling, fill_disk, open_on_full_disk
from holdfast.testing.crash.image import Content, Image
from holdfast.testing.crash.kills import Storm, kill_storm, read_back
from holdfast.testing.crash.mounts import CutDisk, cut_disk, small_disk
from holdfast.testing.crash.recording import ROOT, RecordingDisk
from holdfast.testing.crash.states import Bounds
from holdfast.testing.crash.sweeping import Sweep, sweep
from holdfast.testing.crash.system_calls import CallSweep, sweep_system_calls
from holdfast.testing.crash.writer import Order

pytest_plugins = ["holdfast.testing.crash.figures"]
"""What pytest loads when this package is named as a plugin; writers do without pytest."""

__all__ = [
    "ROOT",
    "Bounds",
    "CallSweep",
    "Content",
    "Crew",
    "CutDisk",
    "Evidence",
    "Exploration",
    "FailingDisk",
    "Filling",
    "Flipped",
    "Flips",
    "Image",
    "Killed",
    "Ledger",
    "Order",
    "RecordingDisk",
    "Storm",
    "Sweep",
    "Verdict",
    "cut_disk",
    "cut_storm",
    "explore",
    "fill_disk",
    "flip_every_byte",
    "kill_storm",
    "open_on_full_disk",
    "read_back",
    "small_disk",
    "sweep",
    "sweep_system_calls",
]
