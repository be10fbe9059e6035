"""Drive the `holdfast` command as a user does: real processes in a fresh folder."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "holdfast"]


@dataclass
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The JSON document that it printed."""
        return json.loads(self.out)

    @property
    def run_id(self) -> str:
        """The id of the run that it announced."""
        found = re.search(r"^run ([0-9a-f]{32})$", self.err, re.MULTILINE)
        assert found, self.err
        return found.group(1)


@dataclass
class Project:
    """A folder to run commands in."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    _started: list[subprocess.Popen[str]] = field(default_factory=list, repr=False)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, *words: str, stdin: str | None = None, **environ: str) -> Done:
        done = subprocess.run(
            [*COMMAND, *words], cwd=self.folder, env=self._env(environ), input=stdin,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def start(
        self, *words: str, stderr: int = subprocess.PIPE, **environ: str
    ) -> subprocess.Popen[str]:
        """Start a command and leave it running; its progress comes line by line on `stderr`."""
        process = subprocess.Popen(
            [*COMMAND, *words], cwd=self.folder, env=self._env(environ), text=True,
            stdout=subprocess.PIPE, stderr=stderr,
        )  # fmt: skip
        self._started.append(process)
        return process

    def end(self) -> None:
        """End what a test that failed has left running, so that no later test hears of it."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def _env(self, environ: Mapping[str, str]) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("HOLDFAST_")}
        # Modules of the project are written anew within a second, which a compiled one does not see.
        own = {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        return {**kept, **own, **self.environ, **environ}


def stop(process: subprocess.Popen[str], how: signal.Signals = signal.SIGKILL) -> Done:
    """Send a signal and wait for the end."""
    process.send_signal(how)
    out, err = process.communicate(timeout=30)
    return Done(process.returncode, out, err)


def wait_for_line(process: subprocess.Popen[str], text: str) -> str:
    """Read progress until a line holds `text`; return all that was read."""
    assert process.stderr is not None
    read = ""
    for line in process.stderr:
        read += line
        if text in line:
            return read
    raise AssertionError(f"{text!r} never came; the process said:\n{read}")


def read_terminal(leader: int) -> str:
    """Return all that a pseudo-terminal was shown whose other end is closed, and close this one.

    One reading may return a line of it only.
    """
    said = b""
    with os.fdopen(leader, "rb", buffering=0) as reading, suppress(OSError):  # which its end is
        while part := reading.read(65_536):
            said += part
    return said.decode()
