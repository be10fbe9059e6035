"""Open the file of a SQLite store: make it, know it, refuse what is not ours."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from holdfast.storage.seam import Ack
from holdfast.storage.sqlite import errors
from holdfast.storage.sqlite.queries import QUERIES
from holdfast.storage.wal import switch_to_log

APPLICATION_ID = 0x484F4C44
"""The bytes `HOLD` in the header of the file."""

SCHEMA = 2

# 1 KB entries take 1.16 KB with pages of 8 KB (1.35 with 4 KB), and a commit of one entry is no
# slower; pages of 16 KB would save 6 % more and write twice as much a commit.
_PAGE_BYTES = 8192
# 4 MB of log. A short one is soon overwritten in place, which the disk syncs twice as fast as
# a file that grows.
_CHECKPOINT_PAGES = 500
_KEPT_LOG_BYTES = 64 * 1024 * 1024
_CACHE_KB = 8 * 1024
_SYNCHRONOUS: dict[Ack, str] = {"disk": "FULL", "os": "NORMAL", "memory": "OFF"}

_UPGRADES = {1: "add_erased"}
"""What makes a file of a schema one of the next schema."""

_CREATION = (
    "create_counter",
    "start_counter",
    "create_records",
    "create_expiry_index",
    "create_due_index",
    "create_logs",
    "create_entries",
    "create_entry_index",
)


def open_file(path: Path, ack: Ack) -> sqlite3.Connection:
    """Return a connection that may write, on a store that exists then.

    A missing folder is made for the owner only, and so is the file.

    Raises:
        StorageError: the file is not a store of ours, or cannot be opened; or the driver's own
            error, for `sqlite_errors.translate`.
    """
    _make_file(path, ack)
    connection = connect(path)
    try:
        if not _schema_of(connection, path):
            connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        switch_to_log(connection, busy_seconds=errors.BUSY_SECONDS)
        connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[ack]}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {_KEPT_LOG_BYTES}")
        _bring_up(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def connect(path: Path) -> sqlite3.Connection:
    """Return a bare connection in autocommit mode, usable from any one thread at a time."""
    connection = sqlite3.connect(
        path, timeout=errors.BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
    except BaseException:
        connection.close()
        raise
    return connection


def _make_file(path: Path, ack: Ack) -> None:
    missing = [folder for folder in path.parents if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
        if ack == "disk":
            _sync_folder(folder.parent)
    # Only a new file may be opened here: closing a descriptor of a file would drop the locks
    # that SQLite holds on it elsewhere in this process.
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _schema_of(connection: sqlite3.Connection, path: Path) -> int:
    """Return which of our schemas the file has; 0 for an empty file."""
    # In one snapshot, whether or not within a transaction: another process may be creating it.
    connection.execute("SAVEPOINT identity")
    application = _number(connection, "PRAGMA application_id")
    version = _number(connection, "PRAGMA user_version")
    tables = _number(connection, "SELECT count(*) FROM sqlite_master")
    connection.execute("RELEASE identity")
    if (application, version, tables) == (0, 0, 0):
        return 0
    if application != APPLICATION_ID:
        raise errors.foreign(path)
    if version > SCHEMA:
        raise errors.too_new(path, version, SCHEMA)
    return version


def _bring_up(connection: sqlite3.Connection, path: Path) -> None:
    """Give the file the newest schema, be it empty or of an earlier one."""
    if _schema_of(connection, path) == SCHEMA:
        return
    connection.execute("BEGIN IMMEDIATE")
    # Another process may have been faster.
    found = _schema_of(connection, path)
    changes = _CREATION if not found else [_UPGRADES[each] for each in range(found, SCHEMA)]
    for name in changes:
        connection.execute(QUERIES[name])
    connection.execute(f"PRAGMA user_version = {SCHEMA}")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("COMMIT")


def _number(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])
