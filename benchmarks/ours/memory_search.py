"""What a search in a large memory takes, from the question to the entries.

Texts are made of 20,000 words, which are as unequally frequent as those of a language are (Zipf). A
question has two to six words of an entry, the 100 most frequent left out as stop words are. Each
search also looks into the store for what changed, and reads the entries that it returns.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.ours.stores import Request, answer, middle, opened, percentile
from holdfast.clock import SystemClock
from holdfast.memory import Draft, Kind, Memories, Provenance, parse_namespace
from holdfast.memory.batches import create
from holdfast.memory.drafts import new_entry
from holdfast.memory.entry import Entry
from holdfast.memory.keys import feed_of
from holdfast.storage.fallback import write_all
from holdfast.storage.seam import Store

ENTRIES = 100_000
SEARCHES = 300

_WARM_UP = 20
_BATCH = 250
_VOCABULARY = 20_000
_STOP_WORDS = 100
_NAMESPACES = 50
_SESSION = 20
_CONSONANTS, _VOWELS = "bcdfghjklmnprstvwz", "aeiou"


class Language:
    """Words, a few of them frequent and most of them rare, always the same."""

    def __init__(self) -> None:
        self._random = random.Random(7)
        syllables = [a + b for a in _CONSONANTS for b in _VOWELS]
        words: dict[str, None] = {}
        while len(words) < _VOCABULARY:
            words["".join(self._random.choices(syllables, k=self._random.choice((2, 3, 3, 4))))] = (
                None
            )
        self._words = list(words)
        self._weights = list(itertools.accumulate(1 / (rank + 2.7) for rank in range(_VOCABULARY)))
        self._frequent = set(self._words[:_STOP_WORDS])

    def text(self, least: int, most: int) -> str:
        """Return a text of so many words."""
        count = self._random.randint(least, most)
        return " ".join(self._random.choices(self._words, cum_weights=self._weights, k=count))

    def question(self, text: str) -> str:
        """Return two to six words of a text."""
        telling = [word for word in text.split() if word not in self._frequent] or text.split()
        return " ".join(self._random.sample(telling, min(self._random.randint(2, 6), len(telling))))


async def measure(request: Request, folder: Path) -> Mapping[str, float]:
    """Return median and 95th percentile in milliseconds, and the seconds to make the index."""
    entries = int(request.get("entries", ENTRIES))
    searches = int(request.get("searches", SEARCHES))
    language = Language()
    async with opened(request.get("backend", "files"), folder, ack="os") as store:
        asked = await _fill(store, language, entries)
        async with Memories(
            store, clock=SystemClock(), search_folder=folder / "search"
        ) as memories:
            begin = time.perf_counter()
            await memories.search("nothing")
            building = time.perf_counter() - begin
            times = await _ask(memories, language, asked, searches)
    return {
        "memory_search_ms": middle(times),
        "p95_ms": percentile(times, 95),
        "index_seconds": building,
        "entries": entries,
    }


async def _fill(store: Store, language: Language, count: int) -> Sequence[str]:
    """Write the entries; return the texts of some of them."""
    asked: list[str] = []
    for batch in _batches(_entries(language, count), _BATCH):
        operations = [each for entry in batch for each in create(entry, by="bench")]
        assert await write_all(store, [*operations, feed_of(batch)]) is None
        asked.append(batch[0].text)
    return asked


def _entries(language: Language, count: int) -> Iterator[Entry]:
    now = SystemClock().now_ms()
    chosen = random.Random(11)
    for number in range(count):
        draft = Draft(
            value=language.text(15, 50),
            namespace=parse_namespace(f"agent:a{number // _SESSION % _NAMESPACES}"),
            title=language.text(3, 6),
            kind=chosen.choice(list(Kind)),
            provenance=Provenance(session=f"s{number // _SESSION}"),
        )
        yield new_entry(draft, entry_id=f"{chosen.getrandbits(128):032x}", now=now + number)


def _batches(entries: Iterator[Entry], size: int) -> Iterator[list[Entry]]:
    while batch := list(itertools.islice(entries, size)):
        yield batch


async def _ask(
    memories: Memories, language: Language, texts: Sequence[str], searches: int
) -> list[float]:
    times: list[float] = []
    chosen = random.Random(13)
    for number in range(searches + _WARM_UP):
        question = language.question(chosen.choice(texts))
        begin = time.perf_counter()
        found = await memories.search(question)
        if number >= _WARM_UP:
            times.append((time.perf_counter() - begin) * 1000)
        assert found
    return times


if __name__ == "__main__":
    answer(measure)
