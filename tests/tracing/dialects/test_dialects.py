"""What a span means is the same whichever convention wrote it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.tracing.dialects import meaning_of
from holdfast.tracing.meaning import TokenUsage
from holdfast.tracing.span import Event, Source, Span

QUESTION = [{"message": {"role": "user", "content": "hi"}}]
WANTED = TokenUsage(input=60, cache_read=40, output=15, reasoning=5)
CALLS: dict[str, tuple[dict[str, Any], str]] = {
    "holdfast": (
        {"provider": "openai", "model": "gpt", "input_tokens": 100, "output_tokens": 20,
         "cache_read_tokens": 40, "reasoning_tokens": 5, "finish_reason": "length",
         "ttft_ns": 250_000_000, "input": "hi", "output": "yo", "user": "ada", "session": "s"},
        "model",
    ),
    "genai-1.36": (
        {"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "gpt",
         "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20,
         "gen_ai.usage.cache_read_input_tokens": 40, "gen_ai.usage.reasoning_tokens": 5,
         "gen_ai.response.finish_reasons": ["length"], "gen_ai.prompt": "hi",
         "gen_ai.completion": "yo", "gen_ai.conversation.id": "s", "enduser.id": "ada"},
        "client",
    ),
    "genai-1.41": (
        {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
         "gen_ai.response.model": "gpt", "gen_ai.usage.input_tokens": 100,
         "gen_ai.usage.output_tokens": 20, "gen_ai.usage.cache_read.input_tokens": 40,
         "gen_ai.usage.reasoning_tokens": 5, "gen_ai.response.finish_reasons": ["length"],
         "gen_ai.input.messages": "hi", "gen_ai.output.messages": "yo",
         "gen_ai.conversation.id": "s", "user.id": "ada",
         "gen_ai.response.time_to_first_chunk": 0.25},
        "client",
    ),
    "genai-draft": (
        {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
         "gen_ai.response.model": "gpt", "gen_ai.usage.input_tokens": 100,
         "gen_ai.usage.output_tokens": 20, "gen_ai.usage.cache_read.input_tokens": 40,
         "gen_ai.usage.reasoning.output_tokens": 5, "gen_ai.response.finish_reasons": ["length"],
         "gen_ai.input.messages": "hi", "gen_ai.output.messages": "yo",
         "gen_ai.conversation.id": "s", "user.id": "ada"},
        "client",
    ),
    "openinference": (
        {"openinference.span.kind": "LLM", "llm.provider": "openai", "llm.model_name": "gpt",
         "llm.token_count.prompt": 100, "llm.token_count.completion": 20,
         "llm.token_count.prompt_details.cache_read": 40,
         "llm.token_count.completion_details.reasoning": 5, "llm.finish_reason": "length",
         "input.value": "hi", "output.value": "yo", "session.id": "s", "user.id": "ada"},
        "internal",
    ),
    "traceloop": (
        {"llm.request.type": "chat", "llm.response.model": "gpt", "gen_ai.system": "openai",
         "llm.usage.prompt_tokens": 100, "llm.usage.completion_tokens": 20,
         "llm.usage.cache_read_input_tokens": 40, "llm.usage.reasoning_tokens": 5,
         "llm.response.finish_reason": "length", "traceloop.entity.input": "hi",
         "traceloop.entity.output": "yo", "traceloop.association.properties.user_id": "ada",
         "traceloop.association.properties.session_id": "s"},
        "client",
    ),
    "langfuse": (
        {"langfuse.observation.type": "generation", "langfuse.observation.model.name": "gpt",
         "gen_ai.system": "openai",
         "langfuse.observation.usage_details": json.dumps(
             {"input": 100, "output": 20, "total": 120, "cache_read_input_tokens": 40,
              "reasoning_tokens": 5}),
         "gen_ai.response.finish_reasons": ["length"], "langfuse.observation.input": "hi",
         "langfuse.observation.output": "yo", "langfuse.user.id": "ada",
         "langfuse.session.id": "s"},
        "internal",
    ),
    "logfire": (
        {"logfire.msg": "chat", "request_data": {"model": "gpt"}, "gen_ai.system": "openai",
         "response_data": {"usage": {
             "prompt_tokens": 100, "completion_tokens": 20,
             "prompt_tokens_details": {"cached_tokens": 40},
             "completion_tokens_details": {"reasoning_tokens": 5}}},
         "gen_ai.response.finish_reasons": ["length"], "session.id": "s", "user.id": "ada"},
        "internal",
    ),
}  # fmt: skip


def made(attributes: dict[str, Any], kind: str = "internal", **members: Any) -> Span:
    return Span(
        trace_id="a" * 32, span_id="b" * 16, parent_id=None, name="n", kind=kind, start_ns=1000,
        duration_ns=10**9, attributes=attributes, **members,
    )  # fmt: skip


@pytest.mark.parametrize("dialect", CALLS)
def test_one_model_call_means_the_same_in_every_dialect(dialect: str) -> None:
    attributes, kind = CALLS[dialect]
    meaning = meaning_of(made(attributes, kind))
    assert meaning.role == "model"
    assert meaning.model is not None
    assert (meaning.model.provider, meaning.model.model) == ("openai", "gpt")
    assert meaning.model.usage == WANTED
    assert meaning.model.finish_reasons == ("length",)
    assert (meaning.user, meaning.session) == ("ada", "s")
    assert dialect in meaning.dialects
    if dialect != "logfire":
        assert (meaning.input, meaning.output) == ("hi", "yo")


@pytest.mark.parametrize(
    ("attributes", "events"),
    [
        ({"gen_ai.operation.name": "chat", "gen_ai.response.time_to_first_chunk": 0.5}, ()),
        ({"gen_ai.operation.name": "chat", "gen_ai.server.time_to_first_token": "0.5"}, ()),
        ({"gen_ai.operation.name": "chat"}, ("gen_ai.first_token",)),
        ({"openinference.span.kind": "LLM"}, ("First Token Stream Event",)),
        ({"langfuse.observation.type": "generation",
          "langfuse.observation.completion_start_time": '"1970-01-01T00:00:00.500001+00:00"'}, ()),
    ],
)  # fmt: skip
def test_the_time_to_the_first_token_is_found_in_five_places(
    attributes: dict[str, Any], events: tuple[str, ...]
) -> None:
    told = [Event(at_ns=500_001_000, name=name) for name in events]
    meaning = meaning_of(made(attributes, events=told))
    assert meaning.model is not None
    assert meaning.model.ttft_ns is not None
    assert abs(meaning.model.ttft_ns - 500_000_000) <= 1000


def test_flattened_messages_are_put_together_again() -> None:
    meaning = meaning_of(
        made(
            {
                "openinference.span.kind": "LLM",
                "llm.input_messages.1.message.content": "second",
                "llm.input_messages.0.message.role": "user",
                "llm.input_messages.0.message.content": "first",
                "llm.input_messages.0.message.tool_calls.0.tool_call.function.name": "look",
            }
        )
    )
    first, second = meaning.input  # pyright: ignore[reportGeneralTypeIssues]
    assert first["message"]["content"] == "first"  # pyright: ignore[reportIndexIssue]
    assert second == {"message": {"content": "second"}}


def test_the_sums_of_an_agent_are_not_counted_again() -> None:
    meaning = meaning_of(
        made({"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 900})
    )
    assert (meaning.role, meaning.model, meaning.count_usage) == ("agent", None, False)


@pytest.mark.parametrize(
    ("attributes", "role"),
    [
        ({"db.system.name": "postgresql", "db.query.text": "SELECT 1"}, "database"),
        ({"http.request.method": "GET"}, "http"),
        ({"messaging.system": "kafka"}, "message"),
        ({"mcp.method.name": "tools/call", "gen_ai.tool.name": "look"}, "tool"),
        ({"openinference.span.kind": "RETRIEVER"}, "retrieval"),
        ({"traceloop.span.kind": "workflow"}, "workflow"),
        ({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look"}, "tool"),
        ({"gen_ai.operation.name": "embeddings"}, "embedding"),
        ({}, "other"),
    ],
)
def test_other_work_is_told_apart(attributes: dict[str, Any], role: str) -> None:
    assert meaning_of(made(attributes)).role == role


def test_our_own_kinds_are_roles_and_a_person_is_waited_for() -> None:
    for kind, role in (("run", "run"), ("step", "step"), ("tool", "tool"), ("human", "wait")):
        assert meaning_of(made({}, kind)).role == role


def test_the_release_comes_from_the_resource_too() -> None:
    source = Source(resource={"service.version": "v7"})
    assert meaning_of(made({}, source=source)).release == "v7"


@pytest.mark.parametrize("empty", ["", []])
def test_an_answer_that_is_empty_is_told_unless_another_convention_has_one(empty: object) -> None:
    told = {"gen_ai.tool.name": "look", "gen_ai.tool.call.result": empty, "user.id": "ada"}
    assert meaning_of(made(told, "client")).output == empty
    assert meaning_of(made({**told, "openinference.span.kind": "TOOL"})).output == empty
    both = {**told, "openinference.span.kind": "TOOL", "output.value": "found"}
    assert meaning_of(made(both)).output == "found"


def test_a_name_whose_value_tells_nothing_gives_way_to_the_next_one() -> None:
    first = {"gen_ai.response.model": "big", "gen_ai.request.model": "small"}
    for model, asked in ((first, "big"), ({**first, "gen_ai.response.model": ""}, "small")):
        use = meaning_of(made(model, "client")).model
        assert use is not None
        assert use.model == asked


KEYS = sorted({key for attributes, _ in CALLS.values() for key in attributes})
odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip


@given(
    st.dictionaries(st.sampled_from(KEYS), odd, max_size=8), st.sampled_from(["model", "client"])
)
def test_no_attribute_of_the_wrong_kind_does_harm(attributes: dict[str, Any], kind: str) -> None:
    meaning = meaning_of(made(attributes, kind))
    if meaning.model is not None:
        usage = meaning.model.usage
        assert all((getattr(usage, each) or 0) >= 0 for each in ("input", "output", "cache_read"))
