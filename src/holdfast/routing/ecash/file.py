"""Open the file of the wallet, for its owner only, and one process at a time to move money."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from holdfast.clock import Clock
from holdfast.errors import WalletBusy
from holdfast.storage.owned import Form, open_owned
from holdfast.storage.queries import load_queries
from holdfast.storage.sqlite.errors import translate

QUERIES: Final = load_queries(Path(__file__).with_name("queries.sql"))
_FORM: Final = Form(
    number=0x48465741,  # "HFWA"
    schema=1,
    made_by=Path(__file__).with_name("schema.sql"),
)
_OWNER_ONLY = 0o600
_WAIT_SECONDS = 120.0
_PAUSE_SECONDS = 0.05


def open_file(path: Path) -> sqlite3.Connection:
    """Return a connection on a wallet, made if it is missing; each change of it is on disk.

    Raises:
        StorageError: it is no wallet of ours, or cannot be opened.
    """
    try:
        return open_owned(path, _FORM, synchronous="FULL")
    except (sqlite3.Error, OSError) as error:
        raise translate(error, path) from error


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path) -> Generator[sqlite3.Connection]:
    """Do all of a block, on disk at its end, or nothing of it.

    Raises:
        StorageError: the disk or the file failed; nothing of the block was done.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    except sqlite3.Error as error:
        raise translate(error, path) from error


@asynccontextmanager
async def alone(path: Path, clock: Clock) -> AsyncGenerator[None]:
    """Let nobody else move money of the wallet during a block; a process that dies lets go at once.

    Raises:
        WalletBusy: somebody else does for too long.
    """
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_CREAT | os.O_RDWR, _OWNER_ONLY)
    try:
        waited = 0.0
        while not _is_ours(lock):
            if waited >= _WAIT_SECONDS:
                raise WalletBusy(
                    f"another process has worked with the wallet for {_WAIT_SECONDS:g} seconds",
                    hint="it may wait for a mint or a node that does not answer: try again later",
                )
            await clock.sleep(_PAUSE_SECONDS)
            waited += _PAUSE_SECONDS
        yield
    finally:
        os.close(lock)


def _is_ours(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
