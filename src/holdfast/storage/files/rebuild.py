"""Open the index so that it is complete: fill it from the journal where it is not."""

from __future__ import annotations

from pathlib import Path

from holdfast.clock import Clock
from holdfast.storage.files.cursor import UNCHAINED, Cursor, Position
from holdfast.storage.files.disk import Disk
from holdfast.storage.files.index import Index, open_index
from holdfast.storage.files.segments import segment_numbers
from holdfast.storage.files.snapshot import open_snapshot
from holdfast.storage.files.tail import Cell, Tail, changes_of
from holdfast.storage.files.view import is_heavy

JOURNAL = "journal"
INDEX = "index.db"


class IndexFile:
    """The index of a store: whoever opens it gets one that reaches to a place at least."""

    def __init__(self, path: Path, *, disk: Disk, clock: Clock) -> None:
        self.path = path / INDEX
        self._folder = path / JOURNAL
        self._disk = disk
        self._clock = clock

    def open(self, base: Position) -> Index:
        """Open the index, and fill it up to `base` if it was deleted or damaged meanwhile.

        What lies before `base` must be durable.
        """
        index = open_index(self.path)
        try:
            position = index.position()
            if base.number and (position is None or position.number < base.number):
                self._fill(index, position, base)
        except BaseException:
            index.close()
            raise
        return index

    def fill_from_snapshot(self, index: Index) -> Position | None:
        """Fill an empty index from the newest snapshot; return where it leads to, if there is one."""
        snapshot = open_snapshot(self._disk, self._folder)
        if snapshot is None:
            return None
        index.fill(snapshot.generations, self._clock.now_ms())
        return snapshot.position

    def _fill(self, index: Index, position: Position | None, base: Position) -> None:
        start = position or self.fill_from_snapshot(index)
        tail = Tail(start or Position(0))
        first = segment_numbers(self._disk, self._folder)[0]
        cursor = Cursor(self._disk, self._folder, start or Position(first, hash=UNCHAINED))
        try:
            for reading in cursor.readings():
                lines = [line for line in reading.lines if line.number <= base.number]
                is_last = cursor.position.number >= base.number
                tail.publish(map(changes_of, lines), base if is_last else cursor.position)
                if is_last or is_heavy(tail.active):
                    index.apply(tail.freeze(), self._clock.now_ms())
                    tail.thaw()
                if is_last:
                    return
        finally:
            cursor.close()


class IndexHandle:
    """The connection of one thread to the index, opened when it is first needed."""

    def __init__(self, file: IndexFile) -> None:
        self._file = file
        self._index: Index | None = None

    def reaching(self, base: Position) -> Index:
        """Return an index that has taken over everything up to `base`, opened anew if need be."""
        if self._index and not self._index.reaches(base.number):
            self.close()
        if self._index is None:
            self._index = self._file.open(base)
        return self._index

    def find(self, key: bytes, base: Position) -> Cell | None:
        """Return the state of a key, by one query unless the index has to be opened."""
        number, cell = (self._index or self.reaching(base)).find(key)
        return cell if number >= base.number else self.reaching(base).find(key)[1]

    def close(self) -> None:
        """Close the connection."""
        if self._index:
            self._index.close()
            self._index = None
