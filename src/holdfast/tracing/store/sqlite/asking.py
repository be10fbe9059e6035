"""Let people ask the traces in SQL: one query that only reads, on a connection of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib.resources import files
from pathlib import Path
from threading import Event, Lock, Thread

from holdfast.clock import Clock
from holdfast.errors import UsageError
from holdfast.storage.sqlite.errors import translate
from holdfast.tracing.store.asking import HINT, MOST_SECONDS
from holdfast.tracing.store.packing import Pack, unpack
from holdfast.tracing.store.relational.shown import rows_of
from holdfast.tracing.store.relational.texts import as_name

_Found = tuple[Sequence[str], Sequence[Sequence[object]]]
_STEPS = 100_000
_ALLOWED = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
_FORBIDDEN = {"load_extension", "writefile", "readfile", "edit"}


def ask(path: Path, sql: str, limit: int, clock: Clock) -> _Found:
    """Return the columns and at most `limit` rows of a query.

    Raises:
        UsageError: it is not one statement, it would write, it takes too long, or is no SQL.
    """
    address = f"file:{path.absolute().as_posix()}?mode=ro"
    connection = sqlite3.connect(address, uri=True, timeout=30, check_same_thread=False)
    try:
        return _interruptibly(connection, partial(_ask, connection, sql, limit, clock))
    except sqlite3.DatabaseError as error:
        if _code(error) & 0xFF in {
            sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR,
        }:  # fmt: skip
            raise translate(error, path) from error
        raise UsageError(f"the query cannot be answered: {_reason(error)}", hint=HINT) from error
    except sqlite3.Warning as error:
        raise UsageError("give one statement", hint="without a second one behind a ';'") from error
    finally:
        connection.close()


def _interruptibly(connection: sqlite3.Connection, work: Callable[[Event], _Found]) -> _Found:
    """Return what the work returns; an interrupt ends it at once and stays an interrupt.

    SQLite turns whatever is raised within its callbacks into an error of its own. So the work is
    done in another thread: interrupts come to the main one.
    """
    asking = _Asking(work)
    try:
        asking.start()
        asking.ended.wait()
    except BaseException:
        if asking.stop():  # the query may not have begun, then nothing hears an interrupt yet
            connection.interrupt()
            asking.wait_for_the_end()
        raise
    return asking.outcome()


class _Asking(Thread):
    """A query on its way. An interrupt may come at any moment, also while the thread is starting."""

    def __init__(self, work: Callable[[Event], _Found]) -> None:
        super().__init__(daemon=True)
        self.ended = Event()
        self._work = work
        self._stopping = Event()
        self._gate = Lock()
        self._begun = False
        self._found: _Found | BaseException | None = None

    def run(self) -> None:
        with self._gate:
            if self._stopping.is_set():
                return
            self._begun = True
        try:
            self._found = self._work(self._stopping)
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            self._found = error
        finally:
            self.ended.set()

    def stop(self) -> bool:
        """Ask for the end; tell whether the work has begun and has to be waited for."""
        with self._gate:
            self._stopping.set()
            return self._begun

    def wait_for_the_end(self) -> None:
        """Return when the work has ended, whatever comes: the connection is closed next."""
        while not self.ended.is_set():
            with suppress(KeyboardInterrupt):
                self.ended.wait()

    def outcome(self) -> _Found:
        """Return what was found, or raise what went wrong."""
        if isinstance(self._found, BaseException):
            raise self._found
        assert self._found is not None
        return self._found


def _ask(
    connection: sqlite3.Connection, sql: str, limit: int, clock: Clock, stopping: Event
) -> _Found:
    _add_views(connection)
    connection.execute("PRAGMA query_only = 1")
    deadline = clock.monotonic_ns() + int(MOST_SECONDS * 1e9)
    connection.set_progress_handler(
        lambda: stopping.is_set() or clock.monotonic_ns() > deadline, _STEPS
    )
    connection.set_authorizer(_authorise)
    cursor = connection.execute(sql)
    if cursor.description is None:
        raise UsageError("the query returns nothing", hint=HINT)
    columns = [name for name, *_ in cursor.description]
    return columns, cursor.fetchmany(limit)


def _authorise(
    action: int, first: str | None, second: str | None, _base: str | None, _view: str | None
) -> int:
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _FORBIDDEN:
        return sqlite3.SQLITE_DENY
    del first
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


def _code(error: sqlite3.DatabaseError) -> int:
    """Return the code of SQLite, 0 for what the driver found itself."""
    return getattr(error, "sqlite_errorcode", 0)


def _reason(error: sqlite3.DatabaseError) -> str:
    if _code(error) == sqlite3.SQLITE_AUTH:
        return "it would do more than read"
    if _code(error) == sqlite3.SQLITE_INTERRUPT:
        return f"it takes longer than {MOST_SECONDS:g} s"
    return str(error)


def _add_views(connection: sqlite3.Connection) -> None:
    held = connection.execute("SELECT number, name FROM names")
    names = {number: as_name(name) for number, name in held}

    def rows(trace: str, count: int, columns: bytes, bodies: bytes) -> str:
        return rows_of(unpack(trace, Pack(count, columns, bodies), names.__getitem__))

    connection.create_function("holdfast_rows", 4, rows, deterministic=True)
    text = files("holdfast.tracing.store.sqlite").joinpath("views.sql").read_text("utf-8")
    connection.executescript(text)
