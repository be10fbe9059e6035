"""The files of the journal: how they are named, found, made, read and cut.

A segment is `NUMBER.jsonl` and, once it is sealed and compressed, `NUMBER.jsonl.zst`. The open
one is longer than its content: what is behind the last line are zeros that were written in
advance, because a disk syncs what is there already in half the time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from holdfast.frozen import NamedTuple
from holdfast.storage.files.disk import Disk, SystemDisk
from holdfast.storage.files.lines import BadLine, Line, has_checksum, read_line
from holdfast.storage.files.parity import mended

SUFFIX = ".jsonl"
COMPRESSED = ".jsonl.zst"
SHARED = "shared"
"""A file of this name says that git carries the journal to other clones: its files stay as they are."""
_DIGITS = 8
_SMALLEST_STEP = 64 * 1024
_GREATEST_STEP = 256 * 1024
"""So much is filled with zeros between two commits; more would be felt in the event loop."""
_SMALL_CHUNK = 1 << 13
_CHUNK = 1 << 17
_ZEROS = bytes(1 << 12)


class Damage(NamedTuple):
    """Bytes of a segment that are no line, though a line was there."""

    segment: int
    offset: int
    length: int
    reason: str


class Found(NamedTuple):
    """A line and where it lies; `end` is the offset behind it."""

    line: Line
    offset: int
    end: int


def segment_name(number: int) -> str:
    """Return the name of a segment that is not compressed."""
    return f"{number:0{_DIGITS}d}{SUFFIX}"


def segment_numbers(disk: Disk, folder: Path) -> list[int]:
    """Return the numbers of the segments in a folder, in order, compressed or not."""
    numbers: set[int] = set()
    for name in disk.names(folder):
        stem, _, rest = name.partition(".")
        if f".{rest}" in (SUFFIX, COMPRESSED) and stem.isdigit():
            numbers.add(int(stem))
    return sorted(numbers)


class Segment:
    """One open segment file, or the content of a compressed one."""

    def __init__(
        self, disk: Disk, number: int, *, handle: int | None = None, content: bytes = b""
    ) -> None:
        self.number = number
        self._disk = disk
        self._handle = handle
        self._content = content
        self.allocated = 0 if handle is None else disk.size(handle)

    @property
    def is_compressed(self) -> bool:
        """Whether nothing can be written any more."""
        return self._handle is None

    @property
    def is_gone(self) -> bool:
        """Whether the file has no name any more, because somebody put another one in its place."""
        real = self._handle is not None and isinstance(self._disk, SystemDisk)
        return real and os.fstat(self.handle).st_nlink == 0

    @property
    def length(self) -> int:
        """The length of the file, with the zeros behind its content."""
        return len(self._content) if self._handle is None else self._disk.size(self._handle)

    def read(self, size: int, offset: int) -> bytes:
        """Return up to `size` bytes from `offset` on."""
        if self._handle is None:
            return self._content[offset : offset + size]
        return self._disk.read(self._handle, size, offset)

    def read_on(self, offset: int) -> bytes:
        """Return what was written from `offset` on, to the first zero. No line holds one."""
        parts: list[bytes] = []
        size = _SMALL_CHUNK
        while part := self.read(size, offset):
            end = part.find(b"\0")
            if end >= 0:
                parts.append(part[:end])
                break
            parts.append(part)
            offset += len(part)
            size = _CHUNK
        return b"".join(parts)

    def read_all(self, offset: int) -> bytes:
        """Return everything from `offset` to the end of the file, without the last zeros."""
        return without_zeros(self.read(max(self.length - offset, 0), offset))

    def holds_more(self, offset: int) -> bool:
        """Return whether something was written at `offset`."""
        return self.read(1, offset) not in (b"", b"\0")

    def allocate(self, needed: int) -> None:
        """Make room up to `needed` and beyond, unless another process has done it."""
        if needed <= self.allocated:
            return
        self.allocated = self._disk.size(self.handle)
        if needed <= self.allocated:
            return
        step = _GREATEST_STEP if needed > _GREATEST_STEP else _SMALLEST_STEP
        # All processes ask for the same lengths, so that the file seldom grows.
        self.allocated = (needed // step + 1) * step
        self._disk.allocate(self.handle, self.allocated)

    def write(self, data: bytes, offset: int) -> None:
        """Write all of the data, however often the system takes only some of it."""
        while data:
            written = self._disk.write(self.handle, data, offset)
            data, offset = data[written:], offset + written

    def cut(self, offset: int) -> None:
        """Forget what lies behind `offset`."""
        self._disk.truncate(self.handle, offset)
        self.allocated = offset

    def sync(self) -> None:
        """Make it durable."""
        if self._handle is not None:
            self._disk.sync(self._handle)

    def close(self) -> None:
        """Give the handle back."""
        if self._handle is not None:
            self._disk.close(self._handle)
            self._handle = None

    @property
    def handle(self) -> int:
        """The file's handle; a compressed segment has none."""
        assert self._handle is not None, "a compressed segment is never written"
        return self._handle


def open_segment(disk: Disk, folder: Path, number: int) -> Segment:
    """Open a segment, compressed or not.

    Raises:
        FileNotFoundError: there is none.
        BadLine: the compressed file is damaged.
    """
    with suppress(FileNotFoundError):
        return Segment(disk, number, handle=disk.open(folder / segment_name(number)))
    return Segment(disk, number, content=read_compressed(disk, folder, number))


def create_segment(disk: Disk, folder: Path, number: int) -> Segment:
    """Make the file of a new segment; it has no content and its name is not durable yet."""
    return Segment(disk, number, handle=disk.open(folder / segment_name(number), create=True))


def read_compressed(disk: Disk, folder: Path, number: int) -> bytes:
    """Return the content of a compressed segment.

    Raises:
        FileNotFoundError: there is none.
        BadLine: it cannot be decompressed.
    """
    return decompress(mended(read_file(disk, folder / f"{number:0{_DIGITS}d}{COMPRESSED}")))


def read_file(disk: Disk, path: Path) -> bytes:
    """Return the content of a file."""
    handle = disk.open(path)
    try:
        return disk.read(handle, disk.size(handle), 0)
    finally:
        disk.close(handle)


def without_zeros(data: bytes) -> bytes:
    """Return the data without the zeros at its end; much faster than `rstrip` on many of them."""
    end = len(data)
    while end >= len(_ZEROS) and data.endswith(_ZEROS, 0, end):
        end -= len(_ZEROS)
    return data[:end].rstrip(b"\0")


def compress(data: bytes) -> bytes:
    """Return the data as one zstd frame with a checksum."""
    from holdfast.storage.files import zstandard  # noqa: PLC0415 - late: seldom needed

    return zstandard.compress(data)


def decompress(data: bytes) -> bytes:
    """Return what `compress` was given.

    Raises:
        BadLine: the frame is damaged.
    """
    from holdfast.storage.files import zstandard  # noqa: PLC0415 - late: seldom needed

    return zstandard.decompress(data)


def decompress_frames(data: bytes) -> Iterator[bytes]:
    """Give the content of one frame after another.

    Raises:
        BadLine: a frame is damaged.
    """
    from holdfast.storage.files import zstandard  # noqa: PLC0415 - late: seldom needed

    return zstandard.decompress_frames(data)


def read_lines(data: bytes, segment: int, base: int) -> Iterator[Found | Damage]:
    """Give the lines of the data, which lies at `base`, and what is damaged between them.

    What follows the last good line is given as damage too; whether it is a torn tail is for the
    caller to say.
    """
    start = 0
    while start < len(data):
        found = _next_line(data, start, base)
        if isinstance(found, Found):
            yield found
            start = found.end - base
            continue
        end = _next_good_start(data, start)
        yield Damage(segment, base + start, end - start, found)
        start = end


def is_whole(data: bytes) -> bool:
    """Return whether all lines of the data are good, by their checksums alone."""
    return data[-1:] == b"\n" and all(map(has_checksum, data[:-1].split(b"\n")))


def _next_line(data: bytes, start: int, base: int) -> Found | str:
    end = data.find(b"\n", start) + 1
    if not end:
        return "the line has no end"
    try:
        return Found(read_line(data[start:end]), base + start, base + end)
    except BadLine as error:
        return str(error)


def _next_good_start(data: bytes, start: int) -> int:
    """Return where the next good line begins, or the end of the data.

    A line begins behind a newline; a damaged byte may have been one, so that every `{"n":` is
    looked at too.
    """
    at = start
    while (at := data.find(b'{"n":', at + 1)) > 0:
        end = data.find(b"\n", at) + 1
        if not end:
            break
        with suppress(BadLine):
            read_line(data[at:end])
            return at
    return len(data)
