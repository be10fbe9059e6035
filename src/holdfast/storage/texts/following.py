"""Keep an index in step with a store, and ask it."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from holdfast.errors import StorageCorrupt
from holdfast.storage.seam import Entry, Key, Store
from holdfast.storage.texts.documents import Change, Hit, Question
from holdfast.storage.texts.file import StaleIndex, remove_file
from holdfast.storage.texts.index import BEGINNING, Index, Place
from holdfast.storage.threads import new_turn, on_thread

T = TypeVar("T")

Load = Callable[[Sequence[Entry]], Awaitable[Sequence[Change]]]
"""Given entries of the feed, in order: what the records that they name are to the index now."""

_PAGE = 1000
_ROUNDS = 3


class Texts:
    """Find records by their words.

    ::

        async with Texts(store, ("memory-feed",), load=load, path=folder / "memory.db") as texts:
            hits = await texts.search(Question(text="which editor do we use?"))

    The owner of the records appends to the log `feed` in the same batch as every change. No two
    entries of it may be alike (put an id or a time in), because they also show whether the index
    belongs to this store. Every search first takes in what was added since, so it sees every
    change that was acknowledged before.

    The index is local and holds nothing that is nowhere else. One that is missing, damaged, of
    another version or of another store is made anew. Many processes may use one file at once.
    Without a path it is kept in memory. The file is opened when it is first needed.
    """

    def __init__(self, store: Store, feed: Key, *, load: Load, path: Path | None = None) -> None:
        self._store = store
        self._feed = feed
        self._load = load
        self._path = path
        self._index: Index | None = None
        self._index_lock = threading.Lock()
        self._following = new_turn()
        self._reached: Place | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await on_thread(self._close)

    async def search(self, question: Question) -> Sequence[Hit]:
        """Return the best documents for a question, the best first.

        Raises:
            StorageError: the store or the index failed.
        """

        async def ask() -> Sequence[Hit]:
            await self._follow()
            return await self._on_index(lambda index: index.search(question))

        return await self._until_sound(ask)

    async def catch_up(self) -> int:
        """Take in what was added to the feed; return how many of its entries that were.

        Raises:
            StorageError: the store or the index failed.
        """
        return await self._until_sound(self._follow)

    async def count(self) -> int:
        """Return how many documents there are, after catching up."""

        async def count() -> int:
            await self._follow()
            return await self._on_index(Index.count)

        return await self._until_sound(count)

    async def rebuild(self) -> int:
        """Make the index anew; return how many entries of the feed it was made from."""
        await on_thread(self._drop)
        return await self.catch_up()

    async def _until_sound(self, action: Callable[[], Awaitable[T]]) -> T:
        """Do it, again with a new index where the old one is of no use."""
        for _ in range(_ROUNDS):
            try:
                return await action()
            except StaleIndex:
                await on_thread(self._drop)
        raise StorageCorrupt(
            f"the search index {str(self._path)!r} is damaged again as soon as it is made",
            hint="check the disk and the system log; the records themselves are elsewhere",
        )

    async def _follow(self) -> int:
        taken = 0
        async with self._following:
            if await self._is_in_step():
                return 0
            while True:
                place = await self._on_index(Index.place)
                entries = await self._next_entries(place)
                if not entries:
                    self._reached = place
                    return taken
                until = _place_of(entries[-1])
                changes = await self._load(entries)
                apply = partial(Index.apply, changes=changes, after=place, until=until)
                if await self._on_index(apply):
                    taken += len(entries)

    async def _is_in_step(self) -> bool:
        """Tell without asking the index whether nothing was added: it never goes back."""
        if self._reached is None or self._reached == BEGINNING:
            return False
        entries = await self._store.read(self._feed, after=self._reached.number - 1, limit=2)
        return len(entries) == 1 and _place_of(entries[0]) == self._reached

    async def _next_entries(self, place: Place) -> Sequence[Entry]:
        """Return entries behind a place, after a look whether it is one of this feed."""
        if place == BEGINNING:
            return await self._store.read(self._feed, limit=_PAGE)
        entries = await self._store.read(self._feed, after=place.number - 1, limit=_PAGE)
        if not entries or _place_of(entries[0]) != place:
            raise StaleIndex("the index belongs to another store")
        return entries[1:]

    async def _on_index(self, action: Callable[[Index], T]) -> T:
        return await on_thread(partial(self._act, action))

    def _act(self, action: Callable[[Index], T]) -> T:
        with self._index_lock:
            if self._index is None:
                self._index = Index(self._path)
            return action(self._index)

    def _drop(self) -> None:
        self._close()
        if self._path is not None:
            remove_file(self._path)

    def _close(self) -> None:
        with self._index_lock:
            if self._index is not None:
                self._index.close()
                self._index = None
            self._reached = None


def _place_of(entry: Entry) -> Place:
    return Place(entry.number, sha256(entry.value).digest()[:16])
