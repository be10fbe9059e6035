"""Servers that speak like DynamoDB: moto and dynalite, neither of which we wrote.

Moto knows transactions and never deletes what has expired. Dynalite has no transactions, takes
no setting for expiry, and is strict about sizes. `VARIABLE` may name another endpoint, see
`tests/storage/test_dynamodb_named.py`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from tests.servers import aimock
from tests.servers.process import free_port, running, unavailable

if TYPE_CHECKING:
    from holdfast.storage.dynamodb import Address

REGION = "eu-central-1"
VARIABLE = "HOLDFAST_TEST_DYNAMODB"
_MOTO = Path(__file__).with_name("moto_child.py")
_DYNALITE = Path("node_modules/dynalite/cli.js")
_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class DynamoServer:
    """A server, and whether each store gets a table of its own or only a prefix."""

    endpoint: str
    region: str = REGION
    shared_table: bool = False

    def address(self, prefix: str = "p") -> Address:
        """Return the address of a store that no other test has."""
        from holdfast.storage.dynamodb import Address

        name = f"t{os.getpid()}-{next(_numbers)}"
        table, prefix = ("holdfast-tests", name) if self.shared_table else (name, prefix)
        return Address(table=table, region=self.region, endpoint=self.endpoint, prefix=prefix)


@contextmanager
def moto_server(folder: Path) -> Iterator[DynamoServer]:
    """Serve by moto until the end of the block."""
    try:
        import moto.server
    except ImportError as error:
        unavailable(f"{error} (install the dependency group 'services')")
    del moto
    port = free_port()
    root = f"http://127.0.0.1:{port}"
    command = [sys.executable, str(_MOTO), str(port)]
    with running(command, health=f"{root}/moto-api/", log=folder / "log"):
        yield DynamoServer(root)


@contextmanager
def dynalite_server(folder: Path) -> Iterator[DynamoServer]:
    """Serve by dynalite until the end of the block, from memory."""
    port = free_port()
    with _dynalite(folder, port):
        yield DynamoServer(f"http://127.0.0.1:{port}", shared_table=True)


class RestartableDynalite:
    """Dynalite with its data in a folder; enter it, and `restart` it as often as you like."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._running = ExitStack()
        self.server = DynamoServer(f"http://127.0.0.1:{self._port}", shared_table=True)

    def __enter__(self) -> RestartableDynalite:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def restart(self) -> None:
        """End the server and start it on the same port and data."""
        self._running.close()
        self._start()

    def _start(self) -> None:
        data = str(self._folder / "data")
        self._running.enter_context(_dynalite(self._folder, self._port, "--path", data))


@contextmanager
def _dynalite(folder: Path, port: int, *options: str) -> Iterator[None]:
    root = f"http://127.0.0.1:{port}"
    command = [aimock.node(), str(aimock.packages() / _DYNALITE), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--createTableMs", "0", "--deleteTableMs", "0", *options]
    with running(command, health=root, log=folder / "log"):
        yield


@contextmanager
def local_credentials() -> Iterator[None]:
    """Let the driver find credentials that any local server takes, and nothing else."""
    before = {name: os.environ.get(name) for name in _CREDENTIALS}
    os.environ.update(_CREDENTIALS)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
