"""Read the rings that processes of this machine have left, or still write."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from holdfast.errors import StorageTooNew
from holdfast.frozen import frozen
from holdfast.tracing.entries import Entry, Loss, Opened, Position
from holdfast.tracing.records.layout import HEADER, SUFFIX, VERSION, unpack_header
from holdfast.tracing.records.scanning import Record, records_in
from holdfast.tracing.ring.place import is_alive
from holdfast.tracing.ring.segment import segment_path
from holdfast.tracing.span import Span

_HELD: Final = "collecting"
_GONE: Final = ".gone-"
_TRIES: Final = 1000
_PAUSE_SECONDS: Final = 0.01


@frozen
class Batch:
    """Entries in the order in which they were written, up to `now`. `at_end`: no more was there."""

    entries: Sequence[Entry]
    now: Position
    at_end: bool


class RingFiles:
    """The ring of one process as others see it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.id = folder.name.removeprefix(_GONE)

    @property
    def alive(self) -> bool:
        """Whether its process lives and may still write."""
        return is_alive(self.folder)

    @property
    def last_known_ns(self) -> int:
        """When its process was last known to live, in nanoseconds of the Unix epoch."""
        known = 0
        for number in self._numbers():
            with suppress(OSError):
                path = segment_path(self.folder, number)
                known = max(known, path.stat().st_mtime_ns, _last_moment(path.read_bytes()))
        return known

    def read(self, position: Position, *, most: int = 20_000) -> Batch:
        """Return what was written behind a position, at most so many entries.

        Damaged records are passed over, and told as losses.

        Raises:
            StorageTooNew: a newer Holdfast writes this ring.
        """
        entries: list[Entry] = []
        while True:
            is_over = not self.alive  # before looking at what there is
            numbers = self._numbers()
            if position.segment not in numbers:
                later = [each for each in numbers if each > position.segment]
                if not later:
                    return Batch(entries=entries, now=position, at_end=True)
                position = Position(segment=min(later), offset=0)
            is_last = position.segment == max(numbers)
            position, is_whole = self._read_segment(
                position, entries, most=most, is_over=is_over or not is_last
            )
            if not is_whole:
                return Batch(entries=entries, now=position, at_end=False)
            if is_last and not is_over:
                return Batch(entries=entries, now=position, at_end=True)
            if is_last:
                entries += self._untold(position.segment)
            position = Position(segment=position.segment + 1, offset=0)

    def remove(self, before: Position) -> None:
        """Delete the segments that were read to their end; the last one tells when that was."""
        for number in self._numbers()[:-1]:
            if number < before.segment:
                segment_path(self.folder, number).unlink(missing_ok=True)

    def put_aside(self) -> None:
        """Say that all of it was read: nobody finds it in `rings` again, only in `remains`."""
        gone = self.folder.with_name(_GONE + self.id)
        self.folder.rename(gone)
        self.folder = gone

    def discard(self) -> None:
        """Delete it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def held(self) -> Generator[bool]:
        """Keep others from reading it too; false if it has gone, or is held for ten seconds."""
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            descriptor = os.open(self.folder / _HELD, flags, 0o600)
        except FileNotFoundError:
            yield False
            return
        try:
            yield _lock(descriptor) and os.fstat(descriptor).st_nlink > 0 and self.folder.is_dir()
        finally:
            os.close(descriptor)

    def _numbers(self) -> list[int]:
        with suppress(FileNotFoundError):
            return sorted(int(path.stem) for path in self.folder.iterdir() if path.suffix == SUFFIX)
        return []

    def _read_segment(
        self, position: Position, entries: list[Entry], *, most: int, is_over: bool
    ) -> tuple[Position, bool]:
        """Add what a segment holds; return how far that is and whether it is all there is."""
        at = position.offset or HEADER
        data = _bytes_of(segment_path(self.folder, position.segment))
        for found in records_in(data, at, is_over=is_over):
            if len(entries) >= most:
                return Position(segment=position.segment, offset=at), False
            if isinstance(found, Record):
                entries.append(found.entry)
            else:
                entries.append(Loss(count=1, why=f"a damaged record in the ring {self.id!r}"))
            at = found.end
        return Position(segment=position.segment, offset=at), True

    def _untold(self, number: int) -> list[Entry]:
        """Return the losses that its process had no room left to tell of."""
        header = unpack_header(_bytes_of(segment_path(self.folder, number)))
        if header is None or not header.lost:
            return []
        return [Loss(count=header.lost, why="there was no room for spans")]


def rings(folder: Path) -> Sequence[RingFiles]:
    """Return the rings below a folder, the oldest first; none if there is no such folder."""
    return [RingFiles(path) for path in _folders(folder) if not path.name.startswith(".")]


def remains(folder: Path) -> Sequence[RingFiles]:
    """Return the rings that were put aside and not discarded yet."""
    return [RingFiles(path) for path in _folders(folder) if path.name.startswith(_GONE)]


def sweep_drafts(folder: Path) -> None:
    """Delete what processes left that died while they began a ring: there is nothing in it."""
    for path in _folders(folder):
        number = path.name.removeprefix(".").partition("-")[0]
        if path.name.startswith(".") and number.isdigit() and not _is_process(int(number)):
            shutil.rmtree(path, ignore_errors=True)


def _is_process(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _folders(folder: Path) -> Sequence[Path]:
    with suppress(FileNotFoundError):
        found = [(path.stat().st_ctime_ns, path) for path in folder.iterdir() if path.is_dir()]
        return [path for _, path in sorted(found)]
    return []


def _bytes_of(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return b""
    header = unpack_header(data)
    if header is not None and header.version > VERSION:
        raise StorageTooNew(
            f"the spans in {str(path)!r} were written by a newer Holdfast",
            hint="read them with that version",
        )
    return data


def _last_moment(data: bytes) -> int:
    """Return the latest end or beginning that the records of a segment tell of."""
    latest = 0
    for found in records_in(data, HEADER, is_over=True):
        entry = found.entry if isinstance(found, Record) else None
        if isinstance(entry, Span):
            latest = max(latest, entry.end_ns)
        elif isinstance(entry, Opened):
            latest = max(latest, entry.start_ns)
    return latest


def _lock(descriptor: int) -> bool:
    pause = threading.Event()
    for _ in range(_TRIES):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        pause.wait(_PAUSE_SECONDS)
    return False
