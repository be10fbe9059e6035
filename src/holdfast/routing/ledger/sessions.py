"""Book in groups and read beside it: what the two threads of a ledger do."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from holdfast.errors import CallerError
from holdfast.routing.ledger.booking import Booking
from holdfast.routing.ledger.file import open_to_read, open_to_write
from holdfast.storage.liveness import LockFiles
from holdfast.storage.outcomes import Outcome
from holdfast.storage.seam import Ack
from holdfast.storage.sqlite.errors import BUSY_SECONDS, translate

_MOST_AT_ONCE = 32
_COMMITS_A_LOG = 400
_PAUSE_SECONDS = 0.001

Work = Callable[[Booking], object]
Reading = Callable[[sqlite3.Connection], object]


class BookingSession:
    """The transactions of one process: everything that is queued shares one.

    While it is open the process holds a lock on a file named after it. What a process without
    such a lock has on its way is in doubt.

    A few requests that need not wait for the disk are served in the event loop itself, which costs
    less than waking the thread: a transaction is then some writes to memory of the system. It leaves
    to the thread whatever takes longer: other processes that write, and moving the log.
    """

    def __init__(self, path: Path, ack: Ack, process: str) -> None:
        self._path = path
        self._ack: Ack = ack
        self._process = process
        self._locks = path.with_name(f"{path.name}-users")
        self._own = LockFiles(self._locks)
        self._connection: sqlite3.Connection
        self._cursor: sqlite3.Cursor
        self._booking: Booking
        self._commits = 0
        self._pause = threading.Event()

    def open(self) -> None:
        try:
            self._connection = open_to_write(self._path, self._ack)
        except (sqlite3.Error, OSError) as error:
            raise translate(error, self._path) from error
        try:
            self._own.announce(self._process)
            # One for all statements, each read to its end: a connection makes one for each of them.
            self._cursor = self._connection.cursor()
            self._booking = Booking(self._cursor, self._process)
            self._transact([self.sweep], patient=True)
        except BaseException as error:
            self.close()
            raise translate(error, self._path) if isinstance(error, Exception) else error from error

    def serve_now(self, group: list[Work]) -> list[Outcome] | None:
        if self._ack == "disk" or len(group) > _MOST_AT_ONCE or self._is_log_long():
            return None
        try:
            return self._transact(group)
        except Exception:  # noqa: BLE001 - the thread tries again, and tells what is wrong
            return None

    def serve(self, group: list[Work]) -> list[Outcome]:
        outcomes = self._serve(group)
        if self._is_log_long():
            self._commits = 0
            with suppress(sqlite3.Error):  # somebody reads: the next time
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        return outcomes

    def _serve(self, group: list[Work]) -> list[Outcome]:
        try:
            return self._transact(group, patient=True)
        except Exception as error:  # noqa: BLE001 - delivered to the caller
            if len(group) == 1:
                return [self._failure(error)]
            # Let each request fail or succeed on its own.
            return [outcome for work in group for outcome in self._serve([work])]

    def close(self) -> None:
        with suppress(sqlite3.Error, AttributeError):
            self._transact([lambda booking: booking.doubt([self._process])], patient=True)
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._connection.close()
        self._own.retire()

    def sweep(self, booking: Booking) -> int:
        """Put in doubt what processes that are gone had on their way."""
        gone = [each for each in booking.processes() if self._is_gone(each)]
        count = booking.doubt(gone)
        for process in gone:
            self._own.forget(process)
        return count

    def _is_gone(self, process: str) -> bool:
        if process == self._process:
            return False
        return not (self._locks / f"{process}.lock").exists() or self._own.is_dead(process)

    def _transact(self, group: list[Work], *, patient: bool = False) -> list[Outcome]:
        booking = self._booking
        self._begin(BUSY_SECONDS if patient else 0)
        try:
            booking.begin()
            outcomes = [_run(work, booking) for work in group]
            booking.flush()
            self._cursor.execute("COMMIT")
            self._commits += 1
        except BaseException:
            booking.forget()
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return outcomes

    def _begin(self, seconds: float) -> None:
        """Begin to write; wait that long for others who do."""
        for _ in range(int(seconds / _PAUSE_SECONDS)):
            try:
                self._cursor.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
                self._pause.wait(_PAUSE_SECONDS)
            else:
                return
        self._cursor.execute("BEGIN IMMEDIATE")

    def _is_log_long(self) -> bool:
        return self._commits >= _COMMITS_A_LOG

    def _failure(self, error: Exception) -> Outcome:
        failure = translate(error, self._path)
        if failure is not error:
            failure.__cause__ = error
        return Outcome(error=failure)


class ReadingSession:
    """The reads, each on what was committed when it began."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection

    def open(self) -> None:
        try:
            self._connection = open_to_read(self._path)
        except (sqlite3.Error, OSError) as error:
            raise translate(error, self._path) from error

    def serve(self, group: list[Reading]) -> list[Outcome]:
        return [self._read(reading) for reading in group]

    def close(self) -> None:
        self._connection.close()

    def _read(self, reading: Reading) -> Outcome:
        try:
            return Outcome(reading(self._connection))
        except Exception as error:  # noqa: BLE001 - delivered to the caller
            return Outcome(error=translate(error, self._path))


def _run(work: Work, booking: Booking) -> Outcome:
    """Return what a request came to; one that is refused has changed nothing."""
    try:
        return Outcome(work(booking))
    except CallerError as error:
        return Outcome(error=error)
