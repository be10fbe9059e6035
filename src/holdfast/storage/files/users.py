"""Know whether anybody has a store open: all who have share the lock of one file.

It guards what nobody may do beside others, such as a repair. The lock of the writers is another
file: that one is held for moments only.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from holdfast.errors import StorageUnavailable
from holdfast.storage.files.disk import Disk, SystemDisk

USERS = "users"
_TRIES = 1000
_PAUSE_SECONDS = 0.01


class Users:
    """The place of one store among those who have it open. Only a real disk has others on it."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder = folder
        self._is_real = isinstance(disk, SystemDisk)
        self._handle = -1

    def join(self) -> None:
        """Share the store, once whoever has it alone is done.

        Raises:
            StorageUnavailable: that takes more than ten seconds.
        """
        if not self._is_real:
            return
        self._handle = _open(self._folder)
        pause = threading.Event()
        for _ in range(_TRIES):
            if _try(self._handle, fcntl.LOCK_SH):
                return
            pause.wait(_PAUSE_SECONDS)
        self.leave()
        raise StorageUnavailable(
            f"the store {str(self._folder.parent)!r} is being repaired, restored or compacted",
            hint="try again when that is done",
        )

    def leave(self) -> None:
        """Give the place back."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


@contextmanager
def alone(folder: Path, disk: Disk, what: str) -> Generator[None]:
    """Have the store for oneself; whoever wants to open it waits meanwhile.

    Raises:
        StorageUnavailable: somebody has it open.
    """
    with alone_if_possible(folder, disk) as is_alone:
        if not is_alone:
            raise StorageUnavailable(
                f"the store {str(folder.parent)!r} is open in another process",
                hint=f"stop all who use it, then {what} it",
            )
        yield


@contextmanager
def alone_if_possible(folder: Path, disk: Disk) -> Generator[bool]:
    """Have the store for oneself if nobody has it open; tell whether that is so."""
    if not isinstance(disk, SystemDisk):
        yield True
        return
    handle = _open(folder)
    try:
        yield _try(handle, fcntl.LOCK_EX)
    finally:
        os.close(handle)


def _open(folder: Path) -> int:
    return os.open(folder / USERS, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _try(handle: int, how: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(handle, how | fcntl.LOCK_NB)
        return True
    return False
