"""The contents of all segments as they are at one moment, and what a repair lays over them."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.storage.files.disk import Disk
from holdfast.storage.files.journal import LOCK
from holdfast.storage.files.lines import BadLine
from holdfast.storage.files.parity import BLOCK, Inspection, inspect
from holdfast.storage.files.segments import (
    COMPRESSED,
    SUFFIX,
    compress,
    decompress,
    decompress_frames,
    read_file,
    segment_numbers,
    without_zeros,
)
from holdfast.storage.files.zstandard import salvage


@dataclass(frozen=True, slots=True)
class Content:
    """The lines of a segment. `broken` says why there are no more, where there should be."""

    data: bytes
    broken: str = ""


@dataclass(frozen=True, slots=True)
class FileFault:
    """A compressed file that is damaged; `frames` are the right bytes without the redundancy."""

    name: str
    offset: int
    length: int
    reason: str
    frames: bytes | None


@dataclass(slots=True)
class Shelf:
    """All segments of a folder from number `first` on.

    What is behind the last line that others are writing at this moment is not seen.
    """

    disk: Disk
    folder: Path
    first: int
    numbers: list[int] = field(default_factory=list[int])
    names: dict[int, str] = field(default_factory=dict[int, str])
    faults: dict[str, FileFault] = field(default_factory=dict[str, FileFault])
    twins: list[str] = field(default_factory=list[str])
    changed: dict[int, bytes] = field(default_factory=dict[int, bytes])
    _end: bytes = b""

    def look(self) -> None:
        """Note which segments there are, and read the last one; nobody writes meanwhile.

        Raises:
            FileNotFoundError: a compaction was at work; look again.
        """
        with locked(self.disk, self.folder):
            found = segment_numbers(self.disk, self.folder)
            self.numbers = [number for number in found if number >= self.first]
            present = set(self.disk.names(self.folder))
            for number in self.numbers:
                plain, packed = f"{number:08d}{SUFFIX}", f"{number:08d}{COMPRESSED}"
                self.names[number] = plain if plain in present else packed
                if {plain, packed} <= present:
                    self.twins.append(packed)
            if self.numbers and self.names[self.numbers[-1]].endswith(SUFFIX):
                self._end = without_zeros(self._read(self.names[self.numbers[-1]]))

    def content(self, number: int) -> Content:
        """Return what a segment holds.

        Raises:
            FileNotFoundError: it was compacted away meanwhile; look again.
        """
        if number in self.changed:
            return Content(self.changed[number])
        if number not in self.names:
            return Content(b"", "the segment is missing")
        name = self.names[number]
        if name.endswith(COMPRESSED):
            return self._unpack(name)
        if number == self.numbers[-1]:
            return Content(self._end)
        try:
            return Content(without_zeros(self._read(name)))
        except FileNotFoundError:  # it was compressed meanwhile
            self.names[number] = f"{number:08d}{COMPRESSED}"
            return self._unpack(self.names[number])

    def change(self, number: int, data: bytes) -> None:
        """Lay another content over that of a segment, or over that of a missing one."""
        self.changed[number] = data
        if number not in self.numbers:
            self.numbers = sorted([*self.numbers, number])

    def size(self) -> int:
        """Return how many bytes the files have."""
        return sum(file_size(self.disk, self.folder / name) for name in self.names.values())

    def _read(self, name: str) -> bytes:
        return read_file(self.disk, self.folder / name)

    def _unpack(self, name: str) -> Content:
        seen = inspect(self._read(name))
        try:
            content = decompress(seen.frames)
        except BadLine as error:
            self.faults.setdefault(name, file_fault(name, seen, is_readable=False))
            return Content(salvage(seen.frames), str(error))
        if seen.damaged or not seen.is_sound:
            self.faults.setdefault(name, file_fault(name, seen, is_readable=True))
        return Content(content)


def file_fault(name: str, seen: Inspection, *, is_readable: bool) -> FileFault:
    """Return what is wrong with a compressed file."""
    if not seen.damaged:
        if is_readable:
            # Where it ends is not known for certain; what it holds is.
            parts = filter(None, decompress_frames(seen.frames))
            frames = b"".join(map(compress, parts))
            return FileFault(name, len(frames), 0, "the redundancy is damaged", frames)
        return FileFault(name, 0, len(seen.frames), "the compressed file is damaged", None)
    first, last = seen.damaged[0] * BLOCK, (seen.damaged[-1] + 1) * BLOCK
    count = len(seen.damaged)
    reason = f"{count} damaged block{'s' if count > 1 else ''} of the compressed file"
    length = min(last, len(seen.frames)) - first
    return FileFault(name, first, length, reason, seen.frames if is_readable else None)


def file_size(disk: Disk, path: Path) -> int:
    """Return the size of a file; 0 if there is none any more."""
    with suppress(FileNotFoundError):
        handle = disk.open(path)
        try:
            return disk.size(handle)
        finally:
            disk.close(handle)
    return 0


@contextmanager
def locked(disk: Disk, folder: Path) -> Generator[None]:
    """Hold the lock of all writers, if anybody has ever written here."""
    if LOCK not in disk.names(folder):  # a backup that nobody has opened
        yield
        return
    handle = disk.open(folder / LOCK)
    try:
        disk.lock(handle)
        try:
            yield
        finally:
            disk.unlock(handle)
    finally:
        disk.close(handle)
