"""The index itself: one connection, for one thread at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from holdfast.frozen import NamedTuple
from holdfast.storage.keys import encode_key
from holdfast.storage.texts.documents import Change, Document, Hit, Question, Removed
from holdfast.storage.texts.file import QUERIES, StaleIndex, open_file, translated
from holdfast.storage.texts.finding import find
from holdfast.storage.texts.words import words_of

T = TypeVar("T")


class Place(NamedTuple):
    """A place in a feed: the number of an entry and a hash of it."""

    number: int
    mark: bytes


BEGINNING = Place(0, b"")


class Index:
    """Documents and their words. Every call raises `StaleIndex` when the file is of no use."""

    def __init__(self, path: Path | None) -> None:
        """Open the index, or make an empty one.

        Raises:
            StorageError: it cannot be opened.
        """
        self._place = str(path) if path else "in memory"
        self._connection = open_file(path)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def place(self) -> Place:
        """Return how far the index is in its feed."""
        with translated(self._place):
            return self._applied()

    def count(self) -> int:
        """Return how many documents there are."""
        with translated(self._place):
            (count,) = self._connection.execute(QUERIES["count_documents"]).fetchone()
        return int(count)

    def apply(self, changes: Sequence[Change], *, after: Place, until: Place) -> bool:
        """Take changes over that follow on `after`; False if the index is elsewhere by now."""
        with translated(self._place):
            return self._transact("BEGIN IMMEDIATE", lambda: self._apply(changes, after, until))

    def search(self, question: Question) -> list[Hit]:
        """Return the best documents, the best first."""
        words = words_of(question.text)
        if not words or question.limit < 1:
            return []
        with translated(self._place):
            # In one snapshot, so that the neighbours are those of the matches.
            return self._transact("BEGIN", lambda: find(self._connection, question, words))

    def _transact(self, begin: str, action: Callable[[], T]) -> T:
        self._connection.execute(begin)
        try:
            result = action()
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise
        return result

    def _applied(self) -> Place:
        row = self._connection.execute(QUERIES["get_applied"]).fetchone()
        if row is None:
            return BEGINNING
        if None in row:
            raise StaleIndex("the place is damaged")
        return Place(*row)

    def _apply(self, changes: Sequence[Change], after: Place, until: Place) -> bool:
        if self._applied() != after:
            return False
        for change in changes:
            if isinstance(change, Removed):
                self._remove(encode_key(change.key))
            else:
                self._put(change)
        self._connection.execute(QUERIES["clear_applied"])
        self._connection.execute(QUERIES["set_applied"], until)
        return True

    def _put(self, document: Document) -> None:
        key = encode_key(document.key)
        members = (
            document.scope,
            document.kind,
            document.state,
            document.at,
            document.until,
            document.group or None,
            document.data,
        )
        found = self._connection.execute(QUERIES["find_document"], (key,)).fetchone()
        if found and found[1:] == (document.title, document.text):
            self._connection.execute(QUERIES["update_document"], (*members, found[0]))
            return
        self._remove(key)
        texts = (document.title, document.text)
        inserted = self._connection.execute(QUERIES["insert_document"], (key, *texts, *members))
        self._connection.execute(QUERIES["insert_words"], (inserted.lastrowid, *texts))

    def _remove(self, key: bytes) -> None:
        found = self._connection.execute(QUERIES["find_document"], (key,)).fetchone()
        if found:
            self._connection.execute(QUERIES["remove_words"], found)
            self._connection.execute(QUERIES["remove_document"], found[:1])
