"""Real file systems for tests: on a loop device that can be cut off, and in a little memory.

Both need root and the tools of Debian's `mount`, `e2fsprogs` and `xfsprogs`; `missing` says what
is not there.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

FileSystem = Literal["ext4", "xfs"]

_SIZES: dict[FileSystem, int] = {"ext4": 128 << 20, "xfs": 320 << 20}
_MAKE: dict[FileSystem, list[str]] = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q"]}

_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = 2
_UNMOUNT_TRIES = 50


def missing(kind: FileSystem | Literal["tmpfs"]) -> str:
    """Return what this machine lacks for such a file system; empty if nothing."""
    if os.geteuid() != 0:
        return "only root may mount"
    tools = ["mount", "umount"]
    if kind != "tmpfs":
        tools.append(_MAKE[kind][0])
        if not Path("/dev/loop-control").exists():
            return "there are no loop devices"
    lacking = [tool for tool in tools if shutil.which(tool) is None]
    return f"{', '.join(lacking)} not found" if lacking else ""


class CutDisk:
    """A mounted file system whose power can be cut."""

    def __init__(self, kind: FileSystem, folder: Path) -> None:
        self.kind: FileSystem = kind
        self.path = folder / "mounted"
        self._image = folder / f"{kind}.image"

    def make(self) -> None:
        """Make an empty file system and mount it."""
        self.path.mkdir(parents=True)
        with self._image.open("wb") as image:
            image.truncate(_SIZES[self.kind])
        run(*_MAKE[self.kind], str(self._image))
        self.mount()

    def mount(self) -> None:
        """Mount it; the file system replays its journal."""
        run("mount", "-o", "loop", str(self._image), str(self.path))

    def cut(self) -> None:
        """Let nothing that is not on the disk get there any more, as a power cut does."""
        folder = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(folder, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(folder)

    def unmount(self) -> None:
        """Unmount it, and with it free the loop device."""
        _unmount(self.path)


@contextmanager
def cut_disk(kind: FileSystem, folder: Path) -> Generator[CutDisk]:
    """Give a mounted file system in a file of `folder`; it is unmounted whatever happens."""
    disk = CutDisk(kind, folder)
    disk.make()
    try:
        yield disk
    finally:
        if disk.path.is_mount():
            disk.unmount()


@contextmanager
def small_disk(folder: Path, size: int) -> Generator[Path]:
    """Give a folder with space for `size` bytes; it is gone afterwards."""
    folder.mkdir(parents=True)
    run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        _unmount(folder)


def run(*command: str) -> None:
    """Run a tool; raise a RuntimeError with what it said if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")


def _unmount(path: Path) -> None:
    pause = threading.Event()
    for _ in range(_UNMOUNT_TRIES):
        try:
            run("umount", str(path))
        except RuntimeError:
            # The kernel may still close the files of a process that is gone.
            pause.wait(0.1)
        else:
            return
    # Hides it at once, and unmounts it when the last file is closed.
    run("umount", "--lazy", str(path))
    raise RuntimeError(f"{path} was in use and is unmounted lazily")
