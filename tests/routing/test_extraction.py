"""The built-in extractor: what it picks, what it refuses, and that it makes nothing up."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import ProviderRefused
from holdfast.routing import extraction, plain_text
from holdfast.routing.providers.extract import ExtractProvider
from holdfast.routing.seam import OFFLINE_EXTRACT, Message, ModelRequest, OutputContract, Usage
from tests.routing.kit import ask

TEXT = """---
title: front matter
---
# A heading that is not a sentence

<!-- a comment with words -->
The tide pool holds many kelp plants. A kelp plant grips the rock with a holdfast.
See [the kelp guide](https://example.com/kelp?a=1) by Dr. Marsh for *more* on `kelp`.

- The **holdfast** keeps the kelp plant in its place
1. Waves move a kelp plant, e.g. in storms.

```python
print("code is not prose")
```

| kelp | rock |
|------|------|
| a    | b    |

> Nobody saw the whale.
"""
PIECES = [*"ab A.!?\n #*-_`>|[]()<!1é。", "\n\n", "kelp ", "rock ", "Dr. ", "\n- ", "\n```\n"]
MARKDOWN = st.lists(st.sampled_from(PIECES), max_size=120).map("".join)


def schema(**properties):
    return {"type": "object", "properties": properties}


def pick(text: str, contract_schema: dict[str, object], max_tokens: int | None = None):
    contract = OutputContract(name="out", schema=contract_schema, parse=json.loads)
    request = ask(text, model=OFFLINE_EXTRACT, output=contract, max_tokens=max_tokens)
    return json.loads(asyncio.run(ExtractProvider().complete(request, None)).text)


def test_markdown_is_cleaned_down_to_its_prose():
    assert plain_text.clean(TEXT).split("\n") == [
        (
            "The tide pool holds many kelp plants. A kelp plant grips the rock with a holdfast. "
            "See the kelp guide by Dr. Marsh for more on kelp."
        ),
        "The holdfast keeps the kelp plant in its place",
        "Waves move a kelp plant, e.g. in storms.",
        "Nobody saw the whale.",
    ]


def test_sentences_end_where_they_end():
    text = "Dr. A. Marsh saw Fig. 3 at 4.5 m, e.g. today! Did he? “Yes.” No. Über uns z.B. hier."
    assert plain_text.sentences(text) == [
        "Dr. A. Marsh saw Fig. 3 at 4.5 m, e.g. today!",
        "Did he?",
        "“Yes.”",
        "No.",
        "Über uns z.B. hier.",
    ]


def test_a_text_of_headings_keeps_them():
    assert plain_text.clean("# One\n\nTwo\n===\n") == "One\nTwo"


@given(MARKDOWN)
def test_every_sentence_occurs_in_the_cleaned_text(markdown):
    prose = plain_text.clean(markdown)
    for sentence in plain_text.sentences(prose):
        assert sentence
        assert sentence in prose
        assert len(sentence) <= plain_text.MAX_SENTENCE


@given(st.lists(MARKDOWN.filter(str.strip), max_size=8), st.integers(1, 60))
def test_what_is_extracted_is_a_part_of_the_text_within_the_limit(texts, limit):
    sentences = plain_text.sentences(plain_text.clean("\n\n".join(texts)))
    by_chars = extraction.central_sentences(sentences, max_chars=limit)
    by_words = extraction.central_sentences(sentences, max_words=limit)
    assert len(" ".join(by_chars)) <= limit
    assert len(" ".join(by_words).split()) <= limit
    for found in (by_chars, by_words, extraction.key_phrases(sentences, limit)):
        assert all(any(part in sentence for sentence in sentences) for part in found)
        assert bool(found) <= bool(sentences)
    assert by_words == extraction.central_sentences(sentences, max_words=limit)


def test_the_sentence_that_shares_the_most_words_comes_first():
    sentences = [
        "Nobody saw whales.",
        "Waves move plants.",
        "Kelp plants grip rocks in waves.",
        "Rocks carry kelp.",
    ]
    ranked = [sentences[index] for index in extraction.rank(sentences)]
    assert ranked[0] == "Kelp plants grip rocks in waves."
    assert ranked[-1] == "Nobody saw whales."


def test_chosen_sentences_keep_the_order_of_the_text():
    sentences = [f"The kelp number {n} grips the rock." for n in range(50)]
    chosen = extraction.central_sentences(sentences, max_words=40)
    places = [sentences.index(each) for each in chosen]
    assert places == sorted(places)
    assert len(places) == 5


def test_the_top_phrase_is_what_the_text_keeps_talking_about():
    sentences = plain_text.sentences(plain_text.clean(TEXT))
    phrases = extraction.key_phrases(sentences, 3)
    assert "kelp plant" in phrases[0]
    assert len(phrases) == 3


@pytest.mark.timeout(60)  # a second or so each; what is quadratic would take hours
@pytest.mark.parametrize(
    "text",
    [
        "The kelp plant grips a rock. Waves move it! " * 23_000,
        "<!--" * 250_000,
        "[a](" * 250_000,
        "." * 1_000_000,
        "a. " * 333_000,
        "```\n" * 250_000,
        "\n" * 1_000_000,
        " ".join(f"Word{i} is of k{i % 977}." for i in range(45_000)),
    ],
    ids=["prose", "comments", "links", "dots", "initials", "fences", "lines", "words"],
)
def test_a_megabyte_of_anything_is_worked_through_and_not_quadratically(text):
    sentences = plain_text.sentences(plain_text.clean(text))
    central = extraction.central_sentences(sentences)
    assert len(central) <= max(len(sentences), 1)
    assert len(extraction.key_phrases(sentences, 5)) <= 5


async def test_the_last_user_message_is_extracted_and_streamed_for_free():
    messages = (
        Message(role="system", content="You are a poet. Sing."),
        Message(role="user", content="Earlier words."),
        Message(role="assistant", content="Answer."),
        Message(role="user", content=TEXT),
    )
    pieces: list[str] = []
    request = ModelRequest(model=OFFLINE_EXTRACT, messages=messages)
    reply = await ExtractProvider().complete(request, pieces.append)
    assert reply.text == " ".join(plain_text.sentences(plain_text.clean(TEXT)))
    assert "".join(pieces) == reply.text
    assert len(pieces) > 1
    assert (reply.extractive, reply.cost_msat, reply.usage) == (True, 0, Usage())
    assert (reply.provider, reply.model) == ("offline", "extract")


async def test_max_tokens_bounds_the_extract():
    reply = await ExtractProvider().complete(ask(TEXT, OFFLINE_EXTRACT, max_tokens=10), None)
    assert 0 < len(reply.text) <= 40


@pytest.mark.parametrize("text", ["", "   \n", "```\ncode\n```", "<!-- only -->"])
async def test_a_text_without_prose_gives_an_empty_answer(text):
    assert (await ExtractProvider().complete(ask(text, OFFLINE_EXTRACT), None)).text == ""
    empty = await asyncio.to_thread(
        pick, text, schema(a={"type": "string"}, b={"type": "array", "items": {"type": "string"}})
    )
    assert empty == {"a": "", "b": []}


async def test_a_long_text_is_worked_on_in_a_thread(monkeypatch):
    threads: list[threading.Thread] = []
    clean = plain_text.clean

    def spy(text: str) -> str:
        threads.append(threading.current_thread())
        return clean(text)

    monkeypatch.setattr(plain_text, "clean", spy)
    for text in ("short", "long text. " * 3000):
        await ExtractProvider().complete(ask(text, OFFLINE_EXTRACT), None)
    assert threads[0] is threading.main_thread()
    assert threads[1] is not threading.main_thread()


def test_the_fields_of_a_contract_are_filled_by_their_kind_and_name():
    strings = {"type": "array", "items": {"type": "string"}}
    nested = {
        **schema(
            pageTitle={"type": "string"},
            about={"anyOf": [{"type": "string", "maxLength": 30}, {"type": "null"}]},
            key_points={**strings, "maxItems": 2},
            tags=strings,
            inner={"$ref": "#/$defs/Inner"},
        ),
        "$defs": {"Inner": schema(text={"type": "string"})},
    }
    found = pick(TEXT, nested)
    sentences = plain_text.sentences(plain_text.clean(TEXT))
    assert found["pageTitle"] == extraction.key_phrases(sentences, 1)[0]
    assert 0 < len(found["about"]) <= 30
    assert len(found["key_points"]) == 2
    assert set(found["key_points"]) <= set(sentences)
    assert found["tags"] == extraction.key_phrases(sentences, 5)
    assert found["inner"]["text"] == " ".join(sentences)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "number"},
        {"type": "integer"},
        {"type": "boolean"},
        {"type": "string", "enum": ["a", "b"]},
        {"type": "string", "format": "date"},
        {"const": 1},
        {"type": "array", "items": {"type": "object"}},
        {"type": "object"},
        {"$ref": "#/$defs/Loop"},
        {"$ref": "#/nowhere"},
        {},
    ],
)
def test_what_an_extractor_cannot_decide_is_refused_plainly(part):
    loop = {"Loop": {"$ref": "#/$defs/Loop"}}
    with pytest.raises(ProviderRefused, match=r"cannot decide the field 'mood'.*not a language"):
        pick(TEXT, {**schema(mood=part), "$defs": loop})
