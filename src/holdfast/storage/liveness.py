"""Notice at once that a process of this machine has died, rather than when its lease expires.

Each process holds an operating system lock on a file named after it; the system lets go of the
lock when the process ends, however it ends. This only shortens the wait: that a dead process
comes back and writes is prevented by the log of the run, not here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from filelock import FileLock


class Liveness(Protocol):
    """What is known about other processes beyond their leases."""

    def announce(self, holder: str) -> None:
        """Hold the lock of this process until `retire`."""
        ...

    def retire(self) -> None:
        """Let go of the lock."""
        ...

    def is_dead(self, holder: str) -> bool:
        """Whether the process named `holder` has certainly ended."""
        ...

    def forget(self, holder: str) -> None:
        """Drop what is kept about a process that has ended."""
        ...


class NoLiveness:
    """Know nothing: leases alone decide."""

    def announce(self, holder: str) -> None:
        pass

    def retire(self) -> None:
        pass

    def is_dead(self, holder: str) -> bool:  # noqa: ARG002 - the protocol's name
        return False

    def forget(self, holder: str) -> None:
        pass


class LockFiles:
    """One locked file a process, in a folder that all processes of the store share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own: FileLock | None = None

    def announce(self, holder: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._own = self._lock(holder)
        self._own.acquire(timeout=0)

    def retire(self) -> None:
        if self._own is not None:
            self._own.release()
            Path(self._own.lock_file).unlink(missing_ok=True)
            self._own = None

    def is_dead(self, holder: str) -> bool:
        if not self._path(holder).exists():
            return False  # a process of another machine, or one that ended in good order
        lock = self._lock(holder)
        try:
            lock.acquire(timeout=0)
        except (TimeoutError, OSError):
            return False
        lock.release()
        return True

    def forget(self, holder: str) -> None:
        self._path(holder).unlink(missing_ok=True)

    def _path(self, holder: str) -> Path:
        return self._folder / f"{holder}.lock"

    def _lock(self, holder: str) -> FileLock:
        from filelock import FileLock  # noqa: PLC0415 - who only looks at a store seldom locks

        return FileLock(self._path(holder))
