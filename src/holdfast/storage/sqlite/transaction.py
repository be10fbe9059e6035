"""The rows of a SQLite store, as its writer reads and changes them within one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

from holdfast.clock import Clock
from holdfast.storage.keys import decode_key
from holdfast.storage.seam import Record
from holdfast.storage.sqlite.queries import QUERIES

_FIND_RECORD = QUERIES["find_record"]
_INSERT_RECORD = QUERIES["insert_record"]
_UPDATE_RECORD = QUERIES["update_record"]
_DELETE_RECORD = QUERIES["delete_record"]
_FIND_DUE = QUERIES["find_due"]
_LEASE_RECORD = QUERIES["lease_record"]
_FIND_LOG = QUERIES["find_log"]
_INSERT_LOG = QUERIES["insert_log"]
_INSERT_ENTRY = QUERIES["insert_entry"]
_ERASE_ENTRIES = QUERIES["erase_entries"]
_MARK_ERASED = QUERIES["mark_erased"]

_MAX_KNOWN_LOGS = 10_000
_MOST_ROWS = 100

Times = tuple[int | None, int | None, bytes | None]
"""When a record expires, when it is due, and then the queue that it waits in."""


@dataclass(slots=True)
class Log:
    """The row of a log (None before its first entry), and behind which number it goes on.

    Everything up to `erased` is gone.
    """

    id: int | None
    tail: int
    erased: int = 0

    @property
    def last(self) -> int:
        """The number of the last entry, 0 if there is none."""
        return self.tail if self.tail > self.erased else 0


class Transaction:
    """The writer's connection and what it remembers from one transaction to the next."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._execute = connection.execute
        self._data_version = -1
        self._looked_at = -1
        self._stored_version = 0
        self._version = 0
        self._logs: dict[bytes, Log] = {}
        self._entries: list[tuple[int, int, bytes]] = []
        self.now = 0

    def begin(self) -> None:
        """Start a transaction; forget what another process may have changed."""
        self._execute("BEGIN IMMEDIATE")
        (data_version,) = self._execute("PRAGMA data_version").fetchone()
        if data_version != self._data_version:
            self._data_version = data_version
            self._logs.clear()
            (self._stored_version,) = self._execute(QUERIES["get_counter"]).fetchone()
            self._version = self._stored_version
        elif len(self._logs) > _MAX_KNOWN_LOGS:
            self._logs.clear()
        # Read behind the lock, for which the transaction may have waited.
        self.now = self._clock.now_ms()

    def commit(self) -> None:
        """Write what was gathered and make all of it durable with one sync."""
        self._write_entries()
        if self._version != self._stored_version:
            self._execute(QUERIES["set_counter"], (self._version,))
        self._execute("COMMIT")
        self._stored_version = self._version

    def _write_entries(self) -> None:
        for start in range(0, len(self._entries), _MOST_ROWS):
            rows = self._entries[start : start + _MOST_ROWS]
            # One statement for all: each one is a turn of the interpreter's lock to wait for.
            sql = _INSERT_ENTRY + ", (?, ?, ?)" * (len(rows) - 1)
            self._execute(sql, list(chain.from_iterable(rows)))
        self._entries.clear()

    def rollback(self) -> None:
        """Undo everything since `begin`, also in memory."""
        self._data_version = -1
        self._entries.clear()
        # Where this fails too, the next `begin` reports it.
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._execute("ROLLBACK")

    def purge(self) -> None:
        """Remove some of the expired records."""
        self._execute(QUERIES["purge_expired"], (self.now,))

    def purge_at_once(self) -> None:
        """Do it in a transaction of its own, and without any lock if there is nothing to do."""
        if self._execute(QUERIES["any_expired"], (self._clock.now_ms(),)).fetchone():
            self.begin()
            self.purge()
            self.commit()

    def find(self, key: bytes) -> tuple[int | None, int]:
        """Return the row of a key, expired or not, and its current version (0: absent)."""
        row = self._execute(_FIND_RECORD, (key,)).fetchone()
        if row is None:
            return None, 0
        live = row[2] is None or self.now < row[2]
        return row[0], row[1] if live else 0

    def write(self, row: int | None, key: bytes, times: Times, value: bytes) -> int:
        """Store a record and return its new version."""
        self._version += 1
        if row is None:
            self._execute(_INSERT_RECORD, (key, self._version, *times, value))
        else:
            self._execute(_UPDATE_RECORD, (self._version, *times, value, row))
        return self._version

    def claim(self, queue: bytes, until: int) -> Record | None:
        """Lease the record of a queue that has been due longest."""
        found = self._execute(_FIND_DUE, (queue, self.now, self.now)).fetchone()
        if found is None:
            return None
        row, key, value, expires_at = found
        self._version += 1
        self._execute(_LEASE_RECORD, (self._version, until, row))
        return Record(decode_key(key), value, self._version, expires_at, until)

    def has_foreign_commit(self) -> bool:
        """Return whether another connection has committed since this was asked last."""
        (seen,) = self._execute("PRAGMA data_version").fetchone()
        before, self._looked_at = self._looked_at, seen
        return seen != before

    def remove(self, row: int) -> None:
        """Remove a record."""
        self._execute(_DELETE_RECORD, (row,))

    def log(self, name: bytes) -> Log:
        """Return the log of this name; it has no row before its first entry."""
        log = self._logs.get(name)
        if log is None:
            row = self._execute(_FIND_LOG, (name,)).fetchone()
            log = self._logs[name] = Log(*row) if row else Log(None, 0)
        return log

    def extend(self, log: Log, name: bytes, entries: Sequence[bytes]) -> int:
        """Add entries behind the tail and return the last number; `commit` writes them."""
        if entries:
            if log.id is None:
                log.id = self._execute(_INSERT_LOG, (name,)).lastrowid
                assert log.id is not None
            numbered = enumerate(entries, log.tail + 1)
            self._entries.extend((log.id, number, value) for number, value in numbered)
            log.tail += len(entries)
        return log.last

    def erase(self, log: Log) -> None:
        """Remove all entries of a log."""
        self._write_entries()
        self._execute(_ERASE_ENTRIES, (log.id,))
        self._execute(_MARK_ERASED, (log.tail, log.id))
        log.erased = log.tail
