"""OpenAI's own form: it passes as it is, and what is no answer is seen."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from holdfast.errors import ErrorInAnswer, MalformedAnswer, Untranslatable
from holdfast.routing.dialects import answers
from holdfast.routing.dialects.openai import OpenAI, OpenAIReader
from holdfast.routing.dialects.seam import Stamp
from holdfast.tracing.meaning import TokenUsage

STAMP = Stamp(id="chatcmpl-1", created=1_700_000_000, model="m")
ASK = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def chunk(text: str = "x", finish: str | None = None, index: int = 0) -> bytes:
    choice = {"index": index, "delta": {"content": text}, "finish_reason": finish}
    return json.dumps({"id": "a", "choices": [choice]}).encode()


def test_a_request_passes_unchanged_with_fields_that_nobody_knows() -> None:
    body = ASK | {"temperature": 0.2, "brand_new": {"a": [1]}}
    assert OpenAI().encode(body) == body


def test_a_stream_is_always_asked_for_its_usage() -> None:
    body = ASK | {"stream": True, "stream_options": {"include_usage": False, "other": 1}}
    sent = OpenAI().encode(body)
    assert sent["stream_options"] == {"include_usage": True, "other": 1}
    assert body["stream_options"] == {"include_usage": False, "other": 1}
    assert "stream_options" not in OpenAI(stream_usage=False).encode(body)
    assert "stream_options" not in OpenAI().encode(body | {"stream": False})


def test_the_limit_takes_the_name_that_the_endpoint_knows() -> None:
    sent = OpenAI(completion_tokens=True).encode(ASK | {"max_tokens": 5})
    assert sent["max_completion_tokens"] == 5
    assert "max_tokens" not in sent


def test_what_only_others_understand_can_be_left_out() -> None:
    part = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}
    call = answers.call("c", "f", "{}") | {"extra_content": {"google": {}}}
    body = ASK | {
        "messages": [
            {"role": "user", "content": [part]},
            {"role": "assistant", "reasoning_content": "hm", "tool_calls": [call]},
        ]
    }
    assert OpenAI().encode(body) == body
    assert "thinking" not in OpenAI(extensions=False).encode(body | {"thinking": {}})
    assert OpenAI(extensions=False).encode(body)["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {"role": "assistant", "tool_calls": [answers.call("c", "f", "{}")]},
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "model"),
        ({"model": 3}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": []}, "messages"),
        ({"model": "m", "messages": ["x"]}, r"messages\[0\]"),
        ({"model": "m", "messages": [{"role": "robot"}]}, r"messages\[0\]\.role"),
    ],
)
def test_a_request_that_is_none_is_refused_by_its_field(
    body: dict[str, object], field: str
) -> None:
    with pytest.raises(Untranslatable, match=f"^{field}: "):
        OpenAI().encode(body)


def test_an_answer_passes_unchanged() -> None:
    document = answers.completion(STAMP, answers.message("Hi"), "stop", TokenUsage(input=1))
    assert OpenAI().decode(document | {"new": 1}, STAMP) == document | {"new": 1}
    ChatCompletion.model_validate(document, strict=True)
    ChatCompletionChunk.model_validate(answers.chunk(STAMP, {"content": "x"}), strict=True)


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        ({"message": "boom", "type": "server_error", "code": None}, "server_error", 500),
        ({"message": "boom", "code": 429}, "error", 429),
        ({"message": "boom", "code": "402"}, "error", 402),
        ({"message": "boom", "code": "insufficient_quota"}, "insufficient_quota", 402),
        ({"message": "boom", "type": "brand_new"}, "brand_new", 500),
        ("boom", "error", 500),
    ],
)
def test_an_error_in_an_answer_of_status_200_is_seen(error: object, kind: str, status: int) -> None:
    with pytest.raises(ErrorInAnswer, match="boom") as whole:
        OpenAI().decode({"error": error}, STAMP)
    with pytest.raises(ErrorInAnswer, match="boom") as streamed:
        OpenAI().reader(STAMP).feed(None, json.dumps({"error": error}).encode())
    for caught in (whole.value, streamed.value):
        assert (caught.kind, caught.status) == (kind, status)


def test_an_event_called_error_is_an_error_whatever_it_holds() -> None:
    with pytest.raises(ErrorInAnswer, match="boom"):
        OpenAI().reader(STAMP).feed("error", b'{"message": "boom"}')


@pytest.mark.parametrize("document", [{}, {"choices": []}, {"choices": [{}]}, {"choices": "x"}])
def test_an_answer_without_a_message_is_malformed(document: dict[str, object]) -> None:
    with pytest.raises(MalformedAnswer, match="no message"):
        OpenAI().decode(document, STAMP)


@pytest.mark.parametrize("data", [b"{", b"[]", b"\xff", b'{"detail": "gone"}', b"[" * 100_000])
def test_an_event_that_is_no_chunk_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        OpenAI().reader(STAMP).feed(None, data)


def test_a_stream_is_whole_when_each_choice_said_why_it_ended() -> None:
    reader = OpenAI().reader(STAMP)
    assert not reader.finished
    reader.feed(None, chunk(index=0))
    reader.feed(None, chunk(index=1))
    reader.feed(None, chunk(finish="stop", index=0))
    assert not reader.finished
    reader.feed(None, chunk(finish="length", index=1))
    assert reader.finished
    assert not reader.ended
    reader.feed(None, b'{"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}')
    reader.feed(None, b" [DONE]")
    assert reader.ended
    assert reader.usage == TokenUsage(input=3, output=4)
    assert reader.feed(None, chunk()) == ()


def test_an_end_mark_makes_an_answer_whole_only_if_there_is_one() -> None:
    empty, silent = OpenAI().reader(STAMP), OpenAI().reader(STAMP)
    empty.feed(None, b"[DONE]")
    assert not empty.finished
    silent.feed(None, chunk())
    silent.feed(None, b"[DONE]")
    assert silent.finished


def test_chunks_pass_as_they_came() -> None:
    whole = json.loads(chunk()) | {"system_fingerprint": "f", "new": 1}
    assert OpenAI().reader(STAMP).feed(None, json.dumps(whole).encode()) == (whole,)


class Thorough(OpenAIReader):
    """A reader that takes no short way."""

    def _more_of(self, data: bytes) -> None:
        return None


odd = st.sampled_from([None, True, 3, "x", [], {}])
choices_of_streams = st.fixed_dictionaries(
    {},
    optional={
        "index": st.sampled_from([0, 1]) | odd,
        "delta": odd,
        "finish_reason": st.sampled_from([None, "stop"]) | odd,
    },
)
chunks_of_streams = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.just([{"index": 0, "finish_reason": None}])
        | st.lists(choices_of_streams | odd, max_size=2)
        | odd,
        "usage": st.just({"prompt_tokens": 1}) | odd,
        "error": odd,
    },
)
events_of_streams = st.tuples(
    st.sampled_from([None, None, "error", "chunk"]),
    (chunks_of_streams | odd).map(lambda value: json.dumps(value).encode())
    | st.sampled_from([b"[DONE]", b"{", chunk(), chunk(), chunk(index=1), chunk(finish="stop")]),
)


@given(st.lists(events_of_streams, max_size=8))
def test_the_short_way_of_most_chunks_finds_what_the_long_one_does(
    events: list[tuple[str | None, bytes]],
) -> None:
    short, thorough = OpenAIReader(), Thorough()
    for event, data in [(None, chunk()), *events]:
        assert outcome(short, event, data) == outcome(thorough, event, data)


def outcome(reader: OpenAIReader, event: str | None, data: bytes) -> object:
    found: object
    try:
        found = reader.feed(event, data)
    except (ErrorInAnswer, MalformedAnswer) as error:
        found = repr(error)
    return found, reader.ended, reader.finished, reader.passes, reader.reason, reader.usage


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
answer_like = st.dictionaries(
    st.sampled_from(["choices", "usage", "error", "id", "x"]), json_values
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(answer_like)
def test_no_answer_is_more_than_malformed(document: dict[str, object]) -> None:
    for read in (
        lambda: OpenAI().decode(document, STAMP),
        lambda: OpenAI().reader(STAMP).feed(None, json.dumps(document).encode()),
    ):
        with suppress(MalformedAnswer, ErrorInAnswer):
            read()
    OpenAI().usage(document)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"error": {"message": "no  such\\nmodel"}}', "no such model"),
        (b'[{"error": {"message": "Gemini does this"}}]', "Gemini does this"),
        (b'{"detail": "FastAPI"}', "FastAPI"),
        (b"<html>busy</html>", "<html>busy</html>"),
        (b"", ""),
        (b"x" * 5000, "x" * 299 + "…"),
    ],
)
def test_an_error_body_yields_its_sentence(body: bytes, text: str) -> None:
    assert OpenAI().error_text(500, body) == text
