"""Open the file of the wallet, for its owner only, and one process at a time to move money."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

from holdfast.clock import Clock
from holdfast.errors import WalletBusy
from holdfast.storage.owned import Form, connect, open_owned
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


def open_empty() -> sqlite3.Connection:
    """Return a connection on a wallet that holds nothing, and is gone with it."""
    connection = connect(Path(":memory:"))
    connection.executescript(_FORM.made_by.read_text("utf-8"))
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

    Where the block made no wallet, nothing is left of it.

    Raises:
        WalletBusy: somebody else does for too long.
        StorageError: there can be no file.
    """
    place = path.with_name(f"{path.name}.lock")
    lock, waited = _lock(place), 0.0
    while lock is None:
        if waited >= _WAIT_SECONDS:
            raise WalletBusy(
                f"another process has worked with the wallet for {_WAIT_SECONDS:g} seconds",
                hint="it may wait for a mint or a node that does not answer: try again later",
            )
        await clock.sleep(_PAUSE_SECONDS)
        waited += _PAUSE_SECONDS
        lock = _lock(place)
    try:
        yield
    finally:
        _remove_without(path, place)
        os.close(lock)


def _lock(place: Path) -> int | None:
    """Return the file, opened and locked; None if it is somebody else's, or was removed meanwhile."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(place, os.O_CREAT | os.O_RDWR, _OWNER_ONLY)
    except OSError as error:
        if isinstance(error, (FileNotFoundError, FileExistsError)) and not _is_taken(place.parent):
            return None  # the folder was removed meanwhile
        raise translate(error, place) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(lock), place.stat()):
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(lock)
    return None


def _is_taken(folder: Path) -> bool:
    """Whether something else has the place of a folder."""
    try:
        return not stat.S_ISDIR(folder.lstat().st_mode)
    except FileNotFoundError:
        return False


def _remove_without(wallet: Path, place: Path) -> None:
    """Remove a lock that is held if there is no wallet, and its folder if nothing else is in it."""
    if wallet.exists():
        return
    place.unlink()
    with suppress(OSError):
        place.parent.rmdir()
