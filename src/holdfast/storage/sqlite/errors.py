"""Turn what SQLite and the file system report into errors that say what to do."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from holdfast.errors import (
    StorageCorrupt,
    StorageError,
    StorageFull,
    StorageTooNew,
    StorageUnavailable,
)

BUSY_SECONDS = 10
"""How long a write waits for another process before it gives up."""

_FULL_DISK = {errno.ENOSPC, errno.EDQUOT}


def translate(error: Exception, path: Path) -> Exception:
    """Return the `StorageError` for an error of the driver or the file system.

    Any other error is returned as it is.
    """
    if isinstance(error, sqlite3.Error):
        return _from_sqlite(error, path)
    if isinstance(error, OSError):
        return _from_system(error, path)
    return error


def too_new(path: Path, found: int, known: int) -> StorageTooNew:
    """Return the error for a file with a schema of the future."""
    return StorageTooNew(
        f"the store {str(path)!r} has schema {found}; this Holdfast knows {known}",
        hint="upgrade Holdfast, or open another store",
    )


def foreign(path: Path) -> StorageCorrupt:
    """Return the error for a database of another program."""
    return StorageCorrupt(
        f"{str(path)!r} is a SQLite database of another program",
        hint="give the store a path of its own; this file was left untouched",
    )


def _from_sqlite(error: sqlite3.Error, path: Path) -> StorageError:
    if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_SHMSIZE:
        return _full(path)  # the shared memory beside the file found no room
    # The low byte is the primary code; Python leaves it out where SQLite did not report one.
    match getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return _full(path)
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return StorageCorrupt(
                f"{str(path)!r} is not a Holdfast store, or it is damaged: {error}",
                hint="restore it from a backup, or save what is readable with "
                "`sqlite3 FILE .recover`, and move the damaged file away",
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StorageUnavailable(
                f"another process locked the store {str(path)!r} for {BUSY_SECONDS} seconds",
                hint="look for a stuck process that has the file open (`lsof FILE`), then retry",
            )
        case (
            sqlite3.SQLITE_CANTOPEN
            | sqlite3.SQLITE_READONLY
            | sqlite3.SQLITE_PERM
            | sqlite3.SQLITE_AUTH
        ):
            return _unreachable(path, error)
        case _:
            return StorageError(
                f"the store {str(path)!r} failed: {error}",
                hint="check the disk and the system log; what was acknowledged is in the file",
            )


def _from_system(error: OSError, path: Path) -> StorageError:
    return _full(path) if error.errno in _FULL_DISK else _unreachable(path, error)


def _full(path: Path) -> StorageFull:
    return StorageFull(
        f"no space is left for the store {str(path)!r}",
        hint="free some space on that disk, then retry; what was acknowledged is safe",
    )


def _unreachable(path: Path, error: Exception) -> StorageUnavailable:
    return StorageUnavailable(
        f"cannot open the store {str(path)!r}: {error}",
        hint="check that the path is a file and that you may read and write it and its folder",
    )
