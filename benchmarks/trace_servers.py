"""Servers of others that take spans over OTLP: start one, send it the same load, see when it is stored.

Each has an environment of its own, `.venv-NAME`. When a span is stored is read from the SQLite file that
each of them keeps, the quickest way there is to see it.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.measure import ROOT, Results, fresh_folder
from benchmarks.otlp_load import batches, pin, resident_mib, send, wait_for

_READY_SECONDS, _SEEN_SECONDS = 300.0, 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """How to start a server. In `command`, `{python}`, `{port}` and `{folder}` are filled in."""

    name: str
    command: Sequence[str]
    health: str
    database: str
    environment: Mapping[str, str]
    headers: Mapping[str, str]

    @property
    def python(self) -> Path:
        return ROOT / f".venv-{self.name}" / "bin" / "python"


PHOENIX = Server(
    name="phoenix",
    command=("{python}", "-m", "phoenix.server.main", "serve"),
    health="/healthz",
    database="phoenix.db",
    environment={
        "PHOENIX_WORKING_DIR": "{folder}",
        "PHOENIX_PORT": "{port}",
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_GRPC_PORT": "{other}",
        "PHOENIX_TELEMETRY_ENABLED": "false",
    },
    headers={},
)
MLFLOW = Server(
    name="mlflow",
    command=(
        "{python}", "-m", "mlflow", "server", "--backend-store-uri", "sqlite:///{folder}/mlflow.db",
        "--host", "127.0.0.1", "--port", "{port}", "--workers", "1",
    ),
    health="/health",
    database="mlflow.db",
    environment={"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
    headers={"x-mlflow-experiment-id": "0"},
)  # fmt: skip


def is_there(server: Server) -> bool:
    """Whether its environment was made."""
    return server.python.exists()


def measured(server: Server, folder: Path, spans: int) -> Results:
    """Return how many spans a second it takes in until they are stored, and its memory."""
    with fresh_folder(folder) as fresh:
        return _measured(server, fresh, spans)


def _measured(server: Server, folder: Path, spans: int) -> Results:
    port, other = _free_port(), _free_port()
    fill = {"python": server.python, "port": port, "other": other, "folder": folder}
    words = [each.format(**fill) for each in server.command]
    environment = {name: each.format(**fill) for name, each in server.environment.items()}
    address = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log, subprocess.Popen(
        words, cwd=folder, env={**os.environ, **environment}, stdout=log, stderr=log,
        preexec_fn=partial(pin, 0),  # noqa: PLW1509 - no threads yet
    ) as process:  # fmt: skip
        try:
            _wait_until_ready(process, address + server.health, folder / "log")
            database = folder / server.database
            warm = batches(512)
            send(address, warm, headers=server.headers)
            wait_for(lambda: _stored(database) >= 512, _SEEN_SECONDS)
            seconds = send(address, batches(spans), headers=server.headers)
            seconds += wait_for(lambda: _stored(database) >= 512 + spans, _SEEN_SECONDS)
            return {"ingest_per_s": spans / seconds, "ingest_mib": resident_mib(process.pid)}
        finally:
            process.terminate()
            process.wait(30)


def _stored(database: Path) -> int:
    """Return how many spans are in a file, 0 while there is no table yet."""
    try:
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)
    except sqlite3.OperationalError:
        return 0
    try:
        return connection.execute("SELECT count(*) FROM spans").fetchone()[0]
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


def _wait_until_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said = log.read_text("utf-8", "replace")[-2000:]
            raise RuntimeError(f"the server ended with {process.returncode}: {said}")
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"{address} does not answer")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
