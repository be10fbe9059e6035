"""Switch a SQLite file to its write-ahead log, which SQLite itself does not wait for."""

from __future__ import annotations

import sqlite3
import threading

_PAUSE_SECONDS = 0.01


def switch_to_log(connection: sqlite3.Connection, *, busy_seconds: float) -> None:
    """Set the write-ahead log; wait that long for others who are about to do the same.

    Raises:
        sqlite3.OperationalError: it stays locked.
    """
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode == "wal":
        return
    pause = threading.Event()
    for _ in range(int(busy_seconds / _PAUSE_SECONDS)):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            pause.wait(_PAUSE_SECONDS)
        else:
            return
    connection.execute("PRAGMA journal_mode = WAL")
