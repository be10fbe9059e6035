"""Entries are found by words, by neighbours, and by meaning where somebody brings an embedder."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from hashlib import sha256

import pytest

from holdfast.errors import UsageError
from holdfast.memory import State
from holdfast.memory.searching import fuse
from tests.memory.desk import Desk


class HashingEmbedder:
    """An embedder for tests: letters in threes, hashed. It knows spelling, no meaning at all."""

    dimensions = 256

    def __init__(self, name: str = "hashing-3", *, rows: int | None = None) -> None:
        self.name = name
        self.embedded: list[str] = []
        self._rows = rows

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        self.embedded += texts
        return [self._embed(text.lower()) for text in texts][: self._rows]

    def _embed(self, text: str) -> list[float]:
        vector = [0.0] * self.dimensions
        for start in range(len(text) - 2):
            digest = sha256(text[start : start + 3].encode()).digest()
            vector[digest[0]] += 1.0
        return vector


async def test_titles_keys_reasons_and_alternatives_are_found(desk: Desk) -> None:
    await desk.write("x1", key="harbour-name")
    await desk.write("x2", title="About the lighthouse")
    await desk.write("x3", kind="decision", reason="the tide", alternatives=("a pontoon",))
    await desk.write({"rope": ["hemp"]})
    assert await desk.found("harbour") == ["x1"]
    assert await desk.found("lighthouses") == ["x2"]
    assert await desk.found("tides") == await desk.found("pontoons") == ["x3"]
    assert await desk.found("hemp") == [{"rope": ["hemp"]}]


async def test_what_is_asked_for_is_what_is_found(desk: Desk) -> None:
    start = desk.clock.now_ms()
    await desk.write("kelp fact")
    await desk.write("kelp plan", kind="procedure")
    await desk.write("kelp later", valid_from=start + 3_600_000)
    assert await desk.found("kelp", kinds=["procedure"]) == ["kelp plan"]
    assert set(await desk.found("kelp")) == {"kelp fact", "kelp plan"}
    assert await desk.found("kelp", states=[State.UPCOMING]) == ["kelp later"]
    assert await desk.found("kelp", before=start + 1000) == ["kelp fact"]
    assert len(await desk.found("kelp", limit=1)) == 1


async def test_entries_that_do_not_count_do_not_use_up_the_limit(desk: Desk) -> None:
    start = desk.clock.now_ms()
    for number in range(30):
        await desk.write(f"kelp kelp {number}", valid_from=start + 3_600_000)
    await desk.write("kelp in a longer text that ranks behind the others")
    assert len(await desk.found("kelp", limit=1)) == 1


async def test_what_was_written_in_one_session_lifts_its_neighbours(desk: Desk) -> None:
    await desk.write("We talked about the new market", kind="episode", session="s1")
    await desk.write("Apples and pears", kind="episode", session="s1")
    await desk.write("Apples of the others", kind="episode", session="s2")
    found = await desk.memories.search("apples market")
    values = [each.entry.value for each in found]
    assert values.index("Apples and pears") < values.index("Apples of the others")
    (beside,) = [each for each in await desk.memories.search("market") if each.beside]
    assert beside.entry.value == "Apples and pears"


def test_fusing_puts_first_what_both_rankings_like() -> None:
    scores = fuse(["a", "b", "c"], ["b", "d"])
    assert sorted(scores, key=lambda each: -scores[each]) == ["b", "a", "c", "d"]


async def test_an_embedder_finds_what_no_word_matches(desk: Desk) -> None:
    desk.memories = desk.open(embedder=HashingEmbedder())
    await desk.write("the harbourmaster")
    await desk.write("apples")
    found = await desk.memories.search("harbourmistress")
    assert found[0].entry.value == "the harbourmaster"
    assert found[0].by_meaning
    assert (await desk.memories.search("apples"))[0].by_meaning is False


async def test_a_text_is_embedded_once_also_over_processes(desk: Desk) -> None:
    first = HashingEmbedder()
    desk.memories = desk.open(embedder=first)
    entry = (await desk.write("kelp")).entry
    await desk.write("rope")
    await desk.found("tide")
    assert sorted(first.embedded) == ["kelp", "rope", "tide"]
    second = HashingEmbedder()
    desk.memories = desk.open(embedder=second)
    await desk.found("tide")
    assert second.embedded == []
    await desk.memories.supersede(entry.id, "kelp anew")
    assert [each.entry.value for each in await desk.memories.search("tide")][-1:] != []
    assert second.embedded == ["kelp anew"]
    other = HashingEmbedder("another")
    desk.memories = desk.open(embedder=other)
    await desk.found("tide")
    assert sorted(other.embedded) == ["kelp anew", "rope", "tide"]


async def test_a_torn_file_of_vectors_is_read_as_far_as_it_is_whole(desk: Desk) -> None:
    desk.memories = desk.open(embedder=HashingEmbedder())
    await desk.write("kelp")
    await desk.write("rope")
    await desk.found("tide")
    (path,) = desk.search_folder.glob("vectors-*.bin")
    path.write_bytes(path.read_bytes()[:-7])
    for text in ("tide", "rock"):
        again = HashingEmbedder()
        desk.memories = desk.open(embedder=again)
        assert set(await desk.found(text)) == {"kelp", "rope"}
        assert again.embedded


async def test_an_embedder_that_breaks_its_word_is_told(desk: Desk) -> None:
    desk.memories = desk.open(embedder=HashingEmbedder(rows=1))
    await desk.write("kelp")
    await desk.write("rope")
    with pytest.raises(UsageError, match="gave vectors of the shape"):
        await desk.found("tide")


async def test_without_numpy_the_extra_is_named(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    desk.memories = desk.open(embedder=HashingEmbedder())
    with pytest.raises(UsageError, match="needs numpy") as refused:
        await desk.found("x")
    assert "holdfast[vectors]" in refused.value.hint
