"""Long values are kept once, whole, without secrets, and come back as they were."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.storage.files.zstandard import decompress
from holdfast.tracing.payload import Reference
from holdfast.tracing.payloads.keeping import LONGEST, Payloads
from holdfast.tracing.payloads.reading import resolve
from holdfast.tracing.redaction.redactor import Redactor

KEY = b"k" * 32
SECRET = "sk-proj-abcdefghij0123456789KLMNOP"


class Kept(dict[bytes, bytes]):
    """Parts by their hash, and how often one was given."""

    def __init__(self) -> None:
        super().__init__()
        self.given = 0

    def keep(self, hash_: bytes, data: bytes) -> None:
        self.given += 1
        self[hash_] = data

    @property
    def size(self) -> int:
        return sum(map(len, self.values()))


def payloads(kept: Kept, mode: Any = "full", **options: Any) -> Payloads:
    redactor = Redactor(key=KEY, **options)
    return Payloads(mode=mode, redactor=redactor, key=KEY, keep=kept.keep)


texts = st.text(max_size=40) | st.text(min_size=1, max_size=5).map(lambda t: t * 600)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary(max_size=20)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
messages = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": texts}),
    min_size=1, max_size=6,
)  # fmt: skip


def same(one: object, two: object) -> bool:
    """Compare values, NaN with NaN too."""
    return repr(_plain(one)) == repr(_plain(two))


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


@given(st.dictionaries(st.text(max_size=12), values | messages, max_size=4))
@pytest.mark.promise("payloads-are-whole")
def test_what_was_prepared_comes_back_redacted_and_whole(attributes: dict[str, Any]) -> None:
    kept = Kept()
    made = payloads(kept)
    redactor = Redactor(key=KEY)
    prepared = made.prepare(dict(attributes))
    for name, value in attributes.items():
        assert same(resolve(prepared[name], kept.get), redactor.value(value, name))


@given(messages, st.sampled_from(["compact", "spaced", "ascii", "odd"]))
def test_messages_written_as_text_come_back_to_the_letter(said: list[Any], style: str) -> None:
    text = {
        "compact": lambda: json.dumps(said, separators=(",", ":"), ensure_ascii=False),
        "spaced": lambda: json.dumps(said, ensure_ascii=False),
        "ascii": lambda: json.dumps(said),
        "odd": lambda: json.dumps(said, indent=3),
    }[style]()
    kept = Kept()
    prepared = payloads(kept).prepare({"input": text})
    assert resolve(prepared["input"], kept.get) == Redactor(key=KEY).text(text)


def test_a_conversation_that_is_sent_again_each_turn_is_kept_once() -> None:
    kept = Kept()
    made = payloads(kept)
    history: list[dict[str, str]] = [{"role": "system", "content": "You are careful. " * 100}]
    raw, spans, sent = 0, [], []
    for turn in range(60):
        history.append({"role": "user", "content": f"question {turn}: " + "why? " * 150})
        raw += len(json.dumps(history))
        sent.append(json.loads(json.dumps(history)))
        spans.append(made.prepare({"gen_ai.input.messages": history})["gen_ai.input.messages"])
        history.append({"role": "assistant", "content": f"answer {turn}: " + "thus. " * 150})
    stored = kept.size + sum(len(json.dumps(each)) for each in spans)
    assert stored < raw * 0.02
    for value, whole in zip(spans, sent, strict=True):
        assert resolve(value, kept.get) == whole
    reference = Reference.of(spans[-1])
    assert reference is not None
    assert len(reference.parts) == 2
    assert kept.given == len(kept)


def test_one_text_is_kept_once_and_shows_how_it_begins() -> None:
    kept = Kept()
    made = payloads(kept)
    text = "word " * 400
    first, second = (made.prepare({"note": text})["note"] for _ in range(2))
    assert first == second
    assert kept.given == 1
    reference = Reference.of(first)
    assert reference is not None
    assert (reference.form, reference.size) == ("text", 2000)
    assert text.startswith(reference.preview)
    assert len(reference.preview) == 256


def test_what_is_short_stays_in_the_span_as_the_same_mapping() -> None:
    kept = Kept()
    attributes: dict[str, Any] = {"a": 1, "b": "short", "c": [1, 2], "d": "x" * LONGEST}
    assert payloads(kept).prepare(attributes) is attributes
    assert not kept


@pytest.mark.parametrize("mode", ["previews", "off"])
def test_less_than_full_keeps_no_parts_and_says_how_long_it_was(mode: str) -> None:
    kept = Kept()
    made = payloads(kept, mode)
    prepared = made.prepare(
        {"prompt": "p" * 5000, "gen_ai.input.messages": [{"role": "user", "content": "q" * 3000}]}
    )
    assert not kept
    for value, begin in zip(prepared.values(), ("ppp", "qqq"), strict=True):
        reference = Reference.of(value)
        assert reference is not None
        assert reference.size > 2999
        assert reference.preview.startswith(begin if mode == "previews" else "")
        assert bool(reference.preview) == (mode == "previews")
        assert str(resolve(value, kept.get)).startswith("[not kept, ")


def test_off_keeps_not_even_a_short_prompt() -> None:
    prepared = payloads(Kept(), "off").prepare({"prompt": "hello", "model": "small"})
    assert prepared["model"] == "small"
    assert "hello" not in json.dumps(prepared)


def test_a_part_that_was_removed_is_said_to_be() -> None:
    kept = Kept()
    prepared = payloads(kept).prepare({"note": "word " * 400})
    kept.clear()
    assert str(resolve(prepared["note"], kept.get)).startswith("[removed, 2,000 bytes: word word")


def test_a_message_that_is_changed_in_place_is_another_message() -> None:
    kept = Kept()
    made = payloads(kept)
    message = {"role": "user", "content": "one"}
    first = made.prepare({"messages": [message]})["messages"]
    message["content"] = "two"
    second = made.prepare({"messages": [message]})["messages"]
    assert resolve(first, kept.get) == [{"role": "user", "content": "one"}]
    assert resolve(second, kept.get) == [{"role": "user", "content": "two"}]


SAID = st.dictionaries(
    st.sampled_from(["model", "note", "api_key", "prompt"]),
    st.sampled_from(["", "gpt", "gpt-4o-mini", "hunter22", SECRET, f"use {SECRET}", "a" * 2000, 7]),
)


@given(st.lists(SAID, max_size=8), st.sampled_from(["full", "previews", "off"]))
@pytest.mark.promise("secrets-never-traced")
def test_what_was_said_before_never_lets_a_secret_through(
    said: list[dict[str, Any]], mode: str
) -> None:
    used = payloads(Kept(), mode)
    for attributes in said:
        assert used.prepare(attributes) == payloads(Kept(), mode).prepare(attributes)


def test_names_without_end_are_not_remembered_without_end() -> None:
    used = payloads(Kept())
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(12_000):
            used.prepare({f"name {number}": "x" * LONGEST})
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 6 << 20


@pytest.mark.parametrize(
    "value",
    [
        f"key {SECRET} " * 200,
        [{"role": "user", "content": f"my key is {SECRET}"}],
        json.dumps([{"role": "user", "content": f"my key is {SECRET}"}] * 30),
        {"deep": [{"er": f"x {SECRET}"}] * 100},
        {"headers": {"Authorization": "Bearer abcdef0123456789"}, "key": SECRET},
        [["authorization", "Bearer abcdef0123456789"], ["x", SECRET]],
        f"key {SECRET} ".encode() * 200,
        {"a": f"https://me:{SECRET}@host/"},
    ],
)
@pytest.mark.promise("secrets-never-traced")
def test_no_secret_is_in_what_is_journaled_or_kept(value: Any) -> None:
    kept = Kept()
    prepared = payloads(kept).prepare({"value": value, "api_key": "hunter22", "x": SECRET})
    held = json.dumps(prepared, default=repr).encode() + b"".join(map(decompress, kept.values()))
    for secret in (SECRET, "hunter22", "abcdef0123456789"):
        assert secret.encode() not in held
