"""Open the file of the index: make it, know it, begin anew where it is of no use."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from holdfast.errors import StorageCorrupt, StorageError, StorageFull, StorageUnavailable
from holdfast.storage.queries import load_queries
from holdfast.storage.wal import switch_to_log
from holdfast.storage.warning import warn

QUERIES = load_queries(Path(__file__).with_name("queries.sql"))
SCHEMA = 1
_APPLICATION_ID = 0x484F4C54  # the bytes `HOLT`
_BUSY_SECONDS = 10
_CREATION = ("create_applied", "create_documents", "create_group_index", "create_texts")
_SIDE_FILES = ("", "-wal", "-shm")

# What SQLite says of a file that is damaged, or no database, or lacks a table.
_USELESS = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
_OUT_OF_REACH = {
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
}


class StaleIndex(Exception):
    """The index is of no use: it is damaged, of another version, or of another store."""


def open_file(path: Path | None) -> sqlite3.Connection:
    """Return a connection to the index; a useless file is removed and an empty one made.

    Without a path, or where the file cannot be written, the index is kept in memory.

    Raises:
        StorageError: it cannot be opened, or the file is one of another program.
    """
    if path is None:
        return _open(None)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            return _open(path)
        except StaleIndex:
            remove_file(path)
            return _open(path)
    except (StorageUnavailable, OSError) as error:
        warn("no search index can be kept in %s, so one is made in memory: %s", path, error)
        return _open(None)


def remove_file(path: Path) -> None:
    """Delete the index; who has it open goes on with what he has."""
    for suffix in _SIDE_FILES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


@contextmanager
def translated(place: str) -> Generator[None]:
    """Turn what SQLite reports into `StaleIndex` or an error that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if "no such module" in str(error):
            raise StorageUnavailable(
                "the SQLite of this Python has no full-text search (FTS5)",
                hint="use a Python whose SQLite has it: those of python.org, Debian and uv do",
            ) from error
        if code in _USELESS:
            raise StaleIndex(str(error)) from error
        if code in _OUT_OF_REACH:
            raise StorageUnavailable(
                f"the search index {place!r} cannot be used: {error}",
                hint="check that you may write the file and its folder, and that no other process "
                "holds it",
            ) from error
        if code == sqlite3.SQLITE_FULL:
            raise StorageFull(
                f"no space is left for the search index {place!r}",
                hint="free some space on that disk; the records themselves are safe",
            ) from error
        raise StorageError(
            f"the search index {place!r} failed: {error}",
            hint="delete the file, it is made anew; nothing is lost by it",
        ) from error


def _open(path: Path | None) -> sqlite3.Connection:
    place = str(path) if path else "in memory"
    with translated(place):
        if path:
            _make_file(path)
        connection = sqlite3.connect(
            path or ":memory:",
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def _make_file(path: Path) -> None:
    # Only a new file may be opened here: closing a descriptor of a file would drop the locks that
    # SQLite holds on it elsewhere in this process.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _prepare(connection: sqlite3.Connection, path: Path | None) -> None:
    execute = connection.execute
    is_ours = _is_ours(connection, path)
    if not is_ours:
        execute("PRAGMA page_size = 8192")
    if path:
        switch_to_log(connection, busy_seconds=_BUSY_SECONDS)
    # Nothing is lost with the index: a power cut may take the last changes, and it catches up.
    execute("PRAGMA synchronous = NORMAL")
    execute("PRAGMA cache_size = -16384")
    execute("PRAGMA temp_store = MEMORY")
    if is_ours:
        return
    execute("BEGIN IMMEDIATE")
    if not _is_ours(connection, path):  # another process may have been faster
        for name in _CREATION:
            execute(QUERIES[name])
        execute(f"PRAGMA user_version = {SCHEMA}")
        execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    execute("COMMIT")


def _is_ours(connection: sqlite3.Connection, path: Path | None) -> bool:
    """Return whether the file has our schema; False for an empty one."""
    # In one snapshot: another process may be creating it.
    connection.execute("SAVEPOINT identity")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    connection.execute("RELEASE identity")
    if (version, application, tables) == (0, 0, 0):
        return False
    if application != _APPLICATION_ID:
        raise StorageCorrupt(
            f"{str(path)!r} is a SQLite database of another program",
            hint="move it away: the search index needs this name; the file was left untouched",
        )
    if version != SCHEMA:
        raise StaleIndex(f"the index has schema {version}, not {SCHEMA}")
    return True
