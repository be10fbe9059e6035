"""Gemini and Ollama: what a chat request becomes, and what hides in their answers."""

from __future__ import annotations

import json

import pytest

from holdfast.errors import ErrorInAnswer, MalformedAnswer, Untranslatable
from holdfast.routing.dialects import answers
from holdfast.routing.dialects.gemini import Gemini
from holdfast.routing.dialects.ollama import Ollama
from holdfast.routing.dialects.seam import Stamp
from holdfast.tracing.meaning import TokenUsage

STAMP = Stamp(id="chatcmpl-1", created=1_700_000_000, model="m")
TOOL = {
    "type": "function",
    "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object"}},
}
CALL = answers.call("c1", "add", '{"a":1}')
SIGNED = CALL | {"extra_content": {"google": {"thought_signature": "s"}}}
PNG = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "1+1?"}, PNG]},
    {"role": "assistant", "content": None, "tool_calls": [SIGNED]},
    {"role": "tool", "tool_call_id": "c1", "content": "2"},
    {"role": "user", "content": "So?"},
]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}


def test_a_request_becomes_contents_and_a_configuration() -> None:
    body = {
        "model": "models/gemini-3-pro", "messages": MESSAGES, "tools": [TOOL], "stream": True,
        "tool_choice": {"type": "function", "function": {"name": "add"}}, "temperature": 1.5,
        "top_p": 0.9, "top_k": 4, "max_tokens": 9, "stop": ["END"], "seed": 7, "n": 1,
        "presence_penalty": 0.1, "response_format": SCHEMA, "reasoning_effort": "low",
        "stream_options": {"include_usage": True}, "user": "u", "safetySettings": [],
    }  # fmt: skip
    assert Gemini().encode(body) == {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"text": "1+1?"},
                    {"inlineData": {"mimeType": "image/png", "data": "QUJD"}},
                ],
            },
            {
                "role": "model",
                "parts": [
                    {
                        "functionCall": {"id": "c1", "name": "add", "args": {"a": 1}},
                        "thoughtSignature": "s",
                    }
                ],
            },
            {
                "role": "user",
                "parts": [
                    {
                        "functionResponse": {
                            "id": "c1",
                            "name": "add",
                            "response": {"output": "2"},
                        }
                    },
                    {"text": "So?"},
                ],
            },
        ],
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "add",
                        "parametersJsonSchema": {"type": "object"},
                        "description": "Adds.",
                    }
                ]
            }
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["add"]}},
        "generationConfig": {
            "temperature": 1.5,
            "topP": 0.9,
            "topK": 4,
            "maxOutputTokens": 9,
            "stopSequences": ["END"],
            "seed": 7,
            "presencePenalty": 0.1,
            "responseMimeType": "application/json",
            "responseJsonSchema": {"type": "object"},
            "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True},
        },
        "safetySettings": [],
    }


def test_models_that_count_a_budget_of_thoughts_get_one() -> None:
    body = {"model": "gemini-2.5-pro", "messages": MESSAGES, "reasoning_effort": "none"}
    config = Gemini().encode(body)["generationConfig"]
    assert config == {"thinkingConfig": {"thinkingBudget": 0, "includeThoughts": False}}


def test_the_model_stands_in_the_path_and_cannot_leave_it() -> None:
    assert Gemini().path("models/g", stream=False) == "/models/g:generateContent"
    assert Gemini().path("g", stream=True) == "/models/g:streamGenerateContent?alt=sse"
    assert Gemini().path("../x?key=1", stream=False) == "/models/..%2Fx%3Fkey%3D1:generateContent"


def test_a_request_becomes_what_ollama_reads() -> None:
    body = {
        "model": "llama", "messages": MESSAGES, "tools": [TOOL], "tool_choice": "auto",
        "temperature": 0.5, "max_tokens": 9, "stop": "END", "seed": 7, "response_format": SCHEMA,
        "reasoning_effort": "high", "keep_alive": "5m", "options": {"num_ctx": 99},
    }  # fmt: skip
    assert Ollama().encode(body) == {
        "model": "llama",
        "stream": False,
        "options": {"num_ctx": 99, "num_predict": 9, "stop": ["END"], "temperature": 0.5, "seed": 7},
        "tools": [TOOL],
        "format": {"type": "object"},
        "think": "high",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "1+1?", "images": ["QUJD"]},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "c1", "function": {"name": "add", "arguments": {"a": 1}}}],
            },
            {"role": "tool", "content": "2", "tool_call_id": "c1", "tool_name": "add"},
            {"role": "user", "content": "So?"},
        ],
        "keep_alive": "5m",
    }  # fmt: skip


def test_json_without_a_schema_can_be_had_from_both() -> None:
    body = {"model": "m", "messages": MESSAGES, "response_format": {"type": "json_object"}}
    assert Ollama().encode(body)["format"] == "json"
    assert Gemini().encode(body)["generationConfig"] == {"responseMimeType": "application/json"}


LINK = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


@pytest.mark.parametrize("dialect", [Gemini(), Ollama()], ids=lambda dialect: dialect.name)
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"logprobs": True}, "logprobs"),
        ({"n": 2}, "n"),
        ({"parallel_tool_calls": False, "tools": [TOOL]}, "parallel_tool_calls"),
        ({"reasoning_effort": "vast"}, "reasoning_effort"),
        ({"messages": [{"role": "user", "name": "Al", "content": "x"}]}, "messages[0].name"),
        ({"messages": [{"role": "function", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [LINK]}]}, "messages[0].content[0].image_url.url"),
    ],
)  # fmt: skip
def test_what_neither_has_words_for_is_refused_by_its_field(
    dialect: Gemini | Ollama, fields: dict[str, object], field: str
) -> None:
    with pytest.raises(Untranslatable) as caught:
        dialect.encode({"model": "m", "messages": MESSAGES} | fields)
    assert caught.value.field == field


def test_each_refuses_what_only_it_cannot_do() -> None:
    late = [*MESSAGES, {"role": "system", "content": "x"}]
    lost = [{"role": "tool", "tool_call_id": "c9", "content": "x"}]
    for messages, field in ((late, r"messages\[5\]"), (lost, r"messages\[0\]\.tool_call_id")):
        with pytest.raises(Untranslatable, match=field):
            Gemini().encode({"model": "m", "messages": messages})
    with pytest.raises(Untranslatable, match="tool_choice"):
        Ollama().encode({"model": "m", "messages": MESSAGES, "tool_choice": "required"})


def candidate(reason: str | None, *parts: object) -> dict[str, object]:
    return {"candidates": [{"content": {"parts": list(parts)}, "finishReason": reason}]}


@pytest.mark.parametrize(
    ("document", "finish"),
    [
        (candidate("STOP", {"text": "Hi"}), "stop"),
        (candidate("STOP", {"functionCall": {"name": "add"}}), "tool_calls"),
        (candidate("MAX_TOKENS", {"text": "Hi"}), "length"),
        (candidate("SAFETY"), "content_filter"),
        (candidate("BRAND_NEW"), "stop"),
        ({"promptFeedback": {"blockReason": "SAFETY"}}, "content_filter"),
    ],
)
def test_gemini_says_why_it_ended(document: dict[str, object], finish: str) -> None:
    choices = Gemini().decode(document, STAMP)["choices"]
    assert choices[0]["finish_reason"] == finish  # pyright: ignore[reportIndexIssue]
    reader = Gemini().reader(STAMP)
    chunks = reader.feed(None, json.dumps(document).encode())
    assert chunks[-1]["choices"][0]["finish_reason"] == finish  # pyright: ignore[reportIndexIssue]
    assert reader.finished


@pytest.mark.parametrize(
    "document",
    [{}, {"candidates": []}, candidate(None), candidate("MALFORMED_FUNCTION_CALL")],
)
def test_what_is_no_answer_of_gemini_is_malformed(document: dict[str, object]) -> None:
    with pytest.raises(MalformedAnswer):
        Gemini().decode(document, STAMP)


@pytest.mark.parametrize(
    "document", [{}, {"done": True}, {"message": {"content": "x"}, "done": False}]
)
def test_what_is_no_whole_answer_of_ollama_is_malformed(document: dict[str, object]) -> None:
    with pytest.raises(MalformedAnswer):
        Ollama().decode(document, STAMP)


def test_a_call_without_an_id_is_given_one() -> None:
    part = {"functionCall": {"name": "add", "args": {"a": 1}}}
    line = {"message": {"tool_calls": [{"function": {"name": "add"}}] * 2}, "done": True}
    gemini = Gemini().reader(STAMP).feed(None, json.dumps(candidate("STOP", part, part)).encode())
    ollama = Ollama().reader(STAMP).feed(None, json.dumps(line).encode())
    for chunks in (gemini, ollama):
        calls = [
            call
            for chunk in chunks
            for choice in chunk["choices"]
            for call in choice["delta"].get("tool_calls", ())
        ]
        assert [call["id"] for call in calls] == ["call_chatcmpl-1_0", "call_chatcmpl-1_1"]
        assert [call["index"] for call in calls] == [0, 1]


@pytest.mark.parametrize("dialect", [Gemini(), Ollama()], ids=lambda dialect: dialect.name)
def test_an_error_is_seen_whole_and_in_a_stream(dialect: Gemini | Ollama) -> None:
    error = {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}
    with pytest.raises(ErrorInAnswer, match="busy") as whole:
        dialect.decode(error, STAMP)
    assert (whole.value.kind, whole.value.status) == ("UNAVAILABLE", 503)
    with pytest.raises(ErrorInAnswer, match="busy"):
        dialect.reader(STAMP).feed(None, json.dumps(error).encode())
    with pytest.raises(MalformedAnswer):
        dialect.reader(STAMP).feed(None, b'{"x": 1}')


def test_gemini_counts_thoughts_beside_what_it_said() -> None:
    counts = {"promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 3}
    counts |= {"cachedContentTokenCount": 4, "totalTokenCount": 18}
    answer = Gemini().decode(candidate("STOP", {"text": "x"}) | {"usageMetadata": counts}, STAMP)
    assert answer["usage"]["completion_tokens"] == 8  # pyright: ignore[reportIndexIssue]
    assert Gemini().usage({"usageMetadata": counts}) == TokenUsage(
        input=6, cache_read=4, output=5, reasoning=3
    )
