"""The memory: everything that is remembered, of all namespaces."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from holdfast.clock import Clock
from holdfast.memory.belief import LIVE, State, contradictions, state_of
from holdfast.memory.drafts import Draft, Secrets, draft_of
from holdfast.memory.entry import Entry, Provenance
from holdfast.memory.events import Event
from holdfast.memory.namespaces import Namespace
from holdfast.memory.priming import Primed, prime
from holdfast.memory.reading import Reader
from holdfast.memory.settling import Mended, repair, settle_merges
from holdfast.memory.transfer import Imported, export_entries, import_entries
from holdfast.memory.writing import Writer, Written
from holdfast.storage.seam import Store

if TYPE_CHECKING:
    from holdfast.memory.faces import EntryFaces
    from holdfast.memory.searching import Found, Searcher
    from holdfast.memory.vectors import Embedder
    from holdfast.storage.faces import Report

_RANKED = 200
"""How many entries a search puts in front when a budget is filled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An entry, how it stands now, and the ids of those that speak against it."""

    entry: Entry
    state: State
    contradicted_by: tuple[str, ...] = ()


class Memories:
    """Remember, supersede, forget, find.

    ::

        async with Memories(store, clock=SystemClock(), folder=Path(".holdfast/memory")) as memories:
            written = await memories.write(Draft(key="editor", value="We use Helix."))
            found = await memories.search("which editor?")

    `folder` is where the readable files are, None for none: `take_in` reads what people edited in
    them, and what changed is written to them by `write_files` and when it is closed. `search_folder` is
    where the disposable index is; without it the index is made in memory. `embedder` ranks by meaning
    too, see `holdfast.memory.vectors`.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        folder: Path | None = None,
        search_folder: Path | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._folder = folder
        self._search_folder = search_folder
        self._embedder = embedder
        self._reader = Reader(store, clock=clock)
        self._writer = Writer(store, self._reader, clock=clock)
        self._faces: EntryFaces | None = None
        self._searcher: Searcher | None = None
        self._is_changed = False

    @property
    def clock(self) -> Clock:
        """The clock by which entries expire."""
        return self._clock

    async def __aenter__(self) -> Self:
        await settle_merges(self._store, self._reader)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._is_changed and kind is None:
                await self.write_files()
        finally:
            if self._searcher:
                await self._searcher.texts.__aexit__(kind, error, trace)

    async def write(
        self, draft: Draft, *, supersedes: Sequence[str] = (), secrets: Secrets = "refuse"
    ) -> Written:
        """Remember something, in place of the entries with the ids `supersedes`.

        What else is believed about the same subject stays, and is named in the answer.

        Raises:
            UsageError: the draft cannot be remembered so.
            SecretFound: it looks as if it held a key or a password, and `secrets` refuses that.
            EntryNotFound, EntryEnded: what it is to supersede is not there, or ended already.
        """
        self._is_changed = True
        return await self._writer.write(draft, supersedes=supersedes, secrets=secrets)

    async def supersede(
        self,
        entry_id: str,
        value: object,
        *,
        provenance: Provenance | None = None,
        secrets: Secrets = "refuse",
        **changes: Any,
    ) -> Written:
        """Put another entry in the place of one; what `changes` does not name stays as it was.

        Raises:
            UsageError, SecretFound, EntryNotFound, EntryEnded: as `write`.
        """
        old = (await self._reader.find(entry_id)).entry
        said = provenance or Provenance()
        draft = replace(draft_of(old), value=value, provenance=said, **changes)
        return await self.write(draft, supersedes=[old.id], secrets=secrets)

    async def forget(self, entry_id: str, *, by: str = "", why: str = "") -> Entry:
        """End an entry. It is not found any more; its history stays, and says who forgot it and why.

        Raises:
            EntryNotFound, EntryEnded: it is not there, or ended already.
        """
        self._is_changed = True
        return await self._writer.forget(entry_id, by=by, why=why)

    async def get(self, entry_id: str) -> Known:
        """Return the entry with this id, or the only one whose id begins so.

        Raises:
            EntryNotFound: there is none, or there are several.
        """
        entry = (await self._reader.find(entry_id)).entry
        about = await self._reader.about(entry.namespace, entry.key) if entry.key else []
        return self._known([entry], [each.entry for each in about])[0]

    async def list(
        self,
        *,
        namespaces: Collection[Namespace] | None = None,
        kinds: Collection[str] | None = None,
        states: Collection[State] = (State.CURRENT,),
        key: str | None = None,
        since: int | None = None,
        before: int | None = None,
    ) -> list[Known]:
        """Return all entries in one of the states, the newest first.

        `since` and `before` are about when an entry was recorded.
        """
        only_live = not set(states) - LIVE
        stored = await (
            self._reader.live(namespaces) if only_live else self._reader.every(namespaces)
        )
        entries = [each.entry for each in stored]
        known = [
            each
            for each in self._known(entries, entries)
            if each.state in states
            and (kinds is None or str(each.entry.kind) in kinds)
            and (key is None or each.entry.key == key)
            and (since is None or each.entry.recorded_at >= since)
            and (before is None or each.entry.recorded_at < before)
        ]
        return sorted(known, key=lambda each: (-each.entry.recorded_at, each.entry.id))

    async def search(self, text: str, **asked: Any) -> list[Found]:
        """Return the entries that fit a text best; `asked` is as in `Searcher.search`."""
        return await self._opened_searcher().search(text, **asked)

    async def history(self, entry_id: str) -> list[Event]:
        """Return what happened to an entry, to what it replaced and to what replaced it, in order.

        Raises:
            EntryNotFound: there is no such entry, or there are several.
        """
        return await self._reader.lineage((await self._reader.find(entry_id)).entry)

    async def as_of(
        self,
        moment: int,
        *,
        valid_at: int | None = None,
        namespaces: Iterable[Namespace] | None = None,
    ) -> list[Known]:
        """Return what was believed at a moment, about the world at `valid_at` (else: then).

        Raises:
            UsageError: the moment has not come yet.
        """
        believed = await self._reader.as_of(moment, valid_at=valid_at, namespaces=namespaces)
        against = contradictions(believed)
        known = [
            Known(entry=each, state=State.CURRENT, contradicted_by=against.get(each.id, ()))
            for each in believed
        ]
        return sorted(known, key=lambda each: (-each.entry.recorded_at, each.entry.id))

    async def prime(
        self,
        budget: int,
        *,
        query: str | None = None,
        namespaces: Collection[Namespace] | None = None,
    ) -> Primed:
        """Return the best entries that fit into `budget` characters, and name all others.

        With a query those that it finds come first.

        Raises:
            UsageError: the budget is too small to say anything in.
        """
        known = await self.list(namespaces=namespaces)
        ranks: dict[str, int] = {}
        if query is not None and known:
            found = await self.search(query, namespaces=namespaces, limit=_RANKED)
            ranks = {each.entry.id: rank for rank, each in enumerate(found)}
        return prime(
            [each.entry for each in known],
            budget,
            now=self._clock.now_ms(),
            ranks=ranks,
            contradicted={each.entry.id: each.contradicted_by for each in known},
        )

    async def take_in(self) -> Report | None:
        """Take in what people edited in the files, and say what became of it; None without files."""
        faces = self._opened_faces()
        return await faces.take_in() if faces else None

    async def write_files(self) -> int:
        """Write the files of what changed, and remove those of what ended; return how many."""
        self._is_changed = False
        await self._writer.sweep()
        faces = self._opened_faces()
        return await faces.catch_up() if faces else 0

    async def export(self, write: Callable[[str], object]) -> int:
        """Write all entries with their history as lines of JSON; return how many entries."""
        return await export_entries(self._reader, write)

    async def take(self, lines: Iterable[str]) -> Imported:
        """Take in what `export` wrote; doing it again changes nothing.

        Raises:
            UsageError: a line is not what `export` writes; those before it were taken in.
        """
        self._is_changed = True
        return await import_entries(self._store, self._reader, lines)

    async def repair(self, *, dry_run: bool = False) -> Mended:
        """Mend records that are not what the history says, and make what is derived anew."""
        mended = await repair(self._store, self._reader, dry_run=dry_run)
        if not dry_run:
            await self._opened_searcher().texts.rebuild()
            if faces := self._opened_faces():
                await faces.write_all_files()
        return mended

    def _known(self, entries: Sequence[Entry], peers: Sequence[Entry]) -> list[Known]:
        now = self._clock.now_ms()
        against = contradictions(each for each in peers if state_of(each, now) in LIVE)
        return [
            Known(entry=each, state=state_of(each, now), contradicted_by=against.get(each.id, ()))
            for each in entries
        ]

    def _opened_faces(self) -> EntryFaces | None:
        if self._faces is None and self._folder is not None:
            from holdfast.memory.faces import EntryFaces  # noqa: PLC0415 - not all need it

            self._faces = EntryFaces(self._store, self._folder, clock=self._clock)
        return self._faces

    def _opened_searcher(self) -> Searcher:
        if self._searcher is None:
            from holdfast.memory.searching import Searcher  # noqa: PLC0415 - loads a driver

            folder = self._search_folder
            vectors = None
            if self._embedder:
                from holdfast.memory.vectors import Vectors  # noqa: PLC0415 - an extra

                vectors = Vectors(self._store, self._reader, self._embedder, folder=folder)
            self._searcher = Searcher(
                self._store,
                self._reader,
                clock=self._clock,
                path=folder / "memory.db" if folder else None,
                vectors=vectors,
            )
        return self._searcher
