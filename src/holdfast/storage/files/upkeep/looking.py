"""Look at a store without a way to change it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

from holdfast.storage.files.disk import SystemDisk
from holdfast.storage.files.index import Index, StaleIndex


class LookingDisk(SystemDisk):
    """The operating system's calls that change nothing; it works on a read-only medium too."""

    def open(self, path: Path, *, create: bool = False, exclusive: bool = False) -> int:
        if create or exclusive:
            self._refuse(path)
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def make_folder(self, path: Path) -> None:
        self._refuse(path)

    def rename(self, old: Path, new: Path) -> None:
        self._refuse(new if old == new else old)

    def unlink(self, path: Path) -> None:
        self._refuse(path)

    def _refuse(self, path: Path) -> NoReturn:
        raise PermissionError(f"{str(path)!r} may only be looked at")


class LookingIndex(Index):
    """The index as it is at one moment, read only.

    Raises on making it:
        StaleIndex: the file is of no use.
        sqlite3.Error: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        # Without a log nobody has it open, and then SQLite need not make one to read it.
        immutable = "" if path.with_name(path.name + "-wal").exists() else "&immutable=1"
        self._connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro{immutable}", uri=True, isolation_level=None
        )
        try:
            self._connection.execute("BEGIN")
            # Whoever makes it may not have come far yet.
            self.place = self.position() if self._is_ours() else None
            # `ok`, or the first fault in the order of its pages.
            (self.fault,) = self._connection.execute("PRAGMA integrity_check(1)").fetchone()
        except BaseException:
            self._connection.close()
            raise


def look_at_index(path: Path) -> LookingIndex | str | None:
    """Return the index, or why it is of no use, or None if there is none."""
    if not path.exists():
        return None
    try:
        index = LookingIndex(path)
    except (StaleIndex, sqlite3.Error) as error:
        return str(error)
    if index.fault != "ok":
        fault = index.fault
        with suppress(sqlite3.Error):
            index.close()
        return str(fault).splitlines()[-1]
    return index
