"""Find entries by their words, and by their meaning where somebody brings an embedder."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.clock import Clock
from holdfast.memory.batches import Stored
from holdfast.memory.belief import LIVE, State, state_of
from holdfast.memory.entry import Entry, decode_entry, encode_entry
from holdfast.memory.keys import ENTRIES, FEED, read_feed
from holdfast.memory.namespaces import Namespace
from holdfast.memory.reading import Reader
from holdfast.storage.seam import Entry as LogEntry
from holdfast.storage.seam import Key, Store
from holdfast.storage.texts import Change, Document, Hit, Question, Removed, Texts

if TYPE_CHECKING:
    from holdfast.memory.vectors import Near, Vectors

VECTOR_WEIGHT = 0.6
"""What a rank by meaning counts against one by words, as it was best on LoCoMo."""

_RANK_OFFSET = 60  # as in the paper on reciprocal rank fusion (Cormack et al., 2009)
_CANDIDATES = 50
_LIVE, _ENDED = "live", "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An entry that was found; the better, the higher its `score`.

    `snippet` shows the match. `beside` is the id of the neighbour that matched where the entry itself
    did not; it is empty otherwise. `by_meaning` says that no word of it matched.
    """

    entry: Entry
    state: State
    score: float
    snippet: str
    beside: str = ""
    by_meaning: bool = False


class Searcher:
    """The index of the entries."""

    def __init__(
        self,
        store: Store,
        reader: Reader,
        *,
        clock: Clock,
        path: Path | None,
        vectors: Vectors | None = None,
    ) -> None:
        self._reader = reader
        self._clock = clock
        self._vectors = vectors
        self.texts = Texts(store, FEED, load=self._load, path=path)

    async def search(
        self,
        text: str,
        *,
        namespaces: Collection[Namespace] | None = None,
        kinds: Collection[str] | None = None,
        states: Collection[State] = (State.CURRENT,),
        since: int | None = None,
        before: int | None = None,
        limit: int = 10,
    ) -> list[Found]:
        """Return the entries that fit the text best, the best first.

        `since` and `before` are about when an entry was recorded.
        """
        now = self._clock.now_ms()
        only_live = not set(states) - LIVE
        question = Question(
            text=text,
            scopes=None if namespaces is None else [str(each) for each in namespaces],
            kinds=None if kinds is None else list(kinds),
            states=[_LIVE] if only_live else None,
            since=since,
            before=before,
            now=now if only_live else None,
            limit=limit,
        )
        if self._vectors is None:
            return (await self._by_words(question, states))[:limit]
        by_words = await self._by_words(replace(question, limit=max(limit, _CANDIDATES)), states)
        near = await self._vectors.nearest(question, max(limit, _CANDIDATES))
        return self._fused(by_words, near, states)[:limit]

    async def _by_words(self, question: Question, states: Collection[State]) -> list[Found]:
        """Ask for more until enough of the hits are in one of the states."""
        asked = question.limit
        while True:
            hits = await self.texts.search(replace(question, limit=asked))
            found = self._found(hits, states)
            if len(found) >= question.limit or len(hits) < asked:
                return found
            asked *= 4

    def _found(self, hits: Sequence[Hit], states: Collection[State]) -> list[Found]:
        now = self._clock.now_ms()
        found: list[Found] = []
        for hit in hits:
            entry = decode_entry(hit.data.encode())
            if (state := state_of(entry, now)) in states:
                beside = hit.beside[-1].rpartition(".")[2] if hit.beside else ""
                found.append(
                    Found(
                        entry=entry,
                        state=state,
                        score=hit.score,
                        snippet=hit.snippet,
                        beside=beside,
                    )
                )
        return found

    def _fused(
        self, by_words: Sequence[Found], near: Sequence[Near], states: Collection[State]
    ) -> list[Found]:
        scores = fuse([each.entry.id for each in by_words], [each.entry.id for each in near])
        found = {each.entry.id: each for each in by_words}
        now = self._clock.now_ms()
        for each in near:
            entry, state = each.entry, state_of(each.entry, now)
            if entry.id not in found and state in states:
                found[entry.id] = Found(
                    entry=entry, state=state, score=0.0, snippet=entry.headline, by_meaning=True
                )
        fused = [replace(each, score=scores[each.entry.id]) for each in found.values()]
        return sorted(fused, key=lambda each: (-each.score, each.entry.id))

    async def _load(self, entries: Sequence[LogEntry]) -> Sequence[Change]:
        named = dict.fromkeys(read_feed(each.value).parts for each in entries)
        # At once: many stores serve a group of requests for little more than one.
        found = await asyncio.gather(*map(self._reader.by_parts, named))
        return [document_of(parts, each) for parts, each in zip(named, found, strict=True)]


def document_of(parts: Key, stored: Stored | None) -> Change:
    """Return what an entry is to the index."""
    key = (*ENTRIES, *parts)
    if stored is None:
        return Removed(key)
    entry = stored.entry
    ends = [each for each in (entry.expires_at, entry.valid_until) if each is not None]
    texts = [entry.text, entry.reason, *entry.alternatives]
    return Document(
        key=key,
        title=_storable(f"{entry.key} {entry.title}".strip()),
        text=_storable("\n".join(each for each in texts if each)),
        scope=str(entry.namespace),
        kind=str(entry.kind),
        state=_ENDED if entry.end else _LIVE,
        at=entry.recorded_at,
        until=min(ends, default=None) if entry.end is None else None,
        group=_group(entry),
        data=encode_entry(entry).decode("utf-8", "replace"),
    )


def _storable(text: str) -> str:
    """Return a text without halves of characters, which an import may have brought."""
    return text.encode("utf-8", "replace").decode()


def fuse(by_words: Sequence[str], by_meaning: Sequence[str]) -> dict[str, float]:
    """Return the scores of two rankings fused: what stands high in either stands high."""
    scores: dict[str, float] = {}
    for weight, ranking in ((1.0, by_words), (VECTOR_WEIGHT, by_meaning)):
        for rank, entry_id in enumerate(ranking, 1):
            scores[entry_id] = scores.get(entry_id, 0.0) + weight / (_RANK_OFFSET + rank)
    return scores


def _group(entry: Entry) -> str:
    """Return what entries have in common that were recorded on one occasion."""
    said = entry.provenance
    occasion = said.session or said.task or said.run
    return f"{entry.namespace} {occasion}" if occasion else ""
