"""What the writer of a SQLite store does inside one transaction.

An operation first says what refuses it (`refusal`) and only then changes rows (`apply`), so that
a conflict leaves nothing behind and a batch can ask all of its operations first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from holdfast.clock import Clock
from holdfast.storage.seam import ANY, Conflict
from holdfast.storage.sqlite.queries import QUERIES

_FIND_RECORD = QUERIES["find_record"]
_INSERT_RECORD = QUERIES["insert_record"]
_UPDATE_RECORD = QUERIES["update_record"]
_DELETE_RECORD = QUERIES["delete_record"]
_FIND_LOG = QUERIES["find_log"]
_INSERT_LOG = QUERIES["insert_log"]
_INSERT_ENTRY = QUERIES["insert_entry"]

_MAX_KNOWN_LOGS = 10_000
_MOST_ROWS = 100


@dataclass(slots=True)
class _Log:
    id: int | None
    tail: int


class Transaction:
    """The writer's connection and what it remembers from one transaction to the next."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._execute = connection.execute
        self._data_version = -1
        self._stored_version = 0
        self._version = 0
        self._logs: dict[bytes, _Log] = {}
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
        for start in range(0, len(self._entries), _MOST_ROWS):
            rows = self._entries[start : start + _MOST_ROWS]
            # One statement for all: each one is a turn of the interpreter's lock to wait for.
            sql = _INSERT_ENTRY + ", (?, ?, ?)" * (len(rows) - 1)
            self._execute(sql, list(chain.from_iterable(rows)))
        self._entries.clear()
        if self._version != self._stored_version:
            self._execute(QUERIES["set_counter"], (self._version,))
        self._execute("COMMIT")
        self._stored_version = self._version

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

    def write(self, row: int | None, key: bytes, value: bytes, expires_at: int | None) -> int:
        """Store a record and return its new version."""
        self._version += 1
        if row is None:
            self._execute(_INSERT_RECORD, (key, self._version, expires_at, value))
        else:
            self._execute(_UPDATE_RECORD, (self._version, expires_at, value, row))
        return self._version

    def remove(self, row: int) -> None:
        """Remove a record."""
        self._execute(_DELETE_RECORD, (row,))

    def log(self, name: bytes) -> _Log:
        """Return the log of this name; it has no row before its first entry."""
        log = self._logs.get(name)
        if log is None:
            row = self._execute(_FIND_LOG, (name,)).fetchone()
            log = self._logs[name] = _Log(*row) if row else _Log(None, 0)
        return log

    def extend(self, log: _Log, name: bytes, entries: Sequence[bytes]) -> int:
        """Add entries behind the tail and return the new one; `commit` writes them."""
        if entries:
            if log.id is None:
                log.id = self._execute(_INSERT_LOG, (name,)).lastrowid
                assert log.id is not None
            numbered = enumerate(entries, log.tail + 1)
            self._entries.extend((log.id, number, value) for number, value in numbered)
            log.tail += len(entries)
        return log.tail


class Work(Protocol):
    """Something for the writer to do, with an answer for the caller."""

    def run(self, transaction: Transaction) -> object:
        """Do it within the transaction and return the answer."""
        ...


class Change(Protocol):
    """A write of one record or one log."""

    def refusal(self, transaction: Transaction) -> int | None:
        """Return what is stored if that refuses the change, else None."""
        ...

    def apply(self, transaction: Transaction) -> object:
        """Change the rows and return the answer of the verb."""
        ...


class PutChange:
    """Create or replace a record."""

    __slots__ = ("_expected", "_expires_at", "_key", "_row", "_value")

    def __init__(self, key: bytes, value: bytes, expected: int, expires_at: int | None) -> None:
        self._key = key
        self._value = value
        self._expected = expected
        self._expires_at = expires_at
        self._row: int | None = None

    def refusal(self, transaction: Transaction) -> int | None:
        self._row, current = transaction.find(self._key)
        return None if self._expected in (ANY, current) else current

    def apply(self, transaction: Transaction) -> int:
        return transaction.write(self._row, self._key, self._value, self._expires_at)


class DeleteChange:
    """Remove a record."""

    __slots__ = ("_expected", "_key", "_row")

    def __init__(self, key: bytes, expected: int) -> None:
        self._key = key
        self._expected = expected
        self._row: int | None = None

    def refusal(self, transaction: Transaction) -> int | None:
        self._row, current = transaction.find(self._key)
        return None if self._expected in (ANY, current) else current

    def apply(self, transaction: Transaction) -> None:
        if self._row is not None:
            transaction.remove(self._row)


class AppendChange:
    """Add entries to a log."""

    __slots__ = ("_entries", "_expected", "_log", "_name")

    def __init__(self, name: bytes, entries: Sequence[bytes], expected: int) -> None:
        self._name = name
        self._entries = entries
        self._expected = expected
        self._log: _Log | None = None

    def refusal(self, transaction: Transaction) -> int | None:
        self._log = transaction.log(self._name)
        return None if self._expected in (ANY, self._log.tail) else self._log.tail

    def apply(self, transaction: Transaction) -> int:
        assert self._log is not None
        return transaction.extend(self._log, self._name, self._entries)


class Single:
    """One change on its own."""

    __slots__ = ("_change",)

    def __init__(self, change: Change) -> None:
        self._change = change

    def run(self, transaction: Transaction) -> object:
        current = self._change.refusal(transaction)
        return self._change.apply(transaction) if current is None else Conflict(current)


class Batch:
    """Several changes, all or none."""

    __slots__ = ("_changes",)

    def __init__(self, changes: Sequence[Change]) -> None:
        self._changes = changes

    def run(self, transaction: Transaction) -> Conflict | None:
        for index, change in enumerate(self._changes):
            current = change.refusal(transaction)
            if current is not None:
                return Conflict(current, index)
        for change in self._changes:
            change.apply(transaction)
        return None
