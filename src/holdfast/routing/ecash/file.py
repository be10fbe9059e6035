"""Open the file of the wallet, for its owner only, and one process at a time to move money."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

from holdfast.clock import Clock
from holdfast.errors import WalletBusy
from holdfast.storage.queries import load_queries
from holdfast.storage.sqlite.errors import BUSY_SECONDS, foreign, too_new, translate
from holdfast.storage.wal import switch_to_log

SCHEMA: Final = 1
QUERIES: Final = load_queries(Path(__file__).with_name("queries.sql"))
_APPLICATION = 0x48465741  # "HFWA"
_OWNER_ONLY = 0o600
_WAIT_SECONDS = 120.0
_PAUSE_SECONDS = 0.05


def open_file(path: Path) -> sqlite3.Connection:
    """Return a connection on a wallet, made if it is missing; nothing in it outlives its disk only.

    Raises:
        StorageError: it is no wallet of ours, or cannot be opened.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # SQLite gives its log the mode of the file.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, _OWNER_ONLY))
        connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
    except (sqlite3.Error, OSError) as error:
        raise translate(error, path) from error
    try:
        _prepare(connection, path)
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error):
            raise translate(error, path) from error
        raise
    return connection


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


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    if not _is_known(connection, path):
        switch_to_log(connection, busy_seconds=BUSY_SECONDS)
        with transaction(connection, path):
            if not _is_known(connection, path):  # nobody else made it meanwhile
                _make(connection)
    connection.execute("PRAGMA synchronous = FULL")


def _is_known(connection: sqlite3.Connection, path: Path) -> bool:
    row = connection.execute(
        "SELECT (SELECT application_id FROM pragma_application_id), "
        "(SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_master)"
    ).fetchone()
    application, version, tables = row
    if (application, version, tables) == (0, 0, 0):
        return False
    if application != _APPLICATION:
        raise foreign(path)
    if version > SCHEMA:
        raise too_new(path, version, SCHEMA)
    return True


def _make(connection: sqlite3.Connection) -> None:
    schema = Path(__file__).with_name("schema.sql").read_text("utf-8")
    lines = [line for line in schema.splitlines() if not line.startswith("--")]
    for statement in "\n".join(lines).split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {_APPLICATION}")
    connection.execute(f"PRAGMA user_version = {SCHEMA}")
