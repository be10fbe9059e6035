"""The file operations of the files backend: the one door to the disk, so that tests can own it.

`SystemDisk` is the operating system. `holdfast.testing.crash` has one that records what was
written and synced and replays every state that a power cut could leave, and one that fails,
shortens or kills at the n-th call.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from pathlib import Path
from typing import Protocol

_ZEROS = bytes(1 << 16)


class Disk(Protocol):
    """What the backend asks of a file system. Handles are small integers; errors are `OSError`.

    Only `sync` and `sync_folder` make anything durable: the first the content and the length of
    a file, the second the names in a folder. `rename` replaces atomically.
    """

    def make_folder(self, path: Path) -> None:
        """Make a folder for the owner only; its parent exists, and it may exist itself."""
        ...

    def names(self, path: Path) -> list[str]:
        """Return the names in a folder, sorted; none if there is no folder."""
        ...

    def open(self, path: Path, *, create: bool = False, exclusive: bool = False) -> int:
        """Open a file for reading and writing. `create` makes a missing one, `exclusive` only that.

        Raises:
            FileNotFoundError: there is none, and `create` was not asked for.
            FileExistsError: there is one, and `exclusive` was asked for.
        """
        ...

    def close(self, handle: int) -> None:
        """Close the handle; its lock goes too."""
        ...

    def read(self, handle: int, size: int, offset: int) -> bytes:
        """Return up to `size` bytes; fewer at the end of the file."""
        ...

    def write(self, handle: int, data: bytes, offset: int) -> int:
        """Write at `offset` and return how many bytes were taken, which may be fewer."""
        ...

    def allocate(self, handle: int, size: int) -> None:
        """Let the file be at least `size` bytes long; what is new reads as zeros."""
        ...

    def truncate(self, handle: int, size: int) -> None:
        """Cut the file to `size` bytes."""
        ...

    def size(self, handle: int) -> int:
        """Return the length of the file."""
        ...

    def sync(self, handle: int) -> None:
        """Make the content and the length of the file durable. Never try again after an error."""
        ...

    def sync_folder(self, path: Path) -> None:
        """Make the names in a folder durable."""
        ...

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name, in place of whatever had it."""
        ...

    def unlink(self, path: Path) -> None:
        """Remove a name."""
        ...

    def lock(self, handle: int) -> None:
        """Wait for the exclusive lock of this handle's file; the death of the process frees it."""
        ...

    def try_lock(self, handle: int) -> bool:
        """Take the lock if nobody has it, and return whether it is taken."""
        ...

    def unlock(self, handle: int) -> None:
        """Give the lock back."""
        ...


class SystemDisk:
    """The operating system's own calls, one each."""

    def make_folder(self, path: Path) -> None:
        path.mkdir(mode=0o700, exist_ok=True)

    def names(self, path: Path) -> list[str]:
        try:
            return sorted(entry.name for entry in os.scandir(path))
        except FileNotFoundError:
            return []

    def open(self, path: Path, *, create: bool = False, exclusive: bool = False) -> int:
        flags = os.O_RDWR | os.O_CLOEXEC
        flags |= os.O_CREAT if create else 0
        flags |= os.O_CREAT | os.O_EXCL if exclusive else 0
        return os.open(path, flags, 0o600)

    def close(self, handle: int) -> None:
        os.close(handle)

    def read(self, handle: int, size: int, offset: int) -> bytes:
        return os.pread(handle, size, offset)

    def write(self, handle: int, data: bytes, offset: int) -> int:
        return os.pwrite(handle, data, offset)

    def allocate(self, handle: int, size: int) -> None:
        if sys.platform == "darwin":
            return  # it has no such call
        at = os.fstat(handle).st_size
        try:
            os.posix_fallocate(handle, 0, size)
        except OSError as error:
            # Some file systems cannot; a file that grows as it is written is only slower.
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
            return
        # Blocks that were only reserved are marked as written by the first sync behind each of
        # them, which makes that sync take twice as long. Here one sync does it for all.
        while at < size:
            at += os.pwrite(handle, _ZEROS[: size - at], at)

    def truncate(self, handle: int, size: int) -> None:
        os.ftruncate(handle, size)

    def size(self, handle: int) -> int:
        return os.fstat(handle).st_size

    def sync(self, handle: int) -> None:
        if sys.platform == "darwin":
            # There `fsync` leaves the data in the cache of the drive.
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
        else:
            os.fdatasync(handle)

    def sync_folder(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        old.rename(new)

    def unlink(self, path: Path) -> None:
        path.unlink()

    def lock(self, handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)

    def try_lock(self, handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unlock(self, handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)
