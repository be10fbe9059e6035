"""Trackers that we did not write: Taskwarrior from Debian, Backlog.md from npm.

Backlog.md is the program that the benchmarks lock, for the one kind of machine that they run on.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.aimock import install_packages
from tests.servers.process import unavailable

_ROOT = Path(__file__).parents[2]
_LOCKED = _ROOT / "benchmarks" / "peers" / "node"
_CACHE = _ROOT / ".cache" / "node-trackers"
_BACKLOG = Path("node_modules/backlog.md-linux-x64/backlog")
_SETTINGS = """\
data.location={folder}/data
confirmation=off
recurrence.confirmation=no
hooks=off
json.array=on
verbose=nothing
uda.estimate.type=numeric
uda.estimate.label=Estimate
uda.reviewer.type=string
uda.reviewer.label=Reviewer
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program that works in a folder of its own."""

    program: str
    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def run(self, *words: str) -> str:
        """Return what a command prints; it must succeed."""
        done = subprocess.run(
            [self.program, *words], cwd=self.folder, env={**os.environ, **self.environ},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout


def taskwarrior(folder: Path) -> Program:
    """Return Taskwarrior with an empty store and two fields of its user."""
    program = shutil.which("task") or unavailable("task (install Debian's package 'taskwarrior')")
    (folder / "data").mkdir(parents=True)
    settings = folder / "taskrc"
    settings.write_text(_SETTINGS.format(folder=folder))
    return Program(program=program, folder=folder, environ={"TASKRC": str(settings)})


def backlog(folder: Path) -> Program:
    """Return Backlog.md in an empty project."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        unavailable("Backlog.md is locked for Linux on x86_64 only")
    program = install_packages(_LOCKED, _CACHE) / _BACKLOG
    folder.mkdir(parents=True)
    made = Program(program=str(program), folder=folder)
    made.run("init", "demo", "--defaults", "--no-git")
    return made
