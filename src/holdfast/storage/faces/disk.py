"""The file operations of the faces: the one door to the disk, so that tests can own it."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Protocol

from holdfast.errors import StorageFull, StorageUnavailable

_FULL_DISK = {errno.ENOSPC, errno.EDQUOT}
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


@dataclass(frozen=True, slots=True)
class Status:
    """What stands at a path: links are not followed.

    `mark` differs after every change of the file that the file system's clock can tell apart.
    """

    is_file: bool
    changed_ms: int
    mark: str = ""


class FaceDisk(Protocol):
    """What the faces ask of a file system. Nothing is synced: all of it can be written anew."""

    def make_folder(self, path: Path) -> None:
        """Make a folder for the owner only, and those above it; it may exist."""
        ...

    def names(self, path: Path) -> list[str]:
        """Return the names in a folder, sorted; none if there is no folder."""
        ...

    def status(self, path: Path) -> Status | None:
        """Return what stands at the path, None if nothing does."""
        ...

    def statuses(self, path: Path) -> dict[str, Status]:
        """Return what stands in a folder, by name and sorted; nothing if there is no folder."""
        ...

    def read(self, path: Path) -> bytes | None:
        """Return the content of a file, None if there is none."""
        ...

    def write(self, path: Path, data: bytes) -> None:
        """Write a file that nobody else reads yet."""
        ...

    def rename(self, old: Path, new: Path) -> bool:
        """Give a file another name, in place of whatever had it; False if there is no file."""
        ...

    def link(self, old: Path, new: Path) -> bool:
        """Give a file a second name; False if that name is taken."""
        ...

    def unlink(self, path: Path) -> None:
        """Remove a name; it may be gone."""
        ...

    @contextmanager
    def lock(self, path: Path) -> Generator[None]:
        """Wait for the lock of a file that is made when missing, and hold it."""
        ...

    def hold(self, path: Path) -> FileIO | None:
        """Open a file and take its lock without waiting; None if it is gone or held already.

        The lock goes on with the file under its next names, until the handle is closed or the
        process dies.
        """
        ...


class SystemFaceDisk:
    """The operating system's own calls."""

    def make_folder(self, path: Path) -> None:
        if not path.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir(mode=0o700, exist_ok=True)

    def names(self, path: Path) -> list[str]:
        try:
            return sorted(os.listdir(path))  # noqa: PTH208 - names are wanted, not paths
        except FileNotFoundError:
            return []

    def status(self, path: Path) -> Status | None:
        try:
            found = path.lstat()
        except FileNotFoundError:
            return None
        return _status(found)

    def statuses(self, path: Path) -> dict[str, Status]:
        found: dict[str, Status] = {}
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):
                        found[entry.name] = _status(entry.stat(follow_symlinks=False))
        except FileNotFoundError:
            return {}
        return dict(sorted(found.items()))

    def read(self, path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None

    def write(self, path: Path, data: bytes) -> None:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)

    def rename(self, old: Path, new: Path) -> bool:
        try:
            old.replace(new)
        except FileNotFoundError:
            return False
        return True

    def link(self, old: Path, new: Path) -> bool:
        try:
            new.hardlink_to(old)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            return self._copy(old, new)
        return True

    def unlink(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    @contextmanager
    def lock(self, path: Path) -> Generator[None]:
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "rb", buffering=0) as file:
            _flock(file, wait=True)
            yield

    def hold(self, path: Path) -> FileIO | None:
        try:
            file = FileIO(path)
        except FileNotFoundError:
            return None
        try:
            _flock(file, wait=False)
        except BlockingIOError:
            file.close()
            return None
        return file

    def _copy(self, old: Path, new: Path) -> bool:
        """Do without hard links, where the file system has none."""
        try:
            with new.open("xb") as file:
                file.write(old.read_bytes())
        except FileExistsError:
            return False
        return True


def _status(found: os.stat_result) -> Status:
    mark = f"{found.st_ino}.{found.st_size}.{found.st_mtime_ns}.{found.st_ctime_ns}"
    return Status(stat.S_ISREG(found.st_mode), found.st_mtime_ns // 1_000_000, mark)


@contextmanager
def disk_errors(folder: Path) -> Generator[None]:
    """Turn errors of the file system into errors that say what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL_DISK:
            raise StorageFull(
                f"no space is left for the readable files in {str(folder)!r}",
                hint="free some space on that disk; the records themselves are safe",
            ) from error
        raise StorageUnavailable(
            f"cannot work on the readable files in {str(folder)!r}: {error}",
            hint="check that you may read and write the folder and all that is in it",
        ) from error


if sys.platform == "win32":

    def _flock(file: FileIO, *, wait: bool) -> None:
        """Do nothing: without the lock two processes may report one edit twice, no more."""

else:
    import fcntl

    def _flock(file: FileIO, *, wait: bool) -> None:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
