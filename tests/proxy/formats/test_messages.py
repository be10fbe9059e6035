"""Anthropic's messages at the proxy, held against the models of Anthropic's own client."""

from __future__ import annotations

import json

import pytest
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from holdfast.errors import MalformedAnswer, Untranslatable
from holdfast.proxy.formats.messages import Messages
from holdfast.routing.dialects import answers
from holdfast.routing.dialects.anthropic import Anthropic
from holdfast.routing.dialects.framing import EventFrames
from holdfast.routing.dialects.seam import Stamp
from holdfast.tracing.meaning import TokenUsage

STREAM_EVENT = TypeAdapter(RawMessageStreamEvent)
STAMP = Stamp(id="chatcmpl-1", created=1_700_000_000, model="m")
ASK = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
PNG = {"type": "base64", "media_type": "image/png", "data": "QUJD"}
CONVERSATION = [
    {"role": "user", "content": [{"type": "text", "text": "1+1?"}, {"type": "image", "source": PNG}]},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "d"},
            {"type": "text", "text": "Let me add."},
            {"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1}},
            {"type": "tool_use", "id": "t2", "name": "add", "input": {}},
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "t1", "content": "2"},
            {"type": "tool_result", "tool_use_id": "t2", "content": "no", "is_error": True},
            {"type": "text", "text": "So?", "cache_control": {"type": "ephemeral"}},
        ],
    },
]  # fmt: skip
TOOL = {"name": "add", "description": "Adds.", "input_schema": {"type": "object"}}
FULL = {
    "model": "m",
    "max_tokens": 9,
    "system": "Be brief.",
    "messages": CONVERSATION,
    "tools": [TOOL],
    "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
    "stop_sequences": ["END"],
    "temperature": 0.5,
    "metadata": {"user_id": "u"},
    "output_config": {
        "effort": "high",
        "format": {"type": "json_schema", "schema": {"type": "object"}},
    },
    "service_tier": "standard_only",
    "stream": True,
    "thinking": {"type": "adaptive"},
}


def test_what_anthropic_says_goes_through_chat_and_back_unchanged() -> None:
    sent = Anthropic().encode(Messages().read(FULL).body)
    expected = json.loads(json.dumps(FULL))
    assert sent == expected


def test_a_request_becomes_a_chat_request() -> None:
    body = Messages().read(FULL).body
    assert [message["role"] for message in body["messages"]] == [  # pyright: ignore[reportGeneralTypeIssues]
        "system", "user", "assistant", "tool", "tool", "user",
    ]  # fmt: skip
    assert body["tool_choice"] == "required"
    assert body["parallel_tool_calls"] is False
    assert body["reasoning_effort"] == "high"
    assert body["stop"] == ["END"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"model": ""}, "model"),
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "messages[0].content[0]"),
        ({"container": "c"}, "container"),
        ({"mcp_servers": [{}]}, "mcp_servers"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"name": "x"}]}, "tools[0]"),
        ({"tool_choice": {"type": "maybe"}}, "tool_choice"),
        ({"service_tier": "gold"}, "service_tier"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_by_its_field(fields: dict[str, object], field: str) -> None:
    with pytest.raises(Untranslatable) as caught:
        Messages().read(ASK | fields)
    assert caught.value.field == field


def test_a_completion_becomes_a_message() -> None:
    calls = [answers.call("t1", "add", '{"a":1}'), answers.call("t2", "add", "")]
    usage = TokenUsage(input=5, cache_read=7, cache_write=2, output=11, reasoning=4)
    message = answers.message("Hi", calls, reasoning="hm")
    completion = answers.completion(STAMP, message, "tool_calls", usage)
    answer = Messages().read(ASK).answer(completion)
    Message.model_validate(answer, strict=True)
    assert answer == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": ""},
            {"type": "text", "text": "Hi"},
            {"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1}},
            {"type": "tool_use", "id": "t2", "name": "add", "input": {}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 5,
            "cache_creation_input_tokens": 2,
            "cache_read_input_tokens": 7,
            "output_tokens": 15,
            "output_tokens_details": {"thinking_tokens": 4},
        },
    }


def test_arguments_that_are_no_object_cannot_be_passed_on() -> None:
    message = answers.message("", [answers.call("t", "add", "[1")])
    with pytest.raises(MalformedAnswer, match="no JSON object"):
        Messages().read(ASK).answer(answers.completion(STAMP, message, "stop", TokenUsage()))


def events(stream: bytes) -> list[dict[str, object]]:
    made = []
    for event, sent in EventFrames().feed(stream):
        data = json.loads(sent)
        assert data["type"] == event
        if event != "error":  # the official client turns that into an exception
            STREAM_EVENT.validate_python(data, strict=True)
        made.append(data)
    return made


def write(deltas: list[dict[str, object]], finish: str = "stop") -> list[dict[str, object]]:
    writer = Messages().read(ASK).writer()
    chunks = [answers.chunk(STAMP, delta) for delta in deltas]
    chunks.append(answers.chunk(STAMP, {}, finish))
    chunks += answers.usage_chunk(STAMP, TokenUsage(input=3, output=4))
    return events(b"".join(writer.feed(chunk) for chunk in chunks) + writer.finish())


def piece(index: int, arguments: str, identity: str = "") -> dict[str, object]:
    if identity:
        return {"tool_calls": [answers.call(identity, "add", arguments, index=index)]}
    return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}


def test_chunks_become_the_events_of_a_message_in_their_order() -> None:
    told = write(
        [
            {"role": "assistant", "content": ""},
            {"reasoning_content": "hm"},
            {"reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "s"}]},
            {"content": "Hi"},
            {"content": " you"},
            piece(0, "", "t1"),
            piece(0, '{"a"'),
            piece(1, "", "t2"),
            piece(1, '{"b":2}'),
            piece(0, ":1}"),
        ],
        "tool_calls",
    )
    kinds = [str(each["type"]).removeprefix("content_block_") for each in told]
    assert kinds == [
        "message_start",
        "start", "delta", "delta", "stop",
        "start", "delta", "delta", "stop",
        "start", "delta", "delta", "stop",
        "start", "delta", "stop",
        "message_delta", "message_stop",
    ]  # fmt: skip
    assert told[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert told[-2]["usage"]["input_tokens"] == 3  # pyright: ignore[reportIndexIssue]
    deltas = [each["delta"] for each in told if each["type"] == "content_block_delta"]
    assert deltas[1] == {"type": "signature_delta", "signature": "s"}
    assert deltas[-1] == {"type": "input_json_delta", "partial_json": '{"b":2}'}


def test_thinking_that_goes_on_behind_a_signature_is_a_block_of_its_own() -> None:
    sealed = {"reasoning_details": [{"type": "reasoning.text", "text": "a", "signature": "s"}]}
    told = write([{"reasoning_content": "a"}, sealed, {"reasoning_content": "b"}])
    deltas = [
        (each["index"], each["delta"]["type"])  # pyright: ignore[reportIndexIssue]
        for each in told
        if each["type"] == "content_block_delta"
    ]
    assert deltas == [(0, "thinking_delta"), (0, "signature_delta"), (1, "thinking_delta")]


def test_a_call_that_was_left_cannot_go_on() -> None:
    with pytest.raises(MalformedAnswer, match="had left"):
        write([piece(0, "{", "t1"), {"content": "x"}, piece(0, "}")])


def test_errors_have_the_shape_of_anthropic() -> None:
    body = Messages().error(429, "slow down")
    assert body == {
        "type": "error",
        "error": {"type": "rate_limit_error", "message": "slow down"},
    }
    assert Messages().error(400, "tools: bad", "tools")["error"] == {
        "type": "invalid_request_error",
        "message": "tools: bad",
    }
    assert events(Messages().read(ASK).writer().fail(500, "gone")) == [
        {"type": "error", "error": {"type": "api_error", "message": "gone"}}
    ]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
objects = st.dictionaries(texts, st.integers(0, 9) | texts | st.booleans(), max_size=3)


@given(
    thought=texts,
    said=st.lists(texts, max_size=4),
    inputs=st.lists(objects, max_size=3),
    order=st.randoms(use_true_random=False),
)
def test_what_is_written_as_messages_is_read_back_the_same(thought, said, inputs, order) -> None:
    deltas: list[dict[str, object]] = [{"reasoning_content": thought}]
    deltas += [{"content": text} for text in said]
    deltas += [piece(index, "", f"t{index}") for index in range(len(inputs))]
    # Pieces of several calls may come mixed, those of one call never.
    cut = {index: list(json.dumps(value)) for index, value in enumerate(inputs)}
    while cut:
        index = order.choice(sorted(cut))
        deltas.append(piece(index, cut[index].pop(0)))
        if not cut[index]:
            del cut[index]
    reader = Anthropic().reader(STAMP)
    chunks = [
        chunk
        for told in write(deltas)
        for chunk in reader.feed(str(told["type"]), json.dumps(told).encode())
    ]
    assert reader.finished
    got = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert "".join(each.get("content") or "" for each in got) == "".join(said)
    assert "".join(each.get("reasoning_content") or "" for each in got) == thought
    calls: dict[int, str] = {}
    for each in got:
        for call in each.get("tool_calls", ()):
            calls[call["index"]] = calls.get(call["index"], "") + call["function"]["arguments"]
    assert [json.loads(calls[index]) for index in sorted(calls)] == inputs
