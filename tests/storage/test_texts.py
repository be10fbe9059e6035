"""What is found, in which order, and what is not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.storage.files import FilesStore
from holdfast.storage.memory import MemoryStore
from holdfast.storage.texts import Question
from holdfast.testing.clock import ManualClock
from tests.storage.texts_help import Shelf, key


@pytest.fixture(params=["memory", "files"])
async def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shelf]:
    clock = ManualClock()
    is_files = request.param == "files"
    store = FilesStore(str(tmp_path / "s"), clock=clock) if is_files else MemoryStore(clock=clock)
    async with store:
        shelf = Shelf(store, tmp_path / "search" / "notes.db")
        async with shelf.texts:
            yield shelf


async def test_any_form_of_any_word_is_found(shelf: Shelf) -> None:
    await shelf.put("one", "We are running the migrations at night")
    await shelf.put("two", "Nothing of the kind")
    assert await shelf.find("run migration") == ["one"]
    assert await shelf.find("how do we RUN it?") == ["one"]
    assert await shelf.find("walked") == []


async def test_the_text_with_more_of_the_words_comes_first(shelf: Shelf) -> None:
    await shelf.put("both", "deploy the kelp service")
    await shelf.put("one", "deploy the other service, which has a long text")
    await shelf.put("none", "lunch")
    assert await shelf.find("deploy kelp") == ["both", "one"]


async def test_a_word_in_the_title_weighs_more(shelf: Shelf) -> None:
    await shelf.put("text", "the harbour", title="a word here")
    await shelf.put("title", "a word here", title="the harbour")
    assert await shelf.find("harbour") == ["title", "text"]


async def test_stop_words_find_nothing_unless_there_is_nothing_else(shelf: Shelf) -> None:
    await shelf.put("one", "to be or not to be")
    await shelf.put("two", "the kelp")
    assert await shelf.find("the kelp or not") == ["two"]
    assert await shelf.find("to be") == ["one"]
    assert await shelf.find("") == await shelf.find("?!") == []


@pytest.mark.parametrize("text", ['"', "a AND", "NOT", "x*", "(", "title:x", "a\x00b", "né\u0301e"])
async def test_a_question_is_words_and_never_an_expression(shelf: Shelf, text: str) -> None:
    await shelf.put("one", "kelp")
    assert await shelf.find(text) == []
    assert await shelf.find(text + " kelp") == ["one"]


async def test_accents_do_not_matter(shelf: Shelf) -> None:
    await shelf.put("one", "Café naïve")
    assert await shelf.find("cafe") == ["one"]
    assert await shelf.find("NAÏVE") == ["one"]


async def test_a_snippet_shows_the_match(shelf: Shelf) -> None:
    await shelf.put("one", "word " * 300 + "the harbour opens at nine " + "word " * 300)
    (hit,) = await shelf.texts.search(Question(text="harbours"))
    assert "the [harbour] opens" in hit.snippet
    assert len(hit.snippet) < 300


async def test_filters_leave_out_what_is_not_asked_for(shelf: Shelf) -> None:
    await shelf.put("a", "kelp", scope="ann", kind="fact", state="live", at=10)
    await shelf.put("b", "kelp", scope="bob", kind="fact", state="past", at=20, until=100)
    await shelf.put("c", "kelp", scope="bob", kind="plan", state="live", at=30)
    assert await shelf.find("kelp", scopes=["ann"]) == ["a"]
    assert await shelf.find("kelp", scopes=[]) == []
    assert set(await shelf.find("kelp", kinds=["fact"])) == {"a", "b"}
    assert await shelf.find("kelp", kinds=["fact"], states=["past"]) == ["b"]
    assert set(await shelf.find("kelp", since=20)) == {"b", "c"}
    assert set(await shelf.find("kelp", since=10, before=30)) == {"a", "b"}
    assert set(await shelf.find("kelp", now=99)) == {"a", "b", "c"}
    assert set(await shelf.find("kelp", now=100)) == {"a", "c"}
    assert len(await shelf.find("kelp", limit=2)) == 2
    assert await shelf.find("kelp", limit=0) == []


async def test_what_was_changed_or_removed_is_found_as_it_is_now(shelf: Shelf) -> None:
    await shelf.put("one", "harbour", data="1")
    await shelf.put("two", "harbour")
    assert len(await shelf.find("harbour")) == 2
    await shelf.put("one", "lighthouse", data="2")
    await shelf.remove("two")
    assert await shelf.find("harbour") == []
    (hit,) = await shelf.texts.search(Question(text="lighthouse"))
    assert (hit.key, hit.data) == (key("one"), "2")
    await shelf.put("one", "lighthouse", data="3", state="past")
    (hit,) = await shelf.texts.search(Question(text="lighthouse"))
    assert (hit.state, hit.data) == ("past", "3")


async def test_a_neighbour_of_a_match_is_found_behind_it(shelf: Shelf) -> None:
    await shelf.put("before", "hello", group="g", at=1)
    await shelf.put("question", "what did you buy at the market?", group="g", at=2)
    await shelf.put("answer", "apples, and a pear", group="g", at=3)
    await shelf.put("stranger", "nothing", group="h", at=2)
    await shelf.put("loner", "nothing", at=2)
    hits = await shelf.texts.search(Question(text="market buy"))
    assert [hit.key[1] for hit in hits] == ["question", "answer", "before"]
    assert [hit.beside for hit in hits] == [None, key("question"), key("question")]
    assert hits[1].snippet == "apples, and a pear"
    assert await shelf.find("market", context=0.0) == ["question"]
    assert await shelf.find("market", since=3) == []


async def test_a_match_whose_neighbour_matches_too_comes_first(shelf: Shelf) -> None:
    await shelf.put("alone", "the apples of the neighbour", group="h", at=1)
    await shelf.put("question", "what did you buy at the market?", group="g", at=2)
    await shelf.put("answer", "apples for all the neighbours", group="g", at=3)
    found = await shelf.find("apples market")
    assert found.index("answer") < found.index("alone")


async def test_where_many_texts_match_all_that_are_asked_for_are_given(shelf: Shelf) -> None:
    for number in range(60):
        await shelf.put(f"n{number}", f"common word{number % 3} text{number}")
    assert len(await shelf.find("common", limit=100)) == 60
    assert len(await shelf.find("common text7 word1", limit=100)) == 60
    assert (await shelf.find("common word1 text7"))[0] == "n7"


async def test_frequent_words_order_what_the_rare_ones_choose(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.storage.texts.finding._BUDGET", 3)
    await shelf.put("rare", "kelp among other things that were seen")
    await shelf.put("both", "kelp common")
    for number in range(20):
        await shelf.put(f"n{number}", "common")
    assert await shelf.find("kelp common", limit=2) == ["both", "rare"]
    assert len(await shelf.find("kelp common", limit=50)) == 22


async def test_searches_at_once_share_the_work(shelf: Shelf) -> None:
    for number in range(30):
        await shelf.put(f"n{number}", "kelp")
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(shelf.find, "kelp")
    assert shelf.loaded == 30


WORDS = ("kelp", "harbour", "light", "rope", "tide")
TEXTS = st.lists(st.sampled_from(WORDS), min_size=0, max_size=4).map(" ".join)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abcd"), TEXTS),
        st.tuples(st.just("remove"), st.sampled_from("abcd"), st.just("")),
        st.tuples(st.just("find"), st.just(""), st.sampled_from(WORDS)),
        st.tuples(st.just("reopen"), st.just(""), st.just("")),
        st.tuples(st.just("rebuild"), st.just(""), st.just("")),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_what_is_found_is_what_is_stored(steps: Sequence[tuple[str, str, str]]) -> None:
    anyio.run(_live_through, steps)


async def _live_through(steps: Sequence[tuple[str, str, str]]) -> None:
    oracle: dict[str, str] = {}
    async with MemoryStore(clock=ManualClock()) as store:
        shelf = Shelf(store)
        for verb, name, text in steps:
            if verb == "put":
                await shelf.put(name, text)
                oracle[name] = text
            elif verb == "remove":
                await shelf.remove(name)
                oracle.pop(name, None)
            elif verb == "reopen":
                shelf.texts = shelf.open()
            elif verb == "rebuild":
                await shelf.texts.rebuild()
            else:
                expected = {each for each, words in oracle.items() if text in words.split()}
                assert set(await shelf.find(text)) == expected
        assert await shelf.texts.count() == len(oracle)
