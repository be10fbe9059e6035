"""Write in groups and read beside it: what the two threads of a SQLite store do.

The writer takes everything that is queued into one transaction (*group commit*), so that one
sync of the disk acknowledges all of it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from holdfast.clock import Clock
from holdfast.storage.outcomes import Outcome
from holdfast.storage.seam import Ack
from holdfast.storage.sqlite.errors import translate
from holdfast.storage.sqlite.file import connect, open_file
from holdfast.storage.sqlite.operations import Look, Work
from holdfast.storage.sqlite.transaction import Transaction
from holdfast.storage.watchers import Watchers

_COMMITS_BETWEEN_PURGES = 1000

Reading = Callable[[sqlite3.Connection, int], object]


class WriteSession:
    """The transactions of the writer."""

    def __init__(self, path: Path, clock: Clock, ack: Ack, watchers: Watchers) -> None:
        self._path = path
        self._clock = clock
        self._ack: Ack = ack
        self._watchers = watchers
        self._connection: sqlite3.Connection
        self._transaction: Transaction
        self._commits = 0

    def open(self) -> None:
        try:
            self._connection = open_file(self._path, self._ack)
        except (sqlite3.Error, OSError) as error:
            raise translate(error, self._path) from error
        self._transaction = Transaction(self._connection, self._clock)
        try:
            self._transaction.purge_at_once()
        except sqlite3.Error as error:
            self._connection.close()
            raise translate(error, self._path) from error

    def serve(self, group: list[Work]) -> list[Outcome]:
        transaction = self._transaction
        if len(group) == 1 and isinstance(group[0], Look):
            return [self._look(group[0])]
        try:
            transaction.begin()
        except sqlite3.Error as error:
            # Nothing was tried, and waiting again for each request would take its time.
            transaction.rollback()
            return [_failure(error, self._path) for _ in group]
        try:
            outcomes = [Outcome(work.run(transaction)) for work in group]
            self._purge_sometimes()
            transaction.commit()
        except Exception as error:  # noqa: BLE001 - delivered to the caller
            return self._recover(group, error)
        if self._watchers:
            self._watchers.tell(target for work in group for target in work.targets())
        return outcomes

    def close(self) -> None:
        # Another process may be reading; then its last connection moves the log.
        with suppress(sqlite3.Error):
            self._connection.execute("PRAGMA busy_timeout = 1000")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._connection.close()

    def _look(self, look: Look) -> Outcome:
        """Look without a transaction, which would wait for the writers of other processes."""
        try:
            return Outcome(look.run(self._transaction))
        except sqlite3.Error as error:
            return _failure(error, self._path)

    def _recover(self, group: list[Work], error: Exception) -> list[Outcome]:
        """Undo the group; if it has company, let each request fail or succeed on its own."""
        self._transaction.rollback()
        if len(group) == 1:
            return [_failure(error, self._path)]
        return [outcome for work in group for outcome in self.serve([work])]

    def _purge_sometimes(self) -> None:
        self._commits += 1
        if self._commits % _COMMITS_BETWEEN_PURGES == 0:
            self._transaction.purge()


class ReadSession:
    """The reads, each on what was committed when it began."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._connection: sqlite3.Connection

    def open(self) -> None:
        try:
            self._connection = connect(self._path)
        except sqlite3.Error as error:
            raise translate(error, self._path) from error
        try:
            self._connection.execute("PRAGMA query_only = ON")
        except sqlite3.Error as error:
            self._connection.close()
            raise translate(error, self._path) from error

    def serve(self, group: list[Reading]) -> list[Outcome]:
        now = self._clock.now_ms()
        return [self._read(reading, now) for reading in group]

    def close(self) -> None:
        self._connection.close()

    def _read(self, reading: Reading, now: int) -> Outcome:
        try:
            return Outcome(reading(self._connection, now))
        except Exception as error:  # noqa: BLE001 - delivered to the caller
            return _failure(error, self._path)


def _failure(error: Exception, path: Path) -> Outcome:
    """Return the outcome for one caller; each gets an exception of its own."""
    failure = translate(error, path)
    if failure is not error:
        failure.__cause__ = error
    return Outcome(error=failure)
