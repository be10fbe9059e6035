"""Open the file of the ledger."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from holdfast.storage.owned import Form, connect, open_owned
from holdfast.storage.queries import load_queries
from holdfast.storage.seam import Ack

_TRUST = """
CREATE TABLE trust (provider TEXT PRIMARY KEY, recent TEXT NOT NULL, distrust TEXT NOT NULL)
STRICT, WITHOUT ROWID
"""
_FORM = Form(
    number=0x48464C47,  # "HFLG"
    schema=3,
    made_by=Path(__file__).with_name("schema.sql"),
    steps={
        1: ("ALTER TABLE requests ADD COLUMN served_tier TEXT NOT NULL DEFAULT ''",),
        # Its table `conducts` stays for the processes of that version.
        2: (
            _TRUST,
            "INSERT INTO trust SELECT provider, recent, distrust FROM conducts",
        ),
    },
    # A booking changes a row or two of each of six pages, and all of each goes to the log.
    page_bytes=2048,
)
QUERIES = load_queries(Path(__file__).with_name("queries.sql"))
_SYNCHRONOUS: dict[Ack, str] = {"disk": "FULL", "os": "NORMAL", "memory": "OFF"}


def open_to_write(path: Path, ack: Ack) -> sqlite3.Connection:
    """Return a connection on a ledger that exists then; the file is made for the owner only.

    Raises:
        StorageError: it is not a ledger of ours; or the driver's own error, to be translated.
    """
    connection = open_owned(path, _FORM, synchronous=_SYNCHRONOUS[ack])
    try:
        # The session waits for others and moves the log itself.
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA busy_timeout = 0")
    except BaseException:
        connection.close()
        raise
    return connection


def open_to_read(path: Path) -> sqlite3.Connection:
    """Return a connection that cannot change anything."""
    connection = connect(path)
    try:
        connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection
