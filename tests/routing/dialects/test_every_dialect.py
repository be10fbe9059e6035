"""What holds for every dialect, against the wire formats of the faulty upstream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from holdfast.errors import ErrorInAnswer, MalformedAnswer, Untranslatable
from holdfast.routing.dialects import answers
from holdfast.routing.dialects.anthropic import Anthropic
from holdfast.routing.dialects.gemini import Gemini
from holdfast.routing.dialects.ollama import Ollama
from holdfast.routing.dialects.openai import OpenAI
from holdfast.routing.dialects.seam import Dialect, Document, Stamp
from holdfast.testing.upstream import Counts, Reply, ToolUse
from holdfast.testing.upstream.formats import WireFormat, format_at

STAMP = Stamp(id="chatcmpl-1", created=1_700_000_000, model="m")
DIALECTS: list[Dialect] = [OpenAI(), Anthropic(), Gemini(), Ollama()]
every_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
names = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, json_values, max_size=3)


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    calls = tuple(
        ToolUse(id=f"c{place}", name=draw(names), arguments=json.dumps(draw(objects)))
        for place in range(draw(st.integers(0, 3)))
    )
    text = draw(texts) if calls else draw(texts.filter(bool))
    counts = Counts(input=draw(st.integers(10, 99)), output=draw(st.integers(10, 99)))
    return Reply(
        text=text, reasoning=draw(texts), calls=calls, pieces=draw(st.integers(1, 5)), counts=counts
    )


def wire_of(dialect: Dialect) -> WireFormat:
    wire = format_at(dialect.path("m", stream=True))
    assert wire is not None
    return wire


def stream(dialect: Dialect, pieces: Sequence[bytes]) -> tuple[list[Document], bool]:
    frames, reader = dialect.frames(), dialect.reader(STAMP)
    events = [frame for piece in pieces for frame in frames.feed(piece)] + frames.finish()
    chunks = [chunk for event, data in events for chunk in reader.feed(event, data)]
    return chunks, reader.finished


def joined(chunks: Sequence[Document]) -> tuple[str, str, list[tuple[str, object]], str, object]:
    """Put chunks together as a client of chat completions does."""
    text = reasoning = finish = ""
    calls: dict[int, list[str]] = {}
    usage: object = None
    for chunk in chunks:
        usage = chunk.get("usage") or usage
        for choice in chunk["choices"]:
            delta, finish = choice["delta"], choice["finish_reason"] or finish
            text += delta.get("content") or ""
            reasoning += delta.get("reasoning_content") or ""
            for call in delta.get("tool_calls", ()):
                held = calls.setdefault(call["index"], ["", ""])
                held[0] += call["function"].get("name", "")
                held[1] += call["function"]["arguments"]
    made = [(calls[index][0], json.loads(calls[index][1])) for index in sorted(calls)]
    return text, reasoning, made, finish, usage


def expected(reply: Reply) -> tuple[str, str, list[tuple[str, object]], str]:
    calls = [(call.name, json.loads(call.arguments)) for call in reply.calls]
    return reply.text, reply.reasoning, calls, reply.ending


@every_dialect
@quick
@given(reply=replies())
def test_a_whole_answer_keeps_texts_calls_and_counts(dialect: Dialect, reply: Reply) -> None:
    document = json.loads(json.dumps(wire_of(dialect).whole(reply, "m")))
    answer = dialect.decode(document, STAMP)
    read = ChatCompletion.model_validate(answer, strict=True)
    message = read.choices[0].message
    calls = [
        (call.function.name, json.loads(call.function.arguments))
        for call in message.tool_calls or ()
        if call.type == "function"
    ]
    reasoning = answer["choices"][0]["message"].get("reasoning_content", "")  # pyright: ignore[reportIndexIssue]
    got = (message.content or "", reasoning, calls, read.choices[0].finish_reason)
    assert got == expected(reply)
    usage = dialect.usage(document)
    assert (usage.total_input, usage.total_output) == (reply.counts.input, reply.counts.output)


@every_dialect
@quick
@given(reply=replies())
def test_a_stream_says_what_the_whole_answer_says(dialect: Dialect, reply: Reply) -> None:
    chunks, finished = stream(dialect, list(wire_of(dialect).events(reply, "m")))
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk, strict=True)
    *said, usage = joined(chunks)
    assert tuple(said) == expected(reply)
    assert usage["prompt_tokens"] == reply.counts.input  # pyright: ignore[reportIndexIssue]
    assert usage["completion_tokens"] == reply.counts.output  # pyright: ignore[reportIndexIssue]
    assert finished


@every_dialect
@quick
@given(reply=replies(), places=st.lists(st.integers(0, 5000), max_size=20))
def test_cutting_a_stream_anywhere_changes_nothing(
    dialect: Dialect, reply: Reply, places: list[int]
) -> None:
    data = b"".join(wire_of(dialect).events(reply, "m"))
    ends = sorted(place % (len(data) + 1) for place in places)
    pieces = [data[a:b] for a, b in zip([0, *ends], [*ends, len(data)], strict=True)]
    assert stream(dialect, pieces) == stream(dialect, [data])


@every_dialect
def test_a_stream_that_comes_byte_by_byte_is_the_same_stream(dialect: Dialect) -> None:
    calls = (ToolUse(id="c", name="add", arguments='{"a": "ü"}'),)
    data = b"".join(wire_of(dialect).events(Reply(text="größer", calls=calls), "m"))
    assert stream(dialect, [bytes([byte]) for byte in data]) == stream(dialect, [data])


@every_dialect
def test_a_stream_that_is_cut_before_its_reason_to_end_is_never_whole(dialect: Dialect) -> None:
    events = list(wire_of(dialect).events(Reply(), "m"))
    for length in range(len(events)):
        chunks, finished = stream(dialect, events[:length])
        assert finished is bool(joined(chunks)[3])
    assert stream(dialect, events)[1]


@every_dialect
@pytest.mark.parametrize("status", [401, 402, 429, 500])
def test_errors_of_the_format_are_read(dialect: Dialect, status: int) -> None:
    wire = wire_of(dialect)
    body = wire.error(status, "no luck")
    assert dialect.error_text(status, json.dumps(body).encode()) == "no luck"
    with pytest.raises(ErrorInAnswer, match="no luck"):
        dialect.decode(body, STAMP)
    with pytest.raises(ErrorInAnswer, match="no luck"):
        stream(dialect, [wire.error_event("no luck")])
    with pytest.raises(MalformedAnswer):
        stream(dialect, [wire.broken_event()])


messages = st.lists(
    st.one_of(
        st.fixed_dictionaries({"role": st.just("user"), "content": texts.filter(bool)}),
        st.builds(
            lambda text, given: {
                "role": "assistant",
                "content": text,
                "tool_calls": [answers.call("c1", "add", json.dumps(given))],
            },
            texts.filter(bool),
            objects,
        ),
    ),
    min_size=1,
    max_size=5,
)


@every_dialect
@quick
@given(messages=messages)
def test_a_request_keeps_every_text_and_argument(
    dialect: Dialect, messages: list[dict[str, object]]
) -> None:
    sent = json.dumps(dialect.encode({"model": "m", "messages": messages}), ensure_ascii=False)
    for message in messages:
        assert json.dumps(message["content"], ensure_ascii=False) in sent
        for call in message.get("tool_calls", ()):  # pyright: ignore[reportGeneralTypeIssues]
            given = json.loads(call["function"]["arguments"])
            written = json.dumps(given, ensure_ascii=False)
            assert written in sent or json.dumps(call["function"]["arguments"]) in sent


hostile = st.dictionaries(
    st.sampled_from([
        "choices", "usage", "error", "type", "content", "message", "index", "delta", "candidates",
        "done", "usageMetadata", "content_block", "stop_reason", "promptFeedback",
    ]),
    json_values,
)  # fmt: skip


@every_dialect
@quick
@given(documents=st.lists(hostile, max_size=4), body=hostile)
def test_whatever_comes_is_an_answer_or_an_error_of_ours(
    dialect: Dialect, documents: list[dict[str, object]], body: dict[str, object]
) -> None:
    with suppress(Untranslatable):
        dialect.encode({"model": "m", "messages": [{"role": "user", "content": "x"}]} | body)
    reader = dialect.reader(STAMP)
    for document in documents:
        dialect.usage(document)
        with suppress(MalformedAnswer, ErrorInAnswer):
            dialect.decode(document, STAMP)
        with suppress(MalformedAnswer, ErrorInAnswer):
            reader.feed(None, json.dumps(document).encode())


fields = st.sampled_from([
    "messages", "tools", "tool_choice", "stop", "response_format", "reasoning_effort", "temperature",
    "max_tokens", "stream_options", "n", "seed", "user", "service_tier", "top_p", "model",
])  # fmt: skip
message_like = st.dictionaries(
    st.sampled_from(["role", "content", "tool_calls", "reasoning_details", "name", "tool_call_id"]),
    json_values | st.sampled_from(["user", "assistant", "tool", "system"]),
)


@every_dialect
@quick
@given(given=st.dictionaries(fields, json_values), several=st.lists(message_like, max_size=3))
def test_a_request_that_makes_no_sense_is_refused_by_its_field(
    dialect: Dialect, given: dict[str, object], several: list[dict[str, object]]
) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}, *several]} | given
    with suppress(Untranslatable):
        json.dumps(dialect.encode(body))
