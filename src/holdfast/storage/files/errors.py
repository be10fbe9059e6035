"""Turn what the file system and the index report into errors that say what to do."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from holdfast.errors import (
    StorageCorrupt,
    StorageError,
    StorageFull,
    StorageTooNew,
    StorageUnavailable,
)
from holdfast.storage.files.lines import BadLine

_FULL_DISK = {errno.ENOSPC, errno.EDQUOT}
_UNREACHABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENOENT, errno.EISDIR}


def translate(error: Exception, place: str) -> Exception:
    """Return the `StorageError` for an error of the file system or of the index.

    Any other error is returned as it is.
    """
    if isinstance(error, sqlite3.Error):
        return StorageError(
            f"the index of the store {place!r} failed: {error}",
            hint="delete `index.db` in that folder, it is made anew; nothing is lost by it",
        )
    if isinstance(error, BadLine):
        return StorageCorrupt(
            f"the journal of the store {place!r} is damaged: {error}",
            hint="run `holdfast store verify`, then `holdfast store repair`",
        )
    if isinstance(error, StorageTooNew):
        return StorageTooNew(f"{error.message}: {place!r}", hint=error.hint)
    return _from_system(error, place) if isinstance(error, OSError) else error


@contextmanager
def translated(place: str) -> Generator[None]:
    """Raise the `StorageError` for an error of the file system or of the index."""
    try:
        yield
    except Exception as error:
        failure = translate(error, place)
        if failure is error:
            raise
        raise failure from error


def _from_system(error: OSError, place: str) -> StorageError:
    if error.errno in _FULL_DISK:
        return StorageFull(
            f"no space is left for the store {place!r}",
            hint="free some space on that disk, then retry; what was acknowledged is safe",
        )
    if error.errno in _UNREACHABLE:
        return StorageUnavailable(
            f"cannot use the store {place!r}: {error}",
            hint="check that the path is a folder and that you may read and write it",
        )
    return StorageError(
        f"the disk failed under the store {place!r}: {error}",
        hint="check the disk and the system log; what was acknowledged is safe, the outcome of "
        "this request is unknown",
    )
