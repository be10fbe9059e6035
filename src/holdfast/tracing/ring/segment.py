"""One file of a ring, mapped into memory for its writer."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from pathlib import Path

from holdfast.tracing.records.layout import COUNT, LOST_AT, SUFFIX, Header, pack_header

Allocate = Callable[[int, int], None]
"""Gives a file so many bytes of the disk, or raises OSError: so that none is missing later, when
a write to mapped memory could only kill the process."""


_ZEROS = bytes(1 << 16)


def allocate(descriptor: int, size: int) -> None:
    """Reserve the room, and write zeros there: pages that are in memory fault at a third of the price."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    at = 0
    while at < size:
        at += os.pwrite(descriptor, _ZEROS[: size - at], at)


class Segment:
    """A mapped file. `put` writes at its end, or raises ValueError if that does not fit any more."""

    __slots__ = ("map", "path", "put", "size")

    def __init__(self, folder: Path, header: Header, size: int, allocate: Allocate) -> None:
        """Make the file; OSError if there is no room for it, and then nothing is left of it."""
        self.path = segment_path(folder, header.number)
        draft = self.path.with_suffix(".new")
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            allocate(descriptor, size)
            self.map = mmap.mmap(descriptor, size)
            self.map.write(pack_header(header))
            draft.rename(self.path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        self.size = size
        self.put: Callable[[bytes], int] = self.map.write

    def note_lost(self, count: int) -> None:
        """Write down how many losses no record tells of yet."""
        COUNT.pack_into(self.map, LOST_AT, count)

    def is_there(self) -> bool:
        """Tell whether the file still has its name: whether anybody will ever read it."""
        try:
            return self.path.stat().st_size == self.size
        except OSError:
            return False

    def sync(self) -> None:
        """Have what was written so far on the disk."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)  # msync would hold the lock
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def segment_path(folder: Path, number: int) -> Path:
    """Return where a segment lies."""
    return folder / f"{number}{SUFFIX}"
