"""Open the file of the traces, and turn what SQLite reports into errors that say what to do."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib.resources import files
from pathlib import Path

from holdfast.errors import StorageError
from holdfast.storage.sqlite.errors import foreign, too_new, translate
from holdfast.storage.wal import switch_to_log
from holdfast.tracing.store.relational.database import Connection, Dialect
from holdfast.tracing.store.words import match_of

SCHEMA = 2
_APPLICATION = 0x48465452  # "HFTR"
_BUSY_SECONDS = 30.0
IN_MEMORY = ":memory:"


DIALECT = Dialect(
    day="date(c.start_ns / 1000000000, 'unixepoch')",
    packed="length(p.columns) + length(p.bodies)",
    matches="words MATCH ?",
    word="?",
    match_of=match_of,
    text_of=str,
)


class _Connection(sqlite3.Connection):
    dialect = DIALECT


class SqliteDatabase:
    """A `Database` in the file `path`; `":memory:"` is gone with the object."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.in_memory = path == IN_MEMORY
        self._lock = threading.RLock()
        self._depth = 0
        self._connection = self._open(path)

    def close(self) -> None:
        """Close it; a second time does nothing."""
        with self._lock:
            self._connection.close()

    def reading(self) -> AbstractContextManager[Connection]:
        return self._turn("BEGIN")

    def adding(self) -> AbstractContextManager[Connection]:
        return self._turn("BEGIN IMMEDIATE")

    changing = adding

    def used(self) -> int:
        with self.reading() as connection:
            free, size = _told(connection, "freelist_count"), _told(connection, "page_size")
            return (_told(connection, "page_count") - free) * size

    def size(self) -> int:
        with self.reading() as connection:
            return _told(connection, "page_count") * _told(connection, "page_size")

    def give_back(self) -> None:
        with self._lock:
            try:
                # As a script: each step frees a page, and `execute` takes one step only.
                self._connection.executescript("PRAGMA incremental_vacuum")
            except sqlite3.Error as error:
                raise translate(error, self.path) from error

    @contextmanager
    def _turn(self, begin: str) -> Generator[_Connection]:
        with self._lock:
            connection = self._connection
            outermost = not self._depth
            self._depth += 1
            try:
                if outermost:
                    connection.execute(begin)
                yield connection
                if outermost:
                    connection.execute("COMMIT")
            except BaseException as error:
                if outermost:
                    _roll_back(connection)
                if isinstance(error, sqlite3.Error):
                    raise translate(error, self.path) from error
                raise
            finally:
                self._depth -= 1

    def _open(self, path: str) -> _Connection:
        try:
            if not self.in_memory:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.path.touch(mode=0o600)
            connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False,
                factory=_Connection,
            )  # fmt: skip
        except (OSError, sqlite3.Error) as error:
            raise translate(error, self.path) from error
        try:
            self._prepare(connection)
        except BaseException as error:
            connection.close()
            if isinstance(error, sqlite3.Error):
                raise translate(error, self.path) from error
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables:  # the version is read behind them: somebody may be making both just now
            (found,) = connection.execute("PRAGMA user_version").fetchone()
            self._check(connection, found)
        else:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        if not self.in_memory:
            switch_to_log(connection, busy_seconds=_BUSY_SECONDS)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -16384")
        connection.execute("PRAGMA temp_store = MEMORY")
        if not tables:
            self._make(connection)

    def _make(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if not found:  # nobody else made it meanwhile
            schema = files("holdfast.tracing.store.sqlite").joinpath("schema.sql")
            for statement in _statements(schema.read_text("utf-8")):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
        connection.execute("COMMIT")

    def _check(self, connection: sqlite3.Connection, found: int) -> None:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        if application != _APPLICATION:
            raise foreign(self.path)
        if found > SCHEMA:
            raise too_new(self.path, found, SCHEMA)
        if found < SCHEMA:
            raise StorageError(
                f"the traces in {str(self.path)!r} have schema {found}, of a version before the first "
                f"release; this Holdfast knows {SCHEMA}",
                hint="move the file away; traces begin anew",
            )


def _roll_back(connection: sqlite3.Connection) -> None:
    # Closed is a connection whose block never ran, since Ctrl-C came before its first line, and whose
    # generator the collector ends after all else.
    with suppress(sqlite3.ProgrammingError):
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _told(connection: Connection, pragma: str) -> int:
    return connection.execute(f"PRAGMA {pragma}").fetchone()[0]


def _statements(text: str) -> list[str]:
    """Return the statements of a script, without comments; none of ours holds a semicolon."""
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    return [each for part in "\n".join(lines).split(";") if (each := part.strip())]
