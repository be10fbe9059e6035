"""Start a server for tests, wait until it is ready, and make sure that it ends."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import NoReturn

import pytest

READY_WITHIN = 60.0
ENDS_WITHIN = 5.0

# Below the ports that the system gives to clients: no connection takes one between the look and
# the server's start, or while a server is down. Each worker of pytest-xdist has ports of its own.
_FIRST_PORT, _PORTS, _SHARES = 12_000, 2_000, 10


def _ports() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = _FIRST_PORT + _PORTS * (worker % _SHARES)
    begin = secrets.randbelow(_PORTS)  # another suite on this machine begins elsewhere
    return (first + (begin + each) % _PORTS for each in cycle(range(_PORTS)))


_candidates = _ports()


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on now."""
    for port in _candidates:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("the candidates have no end")


@contextmanager
def running(
    command: Sequence[str], *, health: str, log: Path, environ: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` from when `health` answers 200 until the end of the block."""
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environ or {})},
        ) as process,
    ):
        try:
            _wait_until_ready(process, health, log)
            yield process
        finally:
            _end(process)


def unavailable(reason: str) -> NoReturn:
    """Skip with a reason at a desk; fail in continuous integration, where nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(f"a server for tests is missing: {reason}")
    pytest.skip(f"a server for tests is missing: {reason}")


def _wait_until_ready(process: subprocess.Popen[bytes], health: str, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(health, timeout=1) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        try:
            process.wait(0.02)  # the pause between two looks, which also notices a crash
        except subprocess.TimeoutExpired:
            continue
        break
    raise AssertionError(f"{process.args!r} did not come up:\n{log.read_text(errors='replace')}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(ENDS_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
