"""Write the journal: append under a short lock, sync outside it, acknowledge behind the sync.

All writers of all processes take turns by the lock of one file that is never removed. Under it a
writer reads what the others wrote since, decides, and appends. The sync happens without the lock
and covers everything that lies before it, whoever wrote it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from holdfast.clock import Clock
from holdfast.errors import StorageCorrupt, StorageUnavailable
from holdfast.frozen import NamedTuple
from holdfast.storage.files.cursor import UNCHAINED, Cursor, Position, format_of
from holdfast.storage.files.disk import Disk
from holdfast.storage.files.lines import FORMAT, Line, write_line
from holdfast.storage.files.pace import Pace
from holdfast.storage.files.segments import SHARED, Damage, create_segment, segment_numbers
from holdfast.storage.warning import warn

LOCK = "lock"
QUARANTINE = "quarantine"

SEGMENT_BYTES = 16 * 1024 * 1024
"""From this length on a segment is sealed."""


_LONGEST_HEADER = 1024
"""What a crash may leave of the first line of a journal is shorter."""


class Entries(NamedTuple):
    """Lines to append: their bytes, their numbers, and where the journal ends behind them."""

    data: bytes
    numbers: range
    end: Position


class Journal:
    """The writing end of the journal in a folder, for one thread.

    Errors are `OSError`. After one of `write` or `sync` nothing may be written before `reopen`:
    nobody knows what is on the disk then.
    """

    def __init__(self, folder: Path, *, disk: Disk, clock: Clock, syncs: bool) -> None:
        self.folder = folder
        self._disk = disk
        self._clock = clock
        self._syncs = syncs
        self._lock: int = -1
        self._cursor: Cursor
        self._is_recovered = False
        self._is_shared = False
        self._synced = 0
        self._names_synced = 0
        self._pace = Pace()
        self.damages: list[Damage] = []
        """What was skipped so far because no line could be read."""

    @property
    def position(self) -> Position:
        """Where the next line goes."""
        return self._cursor.position

    @property
    def synced(self) -> int:
        """The number of the last line that is known to be on the disk."""
        return self._synced

    @property
    def is_quick(self) -> bool:
        """Whether a sync is not worth a change of threads."""
        return not self._syncs or self._pace.is_quick

    def open(self) -> None:
        """Open the lock; the folder is made if it is missing."""
        names = self._disk.names(self.folder)
        self._is_shared = SHARED in names
        if LOCK not in names:
            self._make_folders(self.folder)
            self._sync_names_above()
        self._lock = self._disk.open(self.folder / LOCK, create=True)

    def recover(
        self,
        find_start: Callable[[], Position | None],
        take: Callable[[list[Line], Position], None],
        *,
        syncs: bool = True,
    ) -> None:
        """Mend the end of the journal, and hand over what lies behind a start, segment by segment.

        The start is asked for under the lock; None is the beginning. What is handed over is on
        the disk then, unless `syncs` is False: then it is after the next `sync`.
        """
        with self.locked():
            start = find_start()
            numbers = segment_numbers(self._disk, self.folder)
            if not numbers:
                create_segment(self._disk, self.folder, 1).close()
                start = Position(1)
            start = start or Position(numbers[0], hash=UNCHAINED)
            self._cursor = Cursor(self._disk, self.folder, start)
            self._is_recovered = True
            for reading in self._cursor.readings():
                self.damages += reading.damages
                if self.position.segment == (numbers or [1])[-1]:
                    self._mend()
                    self._write_again(reading.lines, start.number)
                    self._trust(start)
                    if syncs:
                        self.sync()
                take(reading.lines, self.position)
            self._ready_segment()

    def close(self) -> None:
        """Give back the room behind the last line, and the handles."""
        if self._lock < 0:
            return
        if self._is_recovered:
            with suppress(OSError, StorageUnavailable), self.locked():
                if not self._cursor.holds_more() and not self.position.is_sealed:
                    self._cursor.segment.cut(self.position.offset)
            self._cursor.close()
            self._is_recovered = False
        self._disk.close(self._lock)
        self._lock = -1

    @contextmanager
    def locked(self) -> Generator[None]:
        """Hold the lock of all writers."""
        self.lock()
        try:
            yield
        finally:
            self.unlock()

    def lock(self) -> None:
        """Wait for the lock of all writers."""
        self._disk.lock(self._lock)

    def try_lock(self) -> bool:
        """Take the lock of all writers if nobody has it, and return whether it is taken."""
        return self._disk.try_lock(self._lock)

    def unlock(self) -> None:
        """Give the lock of all writers back."""
        self._disk.unlock(self._lock)

    def read_on(self) -> list[Line]:
        """Return what others wrote since. Without the lock, so that less is left to do under it."""
        return self._cursor.advance()

    def catch_up(self) -> list[Line]:
        """Return what others wrote since, and be ready to write behind it. Needs the lock.

        Raises:
            StorageUnavailable: git has put other files in the place of the journal.
        """
        self._require_place()
        if not self._cursor.holds_more():
            if self._is_at_start():
                self._ready_segment()
            return []
        lines = self._cursor.advance()
        if self._cursor.holds_more():
            reading = self._cursor.advance_over_damage()
            lines += reading.lines
            self.damages += reading.damages
            self._mend()
        self._ready_segment()
        return lines

    def prepare(self, lines: Sequence[Sequence[str]], version: int) -> Entries:
        """Return the bytes of a line for each group of operations. Needs the lock.

        `version` is the greatest version that is given out with them.
        """
        position = self.position
        parts: list[bytes] = []
        number, previous = position.number, position.hash
        now = self._clock.now_ms()
        for operations in lines:
            number += 1
            data, previous = self._line(number, ",".join(operations), version, now, previous)
            parts.append(data)
        sealed = position.offset + sum(map(len, parts)) >= SEGMENT_BYTES
        if sealed:
            number += 1
            data, previous = self._line(number, '["seal"]', version, now, previous)
            parts.append(data)
        data = b"".join(parts)
        end = Position(
            position.segment,
            position.offset + len(data),
            number,
            previous,
            version,
            is_sealed=sealed,
        )
        return Entries(
            data, range(number - len(parts) + 1, number - len(parts) + 1 + len(lines)), end
        )

    def _line(
        self, number: int, operations: str, version: int, now: int, previous: str
    ) -> tuple[bytes, str]:
        return write_line(
            number,
            operations,
            synced=self._synced,
            version=version,
            written_at=now,
            previous=previous,
        )

    def write(self, entries: Entries) -> None:
        """Append what was prepared. Needs the lock."""
        position, segment = self.position, self._cursor.segment
        segment.allocate(entries.end.offset)
        segment.write(entries.data, position.offset)
        self._cursor.position = entries.end

    def seal(self) -> Position:
        """End this segment and begin the next one; return its beginning.

        Needs the lock, and nothing new behind the position.
        """
        position = self.position
        data, digest = self._line(
            position.number + 1, '["seal"]', position.version, self._clock.now_ms(), position.hash
        )
        end = position._replace(
            offset=position.offset + len(data),
            number=position.number + 1,
            hash=digest,
            is_sealed=True,
        )
        self.write(Entries(data, range(0), end))
        self._ready_segment()
        return end._replace(segment=end.segment + 1, offset=0, is_sealed=False)

    def raise_format(self) -> None:
        """Begin the next segment if this one says that an older Holdfast understands it.

        Needs the lock, and nothing new behind the position.
        """
        if format_of(self._cursor.segment) < FORMAT:
            self.seal()

    def sync(self) -> None:
        """Make everything durable that was written up to `position`. Needs no lock."""
        position = self.position
        if self._synced == position.number:
            return
        if self._syncs:
            if self._names_synced != position.segment:
                self._disk.sync_folder(self.folder)
                self._names_synced = position.segment
            began = self._clock.monotonic_ns()
            self._cursor.segment.sync()
            self._pace.note(self._clock.monotonic_ns() - began)
        self._synced = position.number

    def reopen(self, durable: Position) -> list[Line]:
        """Begin anew behind the last line that is known to be durable, after an error.

        What lies behind it is read, written once more and only then synced: a sync that is only
        tried again may succeed without having written anything.

        Raises:
            StorageUnavailable: git has put other files in the place of the journal.
        """
        self._require_place()
        broken, self._cursor = self._cursor, Cursor(self._disk, self.folder, durable)
        broken.close()
        with self.locked():
            reading = self._cursor.advance_over_damage()
            self._mend()
            first = durable.offset if durable.segment == self.position.segment else 0
            segment = self._cursor.segment
            doubtful = segment.read(self.position.offset - first, first)
            segment.write(doubtful, first)
            self._ready_segment()
        self._synced = durable.number
        self.sync()
        self.damages += reading.damages
        return reading.lines

    def _make_folders(self, folder: Path) -> None:
        try:
            self._disk.make_folder(folder)
        except FileNotFoundError:
            self._make_folders(folder.parent)
            self._disk.make_folder(folder)

    def _sync_names_above(self) -> None:
        """Make the way to this folder durable, whoever made it: he may have died before he could."""
        for parent in self.folder.parents if self._syncs else ():
            # A folder that we may not read was not made by one of us.
            with suppress(PermissionError):
                self._disk.sync_folder(parent)

    def _write_again(self, lines: Sequence[Line], durable: int) -> None:
        """Write once more what nobody is known to have synced.

        After a sync that failed the kernel may hold pages for clean that are not on the disk, and a
        sync of ours would pass over them.
        """
        proven = max((line.synced for line in lines), default=0)
        doubtful = b"".join(line.data for line in lines if line.number > max(proven, durable))
        if self._syncs and doubtful and not self._cursor.segment.is_compressed:
            self._cursor.segment.write(doubtful, self.position.offset - len(doubtful))

    def _trust(self, start: Position) -> None:
        """Take for durable what was so when an index or a snapshot was made that leads to `start`."""
        if start.number and start.segment == self.position.segment:
            self._names_synced = start.segment
            if start.number == self.position.number:
                self._synced = start.number

    def _require_place(self) -> None:
        """Refuse to go on in files that are none of the store any more, or to mend those that are."""
        if self._is_shared and self._cursor.segment.is_gone:
            raise _replaced(self.folder)

    def _is_at_start(self) -> bool:
        return self.position.is_sealed or self.position.offset == 0

    def _ready_segment(self) -> None:
        """Make the next segment behind a seal, and the header of one that has none."""
        if not self._is_at_start():
            return
        if self.position.is_sealed and not self._cursor.enter_next():
            self.sync()
            create_segment(self._disk, self.folder, self.position.segment + 1).close()
            self._cursor.enter_next()
        if self.position.offset:
            return
        header = f'["segment",{{"format":{FORMAT}}}]'
        self.write(self.prepare([[header]], self.position.version))
        self.sync()

    def _mend(self) -> None:
        """Move what a dying writer left behind the last good line into quarantine."""
        segment, offset = self._cursor.segment, self.position.offset
        torn = segment.read_all(offset)
        if not torn or segment.is_compressed:
            return
        if not self.position.number and len(torn) > _LONGEST_HEADER:
            raise _foreign(self.folder)
        name = f"{segment.number}-{offset}-{self._clock.now_ms()}.torn"
        self._quarantine(name, torn)
        warn(
            "the journal in %s ended in a line that was never finished, as a crash leaves it; "
            "its %d bytes are in %s/%s",
            self.folder,
            len(torn),
            QUARANTINE,
            name,
        )
        segment.cut(offset)
        segment.sync()

    def _quarantine(self, name: str, data: bytes) -> None:
        folder = self.folder / QUARANTINE
        self._disk.make_folder(folder)
        handle = self._disk.open(folder / name, create=True)
        try:
            written = 0
            while written < len(data):
                written += self._disk.write(handle, data[written:], written)
            self._disk.sync(handle)
        finally:
            self._disk.close(handle)
        self._disk.sync_folder(folder)


def _replaced(folder: Path) -> StorageUnavailable:
    return StorageUnavailable(
        f"other files were put in the place of the journal in {str(folder)!r}, as git does",
        hint="close the store and open it again, then repeat what was refused; stop all who use a "
        "store before you pull, merge or check out",
    )


def _foreign(folder: Path) -> StorageCorrupt:
    return StorageCorrupt(
        f"what lies in {str(folder)!r} is no journal of Holdfast, or it is damaged from its start",
        hint="give the store a path of its own; these files were left untouched",
    )
