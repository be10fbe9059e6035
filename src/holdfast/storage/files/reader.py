"""Read beside the writer: what the reading thread of a files store does.

Most reads are answered by the tail, in the caller's own thread. This thread asks the index, and
catches up with what other processes wrote. It never waits for the writer's lock.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from holdfast.storage.files.cursor import Cursor
from holdfast.storage.files.disk import Disk
from holdfast.storage.files.errors import translate
from holdfast.storage.files.index import Index
from holdfast.storage.files.rebuild import IndexHandle
from holdfast.storage.files.tail import Cell, changes_of
from holdfast.storage.files.view import View
from holdfast.storage.outcomes import Outcome

Request: TypeAlias = Callable[["Reader"], object]


class Reader:
    """The reads of one process that need more than the tail."""

    def __init__(
        self,
        folder: Path,
        view: View,
        *,
        disk: Disk,
        syncs: bool,
        place: str,
        index: IndexHandle,
    ) -> None:
        self._folder = folder
        self._view = view
        self._disk = disk
        self._syncs = syncs
        self._place = place
        self._index = index
        self._cursor: Cursor | None = None

    def open(self) -> None:
        """Do nothing yet; what is needed is opened when it is needed."""

    def serve(self, group: list[Request]) -> list[Outcome]:
        """Return the outcome of each request."""
        return [self._answer(request) for request in group]

    def close(self) -> None:
        """Close what was opened."""
        self._index.close()
        if self._cursor:
            self._cursor.close()

    @property
    def index(self) -> Index | None:
        """The index, if there is one by now."""
        if not self._view.has_index:
            return None
        return self._index.reaching(self._view.tail.base)

    def find(self, key: bytes) -> Cell | None:
        """Return what the index says of a key."""
        return self._index.find(key, self._view.tail.base)

    def refresh(self) -> None:
        """Take in what other processes wrote, and make sure that it is durable."""
        if self._view.is_fresh():
            return
        with self._view.lock:
            start = self._view.tail.position
        if self._cursor is None:
            self._cursor = Cursor(self._disk, self._folder, start)
        self._cursor.move(start)
        lines = self._cursor.advance()
        if not lines:
            return
        if self._syncs:
            self._cursor.segment.sync()
        self._view.publish(list(map(changes_of, lines)), self._cursor.position)

    def _answer(self, request: Request) -> Outcome:
        try:
            return Outcome(request(self))
        except Exception as error:  # noqa: BLE001 - delivered to the caller
            failure = translate(error, self._place)
            if failure is not error:
                failure.__cause__ = error
            return Outcome(error=failure)
