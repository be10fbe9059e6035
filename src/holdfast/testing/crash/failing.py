"""A disk that fails, shortens or dies at its n-th call."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

from holdfast.storage.files.disk import Disk
from holdfast.testing.crash.recording import RecordingDisk

T = TypeVar("T")

How = Literal["EIO", "ENOSPC", "EROFS", "short", "kill"]

_TAKES_SPACE = frozenset({"make_folder", "open", "write", "allocate", "sync", "rename"})
_CHANGES = _TAKES_SPACE | {"truncate", "sync_folder", "unlink"}
_CAN_FAIL: dict[How, frozenset[str]] = {
    "EIO": _CHANGES | {"names", "read", "lock"},
    "ENOSPC": _TAKES_SPACE,
    "EROFS": _CHANGES,
    "short": frozenset({"write"}),
    "kill": _CHANGES,
}


class Killed(OSError):
    """The process is dead: every call from here on raises this, and changes nothing."""


class FailingDisk:
    """Pass everything on to `inner`, and break the call number `at` of those that can break.

    - `"EIO"`: it fails once and changes nothing. A failed sync saves nothing ever: what was
      written before stays visible, and the next sync does not make it durable (as on Linux).
    - `"ENOSPC"`: it fails, and so does every call that takes space until `free`.
    - `"EROFS"`: it fails, and so does every later call that would change something, as on a file
      system that went read-only after an error of its device.
    - `"short"`: the write takes only half of its bytes.
    - `"kill"`: the process dies before it; every later call raises `Killed`.

    `broken` is the name of the call that broke, or None.
    """

    def __init__(self, inner: Disk, *, at: int, how: How) -> None:
        self.inner = inner
        self.broken: str | None = None
        self._at = at
        self._how: How = how
        self._calls = 0
        self._refused: frozenset[str] = frozenset()
        self._turn = threading.Lock()

    def free(self) -> None:
        """Let there be space again."""
        self._refused = frozenset()

    def make_folder(self, path: Path) -> None:
        self._call("make_folder", lambda: self.inner.make_folder(path))

    def names(self, path: Path) -> list[str]:
        return self._call("names", lambda: self.inner.names(path))

    def open(self, path: Path, *, create: bool = False, exclusive: bool = False) -> int:
        # To open what is there takes no space.
        call = "open" if create or exclusive or self._how == "EIO" else "size"
        return self._call(call, lambda: self.inner.open(path, create=create, exclusive=exclusive))

    def close(self, handle: int) -> None:
        self._call("close", lambda: self.inner.close(handle))

    def read(self, handle: int, size: int, offset: int) -> bytes:
        return self._call("read", lambda: self.inner.read(handle, size, offset))

    def write(self, handle: int, data: bytes, offset: int) -> int:
        if self._how != "short":
            return self._call("write", lambda: self.inner.write(handle, data, offset))
        taken = max(len(data) // 2, 1) if self._breaks("write") else len(data)
        return self.inner.write(handle, data[:taken], offset)

    def allocate(self, handle: int, size: int) -> None:
        self._call("allocate", lambda: self.inner.allocate(handle, size))

    def truncate(self, handle: int, size: int) -> None:
        self._call("truncate", lambda: self.inner.truncate(handle, size))

    def size(self, handle: int) -> int:
        return self._call("size", lambda: self.inner.size(handle))

    def sync(self, handle: int) -> None:
        try:
            self._call("sync", lambda: self.inner.sync(handle))
        except Killed:
            raise
        except OSError:
            if isinstance(self.inner, RecordingDisk):
                self.inner.fail_sync(handle)
            raise

    def sync_folder(self, path: Path) -> None:
        self._call("sync_folder", lambda: self.inner.sync_folder(path))

    def rename(self, old: Path, new: Path) -> None:
        self._call("rename", lambda: self.inner.rename(old, new))

    def unlink(self, path: Path) -> None:
        self._call("unlink", lambda: self.inner.unlink(path))

    def lock(self, handle: int) -> None:
        self._call("lock", lambda: self.inner.lock(handle))

    def try_lock(self, handle: int) -> bool:
        return self._call("lock", lambda: self.inner.try_lock(handle))

    def unlock(self, handle: int) -> None:
        self._call("unlock", lambda: self.inner.unlock(handle))

    def _call(self, name: str, action: Callable[[], T]) -> T:
        is_dead = self._how == "kill" and self.broken is not None
        if self._breaks(name) or is_dead or name in self._refused:
            raise self._error(name)
        return action()

    def _breaks(self, name: str) -> bool:
        """Count a call; return whether it is the one that breaks."""
        with self._turn:
            if name not in _CAN_FAIL[self._how]:
                return False
            self._calls += 1
            if self._calls != self._at:
                return False
            self.broken = name
            if self._how in ("ENOSPC", "EROFS"):
                self._refused = _CAN_FAIL[self._how]
            return True

    def _error(self, name: str) -> OSError:
        match self._how:
            case "kill":
                return Killed(errno.EIO, f"the process was killed at {name!r} number {self._at}")
            case "ENOSPC":
                return OSError(errno.ENOSPC, f"no space is left for {name!r} (injected)")
            case "EROFS":
                return OSError(errno.EROFS, f"read-only file system: {name!r} (injected)")
            case _:
                return OSError(errno.EIO, f"{name!r} failed (injected)")
