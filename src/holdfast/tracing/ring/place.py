"""The folder of one ring, and the lock by which others know that its process lives."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

from holdfast.ids import new_file_id
from holdfast.tracing.records.layout import LOCK


class RingPlace:
    """A folder that nobody sees until it is published: only then is its lock held for sure."""

    def __init__(self, rings: Path) -> None:
        """Make it below `rings`; OSError if that cannot be."""
        rings.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._final = rings / f"{os.getpid()}-{new_file_id()}"
        self.path = rings / f".{self._final.name}"
        self.path.mkdir(mode=0o700)
        self._lock = -1
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._lock = os.open(self.path / LOCK, flags, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            self.remove()
            raise

    def publish(self) -> None:
        """Let readers see it."""
        self.path.rename(self._final)
        self.path = self._final

    def release(self) -> None:
        """Say that the process is done with it. A process that was forked off only lets go."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def remove(self) -> None:
        """Leave nothing of it, as far as that can be."""
        self.release()
        shutil.rmtree(self.path, ignore_errors=True)


def is_alive(ring: Path) -> bool:
    """Tell whether the process of a ring lives: nobody else can hold its lock."""
    try:
        descriptor = os.open(ring / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
