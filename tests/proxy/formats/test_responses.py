"""OpenAI's Responses at the proxy, held against the models of OpenAI's own client."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from holdfast.errors import Untranslatable
from holdfast.proxy.formats.responses import Responses
from holdfast.routing.dialects import answers
from holdfast.routing.dialects.framing import EventFrames
from holdfast.routing.dialects.seam import Stamp
from holdfast.tracing.meaning import TokenUsage

STAMP = Stamp(id="chatcmpl-1", created=1_700_000_000, model="m")
ASK = {"model": "m", "input": "Hi"}
TOOL = {"type": "function", "name": "add", "parameters": {"type": "object"}, "strict": True}
STREAM_EVENT = TypeAdapter(ResponseStreamEvent)
DETAIL = {"type": "reasoning.text", "text": "hm", "signature": "s"}


def test_a_conversation_of_items_becomes_messages() -> None:
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "1+1?"}]},
        {
            "type": "reasoning",
            "id": "rs",
            "summary": [],
            "content": [{"type": "reasoning_text", "text": "hm"}],
            "encrypted_content": json.dumps([DETAIL]),
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Let me add."}],
        },
        {"type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"a":1}'},
        {"type": "function_call", "call_id": "c2", "name": "add", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "2"},
        {"type": "function_call_output", "call_id": "c2", "output": "4"},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "And this?"},
                {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "low"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,A"},
            ],
        },
    ]  # fmt: skip
    body = Responses().read({"model": "m", "instructions": "Be brief.", "input": items}).body
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "1+1?"},
        {
            "role": "assistant",
            "content": "Let me add.",
            "reasoning_content": "hm",
            "reasoning_details": [DETAIL],
            "tool_calls": [
                answers.call("c1", "add", '{"a":1}'),
                answers.call("c2", "add", "{}"),
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "2"},
        {"role": "tool", "tool_call_id": "c2", "content": "4"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "And this?"},
                {
                    "type": "image_url",
                    "image_url": {"url": "https://example.com/a.png", "detail": "low"},
                },
                {
                    "type": "file",
                    "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,A"},
                },
            ],
        },
    ]


def test_settings_take_the_names_of_chat_and_new_ones_pass() -> None:
    form = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}
    body = (
        Responses()
        .read(
            ASK
            | {
                "max_output_tokens": 9,
                "temperature": 0.5,
                "reasoning": {"effort": "high"},
                "text": {"format": form, "verbosity": "low"},
                "tools": [TOOL],
                "tool_choice": {"type": "function", "name": "add"},
                "parallel_tool_calls": False,
                "include": ["reasoning.encrypted_content"],
                "store": False,
                "stream": True,
                "brand_new": 1,
            }
        )
        .body
    )
    del body["messages"]
    assert body == {
        "model": "m",
        "max_tokens": 9,
        "temperature": 0.5,
        "reasoning_effort": "high",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
        },
        "verbosity": "low",
        "tools": [
            {
                "type": "function",
                "function": {"name": "add", "parameters": {"type": "object"}, "strict": True},
            }
        ],
        "tool_choice": {"type": "function", "function": {"name": "add"}},
        "parallel_tool_calls": False,
        "stream": True,
        "brand_new": 1,
    }


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"truncation": "auto"}, "truncation"),
        ({"include": ["file_search_call.results"]}, "include"),
        ({"model": None}, "model"),
        ({"instructions": ["x"]}, "instructions"),
        ({"input": []}, "input"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]"),
        ({"input": [{"type": "web_search_call"}]}, "input[0].type"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, "input[0].content[0]"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tool_choice": {"type": "mcp"}}, "tool_choice"),
        ({"top_logprobs": 3}, "top_logprobs"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_by_its_field(fields: dict[str, object], field: str) -> None:
    with pytest.raises(Untranslatable) as caught:
        Responses().read(ASK | fields)
    assert caught.value.field == field


def completion(finish: str = "tool_calls") -> dict[str, object]:
    calls = [answers.call("c1", "add", '{"a":1}'), answers.call("c2", "add", "{}")]
    usage = TokenUsage(input=5, cache_read=7, output=11, reasoning=4)
    message = answers.message("Hi", calls, reasoning="hm", details=[DETAIL])
    return answers.completion(STAMP, message, finish, usage)


def test_a_completion_becomes_a_response_that_the_official_client_understands() -> None:
    response = Responses().read(ASK | {"tools": [TOOL], "temperature": 1}).answer(completion())
    read = Response.model_validate(json.loads(json.dumps(response)), strict=True)
    assert read.output_text == "Hi"
    assert [item.type for item in read.output] == [
        "reasoning", "message", "function_call", "function_call",
    ]  # fmt: skip
    assert read.status == "completed"
    assert read.usage is not None
    assert (read.usage.input_tokens, read.usage.output_tokens, read.usage.total_tokens) == (12, 15, 27)  # fmt: skip
    again = Responses().read({"model": "m", "input": response["output"]}).body["messages"]
    assert again[0]["reasoning_details"] == [DETAIL]  # pyright: ignore[reportIndexIssue]


@pytest.mark.parametrize(
    ("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")]
)
def test_an_answer_that_was_ended_early_is_incomplete(finish: str, reason: str) -> None:
    response = Responses().read(ASK).answer(completion(finish))
    assert response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": reason}


def events(stream: bytes) -> list[dict[str, object]]:
    told = []
    for number, (event, sent) in enumerate(EventFrames().feed(stream)):
        data = json.loads(sent)
        assert data["type"] == event
        assert data["sequence_number"] == number
        STREAM_EVENT.validate_python(data, strict=True)
        told.append(data)
    return told


def write(deltas: list[dict[str, object]], finish: str = "stop") -> list[dict[str, object]]:
    writer = Responses().read(ASK).writer()
    chunks = [answers.chunk(STAMP, delta) for delta in deltas]
    chunks.append(answers.chunk(STAMP, {}, finish))
    chunks += answers.usage_chunk(STAMP, TokenUsage(input=3, output=4))
    return events(b"".join(writer.feed(chunk) for chunk in chunks) + writer.finish())


def piece(index: int, arguments: str, identity: str = "") -> dict[str, object]:
    if identity:
        return {"tool_calls": [answers.call(identity, "add", arguments, index=index)]}
    return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}


def test_chunks_become_the_events_of_a_response_in_their_order() -> None:
    told = write(
        [
            {"role": "assistant", "content": ""},
            {"reasoning_content": "hm"},
            {"reasoning_details": [DETAIL]},
            {"content": "Hi"},
            piece(0, "", "c1"),
            piece(0, "{}"),
        ],
        "tool_calls",
    )
    assert [str(each["type"]).removeprefix("response.") for each in told] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]


def test_a_stream_ends_with_the_response_that_a_whole_answer_would_be() -> None:
    deltas = [
        {"reasoning_content": "hm"},
        {"reasoning_details": [DETAIL]},
        {"content": "H"},
        {"content": "i"},
        piece(0, '{"a"', "c1"),
        piece(1, "{}", "c2"),
        piece(0, ":1}"),
    ]
    writer = Responses().read(ASK).writer()
    stream = b"".join(writer.feed(answers.chunk(STAMP, delta)) for delta in deltas)
    usage = {"id": "chatcmpl-1", "choices": [], "usage": completion()["usage"]}
    stream += writer.feed(answers.chunk(STAMP, {}, "tool_calls")) + writer.feed(usage)
    assert events(stream + writer.finish())[-1]["response"] == Responses().read(ASK).answer(completion())  # fmt: skip


def test_a_stream_that_fails_says_so_and_keeps_what_was_whole() -> None:
    writer = Responses().read(ASK).writer()
    stream = writer.feed(answers.chunk(STAMP, {"content": "Hi"})) + writer.fail(500, "gone")
    error, failed = events(stream)[-2:]
    assert (error["type"], error["message"]) == ("error", "gone")
    assert failed["type"] == "response.failed"
    assert failed["response"]["error"] == {"code": "server_error", "message": "gone"}  # pyright: ignore[reportIndexIssue]  # fmt: skip


def test_an_error_names_the_field_that_it_is_about() -> None:
    assert Responses().error(400, "no", "tools[0].type") == {
        "error": {
            "message": "no",
            "type": "invalid_request_error",
            "param": "tools[0].type",
            "code": None,
        }
    }


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
deltas_of_any_kind = st.lists(
    st.one_of(
        st.fixed_dictionaries({"content": texts}),
        st.fixed_dictionaries({"reasoning_content": texts}),
        st.fixed_dictionaries({"refusal": texts}),
        st.just({"reasoning_details": [DETAIL]}),
        st.builds(piece, st.integers(0, 2), texts, st.just("c")),
    ),
    max_size=8,
)


@given(deltas_of_any_kind)
def test_any_chunks_make_a_stream_that_the_official_client_understands(deltas) -> None:
    told = write(deltas)
    response = told[-1]["response"]
    messages = [item for item in response["output"] if item["type"] == "message"]  # pyright: ignore[reportIndexIssue]
    parts = [part for item in messages for part in item["content"]]
    said = "".join(part.get("text", "") for part in parts)
    assert said == "".join(delta.get("content", "") for delta in deltas)
    ids = [item["id"] for item in response["output"]]  # pyright: ignore[reportIndexIssue]
    assert len(set(ids)) == len(ids)
