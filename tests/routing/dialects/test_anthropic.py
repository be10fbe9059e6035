"""Anthropic's messages: what a chat request becomes, and how its answers are read."""

from __future__ import annotations

import json

import pytest

from holdfast.errors import ErrorInAnswer, MalformedAnswer, Untranslatable
from holdfast.routing.dialects.anthropic import Anthropic
from holdfast.routing.dialects.seam import Stamp
from holdfast.tracing.meaning import TokenUsage

STAMP = Stamp(id="chatcmpl-1", created=1_700_000_000, model="claude")
ASK = {"model": "claude", "messages": [{"role": "user", "content": "Hi"}]}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


def call(identity: str, arguments: str = '{"a":1}') -> dict[str, object]:
    return {
        "id": identity,
        "type": "function",
        "function": {"name": "add", "arguments": arguments},
    }


def encode(**fields: object) -> dict[str, object]:
    return Anthropic().encode(ASK | fields)


def test_a_conversation_becomes_turns_and_instructions() -> None:
    sent = encode(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "1+1, 2+2?"},
            {
                "role": "assistant",
                "content": "",
                "reasoning_details": [
                    {"type": "reasoning.text", "text": "hm", "signature": "s"},
                    {"type": "reasoning.text", "text": "unsigned"},
                    {"type": "reasoning.encrypted", "data": "d"},
                ],
                "tool_calls": [call("c1"), call("c2", "")],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "2"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "4"}]},
            {"role": "user", "content": "So?"},
        ]
    )
    assert sent["system"] == "Be brief."
    assert sent["max_tokens"] == 16_384
    assert sent["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "1+1, 2+2?"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "redacted_thinking", "data": "d"},
                {"type": "tool_use", "id": "c1", "name": "add", "input": {"a": 1}},
                {"type": "tool_use", "id": "c2", "name": "add", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "2"},
                {
                    "type": "tool_result",
                    "tool_use_id": "c2",
                    "content": [{"type": "text", "text": "4"}],
                },
                {"type": "text", "text": "So?"},
            ],
        },
    ]


def test_settings_take_the_names_that_anthropic_gives_them() -> None:
    sent = encode(
        max_completion_tokens=9, temperature=0.5, top_p=0.9, stop="END", user="u", stream=True,
        stream_options={"include_usage": True}, reasoning_effort="high", tools=[TOOL],
        tool_choice="required", parallel_tool_calls=False, n=1, logprobs=False, top_k=4,
        service_tier="default", seed=None,
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    )  # fmt: skip
    del sent["messages"]
    assert sent == {
        "model": "claude",
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u"},
        "stream": True,
        "output_config": {
            "effort": "high",
            "format": {"type": "json_schema", "schema": {"type": "object"}},
        },
        "tools": [{"name": "add", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "top_k": 4,
        "service_tier": "standard_only",
    }


def test_images_and_files_keep_their_bytes_or_their_address() -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QUJD"},
        },
        {"type": "text", "text": "What is it?", "cache_control": {"type": "ephemeral"}},
    ]
    sent = encode(messages=[{"role": "user", "content": parts}])["messages"]
    png = {"type": "base64", "media_type": "image/png", "data": "QUJD"}
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "QUJD"}
    assert sent[0]["content"] == [  # pyright: ignore[reportIndexIssue]
        {"type": "image", "source": png},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "document", "source": pdf, "title": "a.pdf"},
        {"type": "text", "text": "What is it?", "cache_control": {"type": "ephemeral"}},
    ]


def user(part: object) -> list[object]:
    return [{"role": "user", "content": [part]}]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"seed": 0}, "seed"),
        ({"n": 2}, "n"),
        ({"temperature": 1.5}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stop": 3}, "stop"),
        ({"frequency_penalty": 0.1}, "frequency_penalty"),
        ({"logit_bias": {"1": 2}}, "logit_bias"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"functions": [{}]}, "functions"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"reasoning_effort": "vast"}, "reasoning_effort"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"tools": [{"type": "custom"}]}, "tools[0].type"),
        ({"tools": {}}, "tools"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        ({"messages": [{"role": "function", "content": "x"}]}, "messages[0].role"),
        ({"messages": [*ASK["messages"], {"role": "system", "content": "x"}]}, "messages[1]"),
        ({"messages": [{"role": "user", "name": "Al", "content": "x"}]}, "messages[0].name"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"messages": user({"type": "input_audio"})}, "messages[0].content[0].type"),
        ({"messages": user({"type": "text"})}, "messages[0].content[0].text"),
        (
            {"messages": user({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}})},
            "messages[0].content[0].image_url.url",
        ),
        (
            {"messages": user({"type": "image_url", "image_url": {"url": "data:image/bmp;base64,A"}})},
            "messages[0].content[0].image_url.url",
        ),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [call("c", "[1]")]}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
    ],
)  # fmt: skip
def test_what_anthropic_has_no_words_for_is_refused_by_its_field(
    fields: dict[str, object], field: str
) -> None:
    with pytest.raises(Untranslatable) as caught:
        encode(**fields)
    assert caught.value.field == field


def test_an_answer_becomes_a_chat_completion() -> None:
    document = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "text", "text": "Let me "},
            {"type": "text", "text": "add."},
            {"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use",
        "usage": {
            "input_tokens": 5,
            "cache_read_input_tokens": 7,
            "cache_creation_input_tokens": 2,
            "output_tokens": 11,
            "output_tokens_details": {"thinking_tokens": 4},
        },
    }
    answer = Anthropic().decode(document, STAMP)
    assert (answer["id"], answer["model"]) == ("msg_1", "claude-x")
    assert answer["choices"] == [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "logprobs": None,
            "message": {
                "role": "assistant",
                "content": "Let me add.",
                "refusal": None,
                "reasoning_content": "hm",
                "reasoning_details": [
                    {
                        "type": "reasoning.text",
                        "text": "hm",
                        "signature": "s",
                        "format": "anthropic-claude-v1",
                    }
                ],
                "tool_calls": [call("t1")],
            },
        }
    ]
    assert answer["usage"] == {
        "prompt_tokens": 14,
        "completion_tokens": 11,
        "total_tokens": 25,
        "prompt_tokens_details": {"cached_tokens": 7, "cache_write_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"),
        ("tool_use", "tool_calls"), ("refusal", "content_filter"), ("brand_new", "stop"),
        ("model_context_window_exceeded", "length"),
    ],
)  # fmt: skip
def test_each_reason_to_stop_has_its_name_in_chat(reason: str, finish: str) -> None:
    answer = Anthropic().decode({"content": [], "stop_reason": reason}, STAMP)
    assert answer["choices"][0]["finish_reason"] == finish  # pyright: ignore[reportIndexIssue]


def event(kind: str, **fields: object) -> tuple[str, bytes]:
    return kind, json.dumps({"type": kind, **fields}).encode()


def delta(index: int, **fields: object) -> tuple[str, bytes]:
    return event("content_block_delta", index=index, delta=fields)


START = event("message_start", message={"id": "msg_1", "model": "c", "usage": {"input_tokens": 5}})
TOOL_USE = {"type": "tool_use", "id": "t1", "name": "add", "input": {}}
STREAM = [
    START,
    ("ping", b'{"type": "ping"}'),
    event("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""}),
    delta(0, type="thinking_delta", thinking="h"),
    delta(0, type="thinking_delta", thinking="m"),
    delta(0, type="signature_delta", signature="s"),
    event("content_block_stop", index=0),
    event("content_block_start", index=1, content_block={"type": "text", "text": ""}),
    delta(1, type="text_delta", text="Hi"),
    event("content_block_stop", index=1),
    event("content_block_start", index=2, content_block=TOOL_USE),
    delta(2, type="input_json_delta", partial_json=""),
    delta(2, type="input_json_delta", partial_json='{"a"'),
    delta(2, type="input_json_delta", partial_json=":1}"),
    event("content_block_stop", index=2),
    event("content_block_start", index=3, content_block=TOOL_USE | {"id": "t2"}),
    delta(3, type="input_json_delta", partial_json=""),
    event("content_block_stop", index=3),
    event("brand_new"),
    event("message_delta", delta={"stop_reason": "tool_use"}, usage={"output_tokens": 9}),
    event("message_stop"),
]


def test_a_stream_becomes_chunks() -> None:
    reader = Anthropic().reader(STAMP)
    chunks = [chunk for name, data in STREAM for chunk in reader.feed(name, data)]
    assert {chunk["id"] for chunk in chunks} == {"msg_1"}
    choices = [chunk["choices"][0] for chunk in chunks if chunk["choices"]]
    detail = {
        "type": "reasoning.text",
        "text": "hm",
        "signature": "s",
        "format": "anthropic-claude-v1",
    }
    first, second = call("t1", "") | {"index": 0}, call("t2", "") | {"index": 1}
    assert [choice["delta"] for choice in choices] == [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "h"},
        {"reasoning_content": "m"},
        {"reasoning_details": [detail]},
        {"content": "Hi"},
        {"tool_calls": [first]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]},
        {"tool_calls": [second]},
        {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
        {},
    ]  # fmt: skip
    assert [choice["finish_reason"] for choice in choices][-2:] == [None, "tool_calls"]
    assert chunks[-1]["usage"]["prompt_tokens"] == 5  # pyright: ignore[reportIndexIssue]
    assert reader.usage == TokenUsage(input=5, output=9)
    assert reader.finished
    assert reader.ended


@pytest.mark.parametrize("length", range(len(STREAM) - 2))
def test_a_stream_that_is_cut_is_never_whole(length: int) -> None:
    reader = Anthropic().reader(STAMP)
    for name, data in STREAM[:length]:
        reader.feed(name, data)
    assert not reader.finished


def test_an_error_is_seen_whole_and_in_a_stream() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    with pytest.raises(ErrorInAnswer, match="Overloaded") as whole:
        Anthropic().decode(error, STAMP)
    with pytest.raises(ErrorInAnswer, match="Overloaded"):
        Anthropic().reader(STAMP).feed("error", json.dumps(error).encode())
    assert (whole.value.kind, whole.value.status) == ("overloaded_error", 529)


def test_what_is_no_answer_is_malformed() -> None:
    with pytest.raises(MalformedAnswer, match="no content"):
        Anthropic().decode({"choices": []}, STAMP)
    reader = Anthropic().reader(STAMP)
    for data in (b"{", b"[]", b"{}", delta(7, text="x")[1]):
        with pytest.raises(MalformedAnswer):
            reader.feed(None, data)
