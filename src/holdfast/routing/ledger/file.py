"""Open the file of the ledger: make it, know it, refuse what is not ours."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from holdfast.storage.queries import load_queries
from holdfast.storage.seam import Ack
from holdfast.storage.sqlite.errors import BUSY_SECONDS, foreign, too_new
from holdfast.storage.wal import switch_to_log

SCHEMA = 2
_STEPS = {1: ("ALTER TABLE requests ADD COLUMN served_tier TEXT NOT NULL DEFAULT ''",)}
"""What leads from each older schema to the next."""
QUERIES = load_queries(Path(__file__).with_name("queries.sql"))
_APPLICATION = 0x48464C47  # "HFLG"
_SYNCHRONOUS: dict[Ack, str] = {"disk": "FULL", "os": "NORMAL", "memory": "OFF"}


def open_to_write(path: Path, ack: Ack) -> sqlite3.Connection:
    """Return a connection on a ledger that exists then; the file is made for the owner only.

    Raises:
        StorageError: it is not a ledger of ours; or the driver's own error, to be translated.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Only a new file may be opened here: closing a descriptor drops the locks of SQLite on the file.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    connection = _connect(path)
    try:
        if not _is_known(connection, path):
            switch_to_log(connection, busy_seconds=BUSY_SECONDS)
            _make(connection, path)
        _bring_up(connection)
        connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[ack]}")
        # The session waits for others and moves the log itself.
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA busy_timeout = 0")
    except BaseException:
        connection.close()
        raise
    return connection


def open_to_read(path: Path) -> sqlite3.Connection:
    """Return a connection that cannot change anything."""
    connection = _connect(path)
    try:
        connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )


def _is_known(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether the file has our schema; False for an empty file."""
    # One snapshot: another process may be making it.
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


def _bring_up(connection: sqlite3.Connection) -> None:
    """Lead an older schema to ours; processes of the version before go on with it."""
    if _version(connection) == SCHEMA:
        return
    connection.execute("BEGIN IMMEDIATE")
    for version in range(_version(connection), SCHEMA):
        for statement in _STEPS[version]:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _make(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    if not _is_known(connection, path):  # nobody else made it meanwhile
        schema = Path(__file__).with_name("schema.sql").read_text("utf-8")
        lines = [line for line in schema.splitlines() if not line.startswith("--")]
        for statement in "\n".join(lines).split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
    connection.execute("COMMIT")
