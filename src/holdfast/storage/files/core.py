"""Open a files store, put its parts together, and close it: the session of the writing thread."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from holdfast.clock import Clock
from holdfast.errors import StorageUnavailable
from holdfast.storage.files.cursor import Cursor, Position
from holdfast.storage.files.disk import Disk
from holdfast.storage.files.errors import translate
from holdfast.storage.files.index import open_index, remove_index
from holdfast.storage.files.indexer import Indexer, compress_sealed
from holdfast.storage.files.journal import Journal
from holdfast.storage.files.lines import Line, line_hash
from holdfast.storage.files.merging.pending import is_pending
from holdfast.storage.files.place import refuse_network
from holdfast.storage.files.reader import Reader
from holdfast.storage.files.reader import Request as Reading
from holdfast.storage.files.rebuild import JOURNAL, IndexFile, IndexHandle
from holdfast.storage.files.requests import Work
from holdfast.storage.files.segments import open_segment
from holdfast.storage.files.snapshot import snapshot_numbers
from holdfast.storage.files.tail import Tail, changes_of
from holdfast.storage.files.users import Users
from holdfast.storage.files.view import View, is_heavy
from holdfast.storage.files.writer import Writer
from holdfast.storage.outcomes import Outcome
from holdfast.storage.warning import warn
from holdfast.storage.watchers import Watchers

_LOOK_BACK = 1 << 20
_WORTH_INDEXING = 500
"""So many lines are read again faster than an index is opened for them."""


class Core:
    """The open parts of a store. All but `view` and `reading` belong to the writing thread."""

    def __init__(
        self,
        path: Path,
        *,
        disk: Disk,
        clock: Clock,
        syncs: bool,
        allow_network: bool,
        watchers: Watchers,
        at_once: bool = False,
    ) -> None:
        self._path = path
        self._place = str(path)
        self._disk = disk
        self._clock = clock
        self._syncs = syncs
        self._allow_network = allow_network
        self._watchers = watchers
        self._syncs_later = at_once
        self._journal = Journal(path / JOURNAL, disk=disk, clock=clock, syncs=syncs)
        self._users = Users(path / JOURNAL, disk)
        self._index = IndexFile(path, disk=disk, clock=clock)
        self._view: View | None = None
        self._tail = Tail(Position(0))
        self._has_index = False
        self._writer: Writer
        self._indexer: Indexer
        self.reading = _Reading(self)

    @property
    def view(self) -> View:
        """What is published.

        Raises:
            StorageUnavailable: the store is not open.
        """
        if self._view is None:
            raise StorageUnavailable(
                f"the store {self._place!r} is not open", hint="use it inside `async with`"
            )
        return self._view

    def open(self) -> None:
        """Recover the journal and start the parts."""
        try:
            self._open()
        except Exception as error:
            self._journal.close()
            self._users.leave()
            failure = translate(error, self._place)
            if failure is error:
                raise
            raise failure from error

    def serve(self, group: list[Work]) -> list[Outcome]:
        """Commit a group."""
        return self._writer.serve(group)

    def serve_now(self, group: list[Work]) -> list[Outcome] | None:
        """Commit a group in the event loop, unless that could hold it up."""
        return self._writer.serve_now(group)

    def close(self) -> None:
        """Bring the index up to date if that is worth it, and close everything."""
        view, self._view = self.view, None
        self._indexer.stop()
        self._writer.close()
        try:
            self._finish(view)
        except OSError as error:
            raise translate(error, self._place) from error
        finally:
            view.close()
            self._journal.close()
            self._users.leave()

    def _finish(self, view: View) -> None:
        if self._syncs_later and not view.is_degraded:
            self._journal.sync()
        with suppress(Exception):  # the next opening does it
            if not view.is_degraded and self._tail.active.count >= _WORTH_INDEXING:
                self._index_now()
                compress_sealed(
                    self._disk, self._path / JOURNAL, before=self._tail.position.segment
                )

    def make_reader(self) -> Reader:
        """Return what the reading thread works with."""
        return Reader(
            self._path / JOURNAL,
            self.view,
            disk=self._disk,
            syncs=self._syncs,
            place=self._place,
            index=IndexHandle(self._index),
        )

    def _open(self) -> None:
        if not self._allow_network:
            refuse_network(self._path)
        self._journal.open()
        self._finish_merge()
        self._users.join()
        self._journal.recover(self._find_start, self._take, syncs=not self._syncs_later)
        position = self._journal.position
        self._tail.publish([], position)
        probe = Cursor(self._disk, self._path / JOURNAL, position)
        self._view = view = View(self._tail, probe, self._watchers, has_index=self._has_index)
        self._report_damage()
        self._writer = Writer(
            self._journal,
            view,
            clock=self._clock,
            place=self._place,
            index=IndexHandle(self._index),
        )
        self._indexer = Indexer(
            self._path / JOURNAL,
            view,
            disk=self._disk,
            clock=self._clock,
            index=IndexHandle(self._index),
        )
        view.on_frozen = self._indexer.hand_over

    def _finish_merge(self) -> None:
        """Sort what git has merged; then the journal is one as any other."""
        folder = self._path / JOURNAL
        if is_pending(self._disk, folder):
            from holdfast.storage.files.merging import settling  # noqa: PLC0415 - seldom needed

            settling.settle_pending(self._disk, folder)

    def _find_start(self) -> Position | None:
        """Return where the index ends, filled from a snapshot if need be; None for the beginning."""
        start = self._indexed() or self._load_snapshot()
        self._has_index = start is not None
        self._tail = Tail(start or Position(0))
        return start

    def _take(self, lines: Sequence[Line], position: Position) -> None:
        self._tail.publish(list(map(changes_of, lines)), position)
        if is_heavy(self._tail.active):
            self._journal.sync()  # the index is never ahead of what is durable
            self._index_now()

    def _report_damage(self) -> None:
        if self._journal.damages:
            warn(
                "%d places of the journal in %s are damaged and were skipped; "
                "run `holdfast store verify`",
                len(self._journal.damages),
                self._place,
            )

    def _load_snapshot(self) -> Position | None:
        if not snapshot_numbers(self._disk, self._path / JOURNAL):
            return None
        index = open_index(self._index.path)
        try:
            return self._index.fill_from_snapshot(index)
        finally:
            index.close()

    def _indexed(self) -> Position | None:
        """Return how far the index is, or None after removing one that is of no use."""
        path = self._index.path
        if not path.exists():
            return None
        index = open_index(path)
        try:
            position = index.position()
        finally:
            index.close()
        if position is None or self._is_of_this_journal(position):
            return position
        remove_index(path)
        return None

    def _is_of_this_journal(self, position: Position) -> bool:
        """Return whether the line in front of a position has the hash that it should have."""
        try:
            segment = open_segment(self._disk, self._path / JOURNAL, position.segment)
        except (FileNotFoundError, ValueError):
            return False
        try:
            first = max(position.offset - _LOOK_BACK, 0)
            data = segment.read(position.offset - first, first)
        finally:
            segment.close()
        if len(data) < position.offset - first or data[-1:] != b"\n":
            return False
        start = data.rfind(b"\n", 0, -1) + 1
        return (first > 0 and start == 0) or line_hash(data[start:]) == position.hash

    def _index_now(self) -> None:
        """Carry the active generation into the index, in this thread; nobody else is there."""
        index = self._index.open(self._tail.base)
        try:
            if self._tail.frozen:
                index.apply(self._tail.frozen, self._clock.now_ms())
                self._tail.thaw()
            index.apply(self._tail.freeze(), self._clock.now_ms())
        finally:
            index.close()
        self._has_index = True
        self._tail.thaw()


class _Reading:
    """The session of the reading thread; it begins when the writing thread has opened."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._reader: Reader

    def open(self) -> None:
        self._reader = self._core.make_reader()

    def serve(self, group: list[Reading]) -> list[Outcome]:
        return self._reader.serve(group)

    def close(self) -> None:
        self._reader.close()
