"""Open the file of the traces, and turn what SQLite reports into errors that say what to do."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from holdfast.storage.sqlite.errors import foreign, too_new, translate
from holdfast.storage.wal import switch_to_log

SCHEMA = 1
_APPLICATION = 0x48465452  # "HFTR"
_BUSY_SECONDS = 30.0
_IN_MEMORY = ":memory:"


class Database:
    """One connection that threads take turns on. Blocks nest; the outermost is the transaction."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.in_memory = path == _IN_MEMORY
        self._lock = threading.RLock()
        self._depth = 0
        self._connection = self._open(path)

    def close(self) -> None:
        """Close it; a second time does nothing."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection]:
        """Give the connection within a transaction that is kept if the block ends well."""
        with self._turn("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """Give the connection within a transaction that sees one moment of the file."""
        with self._turn("BEGIN") as connection:
            yield connection

    def give_back(self) -> None:
        """Give free pages back to the file system."""
        with self._lock:
            try:
                # As a script: each step frees a page, and `execute` takes one step only.
                self._connection.executescript("PRAGMA incremental_vacuum")
            except sqlite3.Error as error:
                raise translate(error, self.path) from error

    @contextmanager
    def _turn(self, begin: str) -> Generator[sqlite3.Connection]:
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
                if outermost and connection.in_transaction:
                    connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise translate(error, self.path) from error
                raise
            finally:
                self._depth -= 1

    def _open(self, path: str) -> sqlite3.Connection:
        try:
            if not self.in_memory:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.path.touch(mode=0o600)
            connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
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
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables:
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


def _statements(text: str) -> list[str]:
    """Return the statements of a script, without comments; none of ours holds a semicolon."""
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    return [each for part in "\n".join(lines).split(";") if (each := part.strip())]
