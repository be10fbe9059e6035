"""Replace the history of a store by a snapshot of what it has come to.

Other processes may go on meanwhile. Whoever has the store open stands in the last segments, so that
the newest of those that the snapshot replaces stays as long as anybody has it open.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from holdfast.clock import Clock
from holdfast.errors import StorageCorrupt, UsageError
from holdfast.storage.files.cursor import Position
from holdfast.storage.files.disk import Disk, SystemDisk
from holdfast.storage.files.errors import translated
from holdfast.storage.files.index import Index, open_index
from holdfast.storage.files.journal import Journal
from holdfast.storage.files.lines import Line, line_hash, read_line
from holdfast.storage.files.rebuild import INDEX, JOURNAL, IndexFile
from holdfast.storage.files.segments import SHARED, open_segment
from holdfast.storage.files.snapshot import check_snapshot, snapshot_numbers, write_snapshot
from holdfast.storage.files.tail import Tail, changes_of
from holdfast.storage.files.upkeep.shelf import file_size
from holdfast.storage.files.upkeep.verify import verify
from holdfast.storage.files.users import alone_if_possible
from holdfast.storage.maintenance import Compacted


def compact(path: Path, *, clock: Clock) -> Compacted:
    """Write a snapshot, and delete the segments and snapshots that it replaces.

    Raises:
        UsageError: git carries the store, and its history is what clones are merged by.
        StorageCorrupt: the store is damaged; what is lost now would be lost for good.
        StorageUnavailable: there is no store.
    """
    disk = SystemDisk()
    folder = path / JOURNAL
    if SHARED in disk.names(folder):
        raise UsageError(
            f"git carries the store {str(path)!r} to other clones; they could not merge any more with "
            "one that was compacted",
            hint="when all clones have the same commit, delete `journal/shared`, compact, run "
            "`holdfast merge --install`, and commit",
        )
    if verify(path, now=clock.now_ms()).findings:
        raise StorageCorrupt(
            f"the store {str(path)!r} is damaged; to compact it would make that final",
            hint="run `holdfast store repair` first",
        )
    with translated(str(path)):
        before = size(disk, path)
        position = _carry_over(path, disk, clock)
        notes = _delete(disk, folder, position.segment)
        after = size(disk, path)
    return Compacted(store=str(path), bytes_before=before, bytes_after=after, notes=notes)


def size(disk: Disk, path: Path) -> int:
    """Return how many bytes the journal takes. The index is a copy that may be deleted."""
    folder = path / JOURNAL
    return sum(file_size(disk, folder / name) for name in disk.names(folder) if ".jsonl" in name)


def _carry_over(path: Path, disk: Disk, clock: Clock) -> Position:
    """Bring the index to the beginning of a segment, write the snapshot, and return that place."""
    journal = Journal(path / JOURNAL, disk=disk, clock=clock, syncs=True)
    journal.open()
    index = open_index(path / INDEX)
    try:
        position = _Carrying(path, disk, clock, journal, index).run()
        if position.segment not in snapshot_numbers(disk, path / JOURNAL):
            snapshot = write_snapshot(
                disk,
                path / JOURNAL,
                index,
                position,
                clock.now_ms(),
                last=_last_before(disk, path / JOURNAL, position),
            )
            check_snapshot(disk, snapshot)
    finally:
        index.close()
        journal.close()
    return position


def _last_before(disk: Disk, folder: Path, position: Position) -> bytes:
    """Return the line in front of the beginning of a segment; nothing if it is not there."""
    try:
        segment = open_segment(disk, folder, position.segment - 1)
    except FileNotFoundError:
        return b""
    try:
        line = segment.read_all(0).splitlines(keepends=True)[-1:]
    finally:
        segment.close()
    return line[0] if line and line_hash(line[0]) == position.hash else b""


class _Carrying:
    """The end of the journal on its way into the index."""

    def __init__(
        self, path: Path, disk: Disk, clock: Clock, journal: Journal, index: Index
    ) -> None:
        self._path = path
        self._disk = disk
        self._clock = clock
        self._journal = journal
        self._index = index
        self._tail = Tail(Position(0))

    def run(self) -> Position:
        self._journal.recover(self._find_start, self._take)
        with self._journal.locked():
            self._take(self._journal.catch_up(), self._journal.position)
            position = self._beginning() or self._journal.seal()
            self._take([], self._journal.position)
        self._journal.sync()
        self._index.apply(self._tail.freeze(), self._clock.now_ms())
        return position

    def _find_start(self) -> Position | None:
        filled = IndexFile(self._path, disk=self._disk, clock=self._clock)
        start = self._index.position() or filled.fill_from_snapshot(self._index)
        self._tail = Tail(start or Position(0))
        return start

    def _take(self, lines: Sequence[Line], position: Position) -> None:
        self._tail.publish(list(map(changes_of, lines)), position)

    def _beginning(self) -> Position | None:
        """Return the beginning of the open segment if nothing but its header was written to it."""
        position = self._journal.position
        segment = open_segment(self._disk, self._path / JOURNAL, position.segment)
        try:
            data = segment.read(position.offset, 0)
        finally:
            segment.close()
        if data.count(b"\n") != 1:
            return None
        header = read_line(data)
        return Position(position.segment, 0, header.number - 1, header.previous, header.version)


def _delete(disk: Disk, folder: Path, first: int) -> list[str]:
    """Delete what the snapshot of a segment replaces; return what there is to say about it."""
    with alone_if_possible(folder, disk) as is_alone:
        kept = first if is_alone else first - 1
        for name in disk.names(folder):
            number = int(name[:8]) if name[:8].isdigit() else first
            is_snapshot = ".snapshot." in name
            is_left = is_alone and name.endswith(".tmp")
            if is_left or number < (first if is_snapshot else kept):
                with suppress(FileNotFoundError):
                    disk.unlink(folder / name)
        disk.sync_folder(folder)
    if is_alone:
        return []
    return ["the newest history stays as long as another process has the store open"]
