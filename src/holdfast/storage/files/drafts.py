"""Decide what a group of requests does, between reading the journal and appending to it.

A `Draft` is the state that the holder of the lock sees: what is published, what others wrote
since, and what the requests before this one in the group do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from holdfast.storage.files.cursor import Position
from holdfast.storage.files.index import FIRST_DUE, DuePlace, Index
from holdfast.storage.files.lines import Line
from holdfast.storage.files.rebuild import IndexHandle
from holdfast.storage.files.tail import (
    DELETED,
    Cell,
    Change,
    Changes,
    Cut,
    Due,
    End,
    Erased,
    Extended,
    Stored,
    changes_of,
    queue_of,
)
from holdfast.storage.files.view import View

_LINE_BYTES = 128 * 1024


class Passed:
    """How far the due records of each queue in the index are hidden by newer ones.

    What is hidden stays so until the index takes the newer ones over; so nobody looks there twice.
    """

    def __init__(self) -> None:
        self._base: Position | None = None
        self._places: dict[bytes, DuePlace] = {}

    def place(self, queue: bytes, base: Position) -> DuePlace:
        """Return the last place of a queue that is hidden, for an index that reaches to `base`."""
        if base != self._base:
            self._base = base
            self._places.clear()
        return self._places.get(queue, FIRST_DUE)

    def note(self, queue: bytes, place: DuePlace) -> None:
        """Remember that everything up to a place is hidden."""
        self._places[queue] = place

    def clear(self) -> None:
        """Forget everything: what hid the records may not have been written."""
        self._places.clear()


class Draft:
    """The state in front of the writer, and the lines that it is going to append.

    A line holds many requests: each line has its price, and the group is synced as a whole anyway.
    """

    def __init__(
        self, view: View, index: IndexHandle, passed: Passed, keys: Iterable[bytes]
    ) -> None:
        self._view = view
        self._handle = index
        self._passed = passed
        self._cut: Cut
        self._index: Index | None = None
        self._base: Position | None = None
        self._known: dict[bytes, Cell] = {}
        if names := set(keys):
            self._look_up(names)
        self._cells: dict[bytes, Cell] = {}
        self._logs: dict[bytes, Extended | Erased] = {}
        self._room = 0
        self._unread: list[Line] = []
        self._foreign: list[Changes] = []
        self.has_foreign = False
        self.needs_format = False
        """Whether a line says what only this format of the journal knows."""
        self.lines: list[list[str]] = []
        self.changes: list[list[Change]] = []
        self._line: list[str] = []
        self._changed: list[Change] = []
        self.version = 0
        self.now = 0

    def begin(self, foreign: Sequence[Line], version: int, now: int) -> None:
        """Take in what others wrote; the lock is held from here on."""
        self.version = version
        self.now = now
        self._take_cut()
        if self._cut.base != self._base:
            # If it was open, the index took something over since, maybe newer than what it said.
            self._known = {}
        # What the refresh of a reader published meanwhile is not news.
        self._unread = [line for line in foreign if line.number > self._cut.number]
        self.has_foreign = bool(self._unread)

    def read_foreign(self) -> list[Changes]:
        """Return the changes of others, which until now were only looked through."""
        if self._unread:
            own_cells, own_logs = self._cells, self._logs
            self._cells, self._logs = {}, {}
            for line in self._unread:
                changes = changes_of(line)
                self._foreign.append(changes)
                for change in changes.changes:
                    self._note(change)
            # A request that took whatever was there may have come before this reading.
            self._cells.update(own_cells)
            self._logs.update(own_logs)
            self._unread = []
        return self._foreign

    def current(self, key: bytes, name: bytes) -> int:
        """Return the version of a key; 0 if there is no live record. `name` is the key as JSON."""
        if self._unread:
            self._read_if_named(name)
        cell = self._cells.get(key) or self._cut.find(key) or self._known.get(key)
        if cell is None and (index := self._indexed()):
            cell = index.find_version(key)
        return cell.current(self.now) if cell else 0

    def log_end(self, log: bytes, name: bytes) -> End:
        """Return where a log ends. `name` is the log's name as JSON."""
        if self._unread:
            self._read_if_named(name)
        change = self._logs.get(log)
        end = change.end if change else self._cut.log_end(log)
        if end is None:
            index = self._indexed()
            end = index.log_end(log) if index else 0
        return end

    def next_due(self, queue: bytes) -> Due | None:
        """Return the record of a queue that has been due longest."""
        self.read_foreign()
        with self._view.lock:  # a reader may publish what others wrote
            found = (
                self._own_due(queue),
                self._cut.next_due(queue, self.now, self._cells),
                self._indexed_due(queue),
            )
        return min(filter(None, found), default=None)

    def next_version(self) -> int:
        """Return a version that nobody has."""
        self.version += 1
        return self.version

    def add(self, operations: Sequence[str], changes: Sequence[Change]) -> None:
        """Let the same line do all of the operations."""
        begun = False
        for operation, change in zip(operations, changes, strict=True):
            self.add_one(operation, change, to_this_line=begun)
            begun = True

    def add_one(self, operation: str, change: Change, *, to_this_line: bool = False) -> None:
        """Let a line do an operation, the one that is being written if that has to be."""
        if self._room <= 0 and not to_this_line:
            self._begin_line()
        self._room -= len(operation)
        self._line.append(operation)
        self._changed.append(change)
        self._note(change)

    def _begin_line(self) -> None:
        self._line, self._changed = [], []
        self.lines.append(self._line)
        self.changes.append(self._changed)
        self._room = _LINE_BYTES

    def _read_if_named(self, name: bytes) -> None:
        if any(name in line.data for line in self._unread):
            self.read_foreign()

    def _indexed(self) -> Index | None:
        """Return the index, opened when it is first asked, or None: the cut knows everything."""
        base = self._cut.base
        if base != self._base:
            self._base = base
            self._index = self._handle.reaching(base) if base.number else None
        return self._index

    def _take_cut(self) -> None:
        with self._view.lock:
            self._cut = self._view.tail.cut()

    def _look_up(self, keys: Iterable[bytes]) -> None:
        """Learn what the index says of the records to compare, before the lock is taken.

        It stays true under the lock: what changes meanwhile is in the journal behind the cut.
        """
        self._take_cut()
        index = self._indexed()
        if index is None:
            return
        find = index.find_version
        found = ((key, find(key)) for key in keys if not self._cut.has(key))
        self._known = {key: cell or DELETED for key, cell in found}

    def _note(self, change: Change) -> None:
        if isinstance(change, Stored):
            self._cells[change.key] = change.cell
        else:
            self._logs[change.log] = change

    def _indexed_due(self, queue: bytes) -> Due | None:
        index = self._indexed()
        if index is None:
            return None
        place = self._passed.place(queue, self._cut.base)
        for due in index.due(queue, self.now, place):
            if due.key not in self._cells and not self._cut.has(due.key):
                return due
            self._passed.note(queue, (due.due_at, due.key))
        return None

    def _own_due(self, queue: bytes) -> Due | None:
        due = (
            Due(cell.due_at, key, cell)
            for key, cell in self._cells.items()
            if cell.due_at is not None
            and cell.due_at <= self.now
            and cell.is_live(self.now)
            and queue_of(key) == queue
        )
        return min(due, default=None)
