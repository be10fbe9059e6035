"""The official clients of OpenAI and Anthropic take the proxy for the real thing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from anyio import fail_after

from holdfast.testing.upstream import Act, Counts, Fault, Reply, ToolUse, Upstream
from tests.proxy.serving import Proxy, provider, proxy_of

ASK: list[Any] = [{"role": "user", "content": "Add one to two"}]
COUNTS = Counts(input=12, output=7)
SAID = Reply(text="One and two are three.", counts=COUNTS)
CALLS = Reply(
    text="Let me add.",
    calls=(
        ToolUse(id="c1", name="add", arguments='{"a":1,"b":2}'),
        ToolUse(id="c2", name="now"),
    ),
    counts=COUNTS,
)
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
}
CHAT_TOOLS: Any = [{"type": "function", "function": {"name": "add", "parameters": SCHEMA}}]
MESSAGE_TOOLS: Any = [{"name": "add", "input_schema": SCHEMA}]
TOKEN = "long-random-word"


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    with fail_after(100):  # the first use of a client imports for seconds
        async with Upstream(default=Act(reply=SAID)) as running:
            yield running


@pytest.fixture(params=["openai", "anthropic"])
async def proxy(
    tmp_path: Path, upstream: Upstream, request: pytest.FixtureRequest
) -> AsyncIterator[Proxy]:
    only = provider("only", upstream, 1, kind=request.param)
    async with proxy_of(tmp_path, [only], token=TOKEN) as running:
        yield running


@pytest.fixture
async def chat(proxy: Proxy) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"{proxy.address}/v1", api_key=TOKEN, max_retries=0
    ) as client:
        yield client


@pytest.fixture
async def messages(proxy: Proxy) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(
        base_url=proxy.address, api_key=TOKEN, max_retries=0
    ) as client:
        yield client


async def test_chat_completions_come_whole_with_their_usage_and_cost(
    chat: openai.AsyncOpenAI,
) -> None:
    raw = await chat.chat.completions.with_raw_response.create(model="m", messages=ASK)
    answer = raw.parse()
    choice = answer.choices[0]
    assert (choice.message.content, choice.finish_reason) == (SAID.text, "stop")
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (12, 7)
    assert raw.headers["x-holdfast-cost-msat"] == "19"


@pytest.mark.parametrize("wants_usage", [False, True])
async def test_chat_completions_stream_and_count_if_they_are_asked_to(
    chat: openai.AsyncOpenAI, wants_usage: bool
) -> None:
    options: Any = {"stream_options": {"include_usage": True}} if wants_usage else {}
    stream = await chat.chat.completions.create(model="m", messages=ASK, stream=True, **options)
    chunks = [chunk async for chunk in stream]
    if not wants_usage:
        assert all(chunk.choices for chunk in chunks)
    text = "".join(each.choices[0].delta.content or "" for each in chunks if each.choices)
    assert text == SAID.text
    assert [c.finish_reason for each in chunks for c in each.choices if c.finish_reason] == ["stop"]
    counted = [each.usage.total_tokens for each in chunks if each.usage and not each.choices]
    assert counted == ([19] if wants_usage else [])
    report = (chunks[-1].model_extra or {})["holdfast"]
    assert (report["cost_msat"], report["provider"]) == (19, "only")


async def test_chat_completions_call_tools_whole_and_streamed(
    chat: openai.AsyncOpenAI, upstream: Upstream
) -> None:
    upstream.default = Act(reply=CALLS)
    whole = await chat.chat.completions.create(model="m", messages=ASK, tools=CHAT_TOOLS)
    async with chat.chat.completions.stream(model="m", messages=ASK, tools=CHAT_TOOLS) as stream:
        streamed = await stream.get_final_completion()
    for answer in (whole, streamed):
        choice = answer.choices[0]
        assert choice.finish_reason == "tool_calls"
        assert [
            (call.id, call.function.name, call.function.arguments.replace(" ", ""))
            for call in choice.message.tool_calls or ()
        ] == [("c1", "add", '{"a":1,"b":2}'), ("c2", "now", "{}")]
    said = [*ASK, whole.choices[0].message.model_dump(exclude_none=True)]
    for call in whole.choices[0].message.tool_calls or ():
        said.append({"role": "tool", "tool_call_id": call.id, "content": "3"})
    upstream.default = Act(reply=SAID)
    after = await chat.chat.completions.create(model="m", messages=said, tools=CHAT_TOOLS)
    assert after.choices[0].message.content == SAID.text


async def test_responses_come_whole_and_streamed_with_tools(
    chat: openai.AsyncOpenAI, upstream: Upstream
) -> None:
    upstream.default = Act(reply=CALLS)
    tools: Any = [{"type": "function", "name": "add", "parameters": SCHEMA, "strict": False}]
    whole = await chat.responses.create(model="m", input="Add", tools=tools, store=False)
    async with chat.responses.stream(model="m", input="Add", tools=tools, store=False) as stream:
        streamed = await stream.get_final_response()
    for answer in (whole, streamed):
        assert (answer.status, answer.output_text) == ("completed", CALLS.text)
        called = [each for each in answer.output if each.type == "function_call"]
        assert [(each.name, each.arguments.replace(" ", "")) for each in called] == [
            ("add", '{"a":1,"b":2}'), ("now", "{}"),
        ]  # fmt: skip
        assert answer.usage is not None
        assert answer.usage.total_tokens == 19


async def test_messages_come_whole_and_streamed_with_their_usage(
    messages: anthropic.AsyncAnthropic,
) -> None:
    whole = await messages.messages.create(model="m", max_tokens=50, messages=ASK)
    async with messages.messages.stream(model="m", max_tokens=50, messages=ASK) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        streamed = await stream.get_final_message()
    assert text == SAID.text
    for answer in (whole, streamed):
        assert [block.type for block in answer.content] == ["text"]
        assert answer.content[0].text == SAID.text  # type: ignore[union-attr]
        assert answer.stop_reason == "end_turn"
        assert answer.usage.output_tokens == 7
    assert whole.usage.input_tokens == 12


async def test_messages_use_tools_whole_and_streamed(
    messages: anthropic.AsyncAnthropic, upstream: Upstream
) -> None:
    upstream.default = Act(reply=CALLS)
    asked: dict[str, Any] = {"model": "m", "max_tokens": 50, "tools": MESSAGE_TOOLS}
    whole = await messages.messages.create(messages=ASK, **asked)
    async with messages.messages.stream(messages=ASK, **asked) as stream:
        streamed = await stream.get_final_message()
    for answer in (whole, streamed):
        assert answer.stop_reason == "tool_use"
        uses = [block for block in answer.content if block.type == "tool_use"]
        assert [(use.id, use.name, use.input) for use in uses] == [
            ("c1", "add", {"a": 1, "b": 2}), ("c2", "now", {}),
        ]  # fmt: skip
    results: list[Any] = [
        {"type": "tool_result", "tool_use_id": use.id, "content": "3"}
        for use in whole.content
        if use.type == "tool_use"
    ]
    said: list[Any] = [
        *ASK,
        {"role": "assistant", "content": [block.model_dump() for block in whole.content]},
        {"role": "user", "content": results},
    ]
    upstream.default = Act(reply=SAID)
    after = await messages.messages.create(messages=said, **asked)
    assert after.content[0].text == SAID.text  # type: ignore[union-attr]


async def test_clients_raise_their_own_errors(
    proxy: Proxy,
    chat: openai.AsyncOpenAI,
    messages: anthropic.AsyncAnthropic,
    upstream: Upstream,
) -> None:
    with pytest.raises(openai.NotFoundError, match="no configured provider"):
        await chat.chat.completions.create(model="none", messages=ASK)
    with pytest.raises(anthropic.NotFoundError, match="no configured provider"):
        await messages.messages.create(model="none", max_tokens=5, messages=ASK)
    with pytest.raises(openai.AuthenticationError):
        await chat.with_options(api_key="wrong").models.list()
    wrong = messages.with_options(api_key="wrong")
    with pytest.raises(anthropic.AuthenticationError):
        await wrong.messages.create(model="m", max_tokens=5, messages=ASK)
    upstream.default = Act(fault=Fault.RATE_LIMITED, retry_after="7")
    with pytest.raises(openai.RateLimitError) as limited:
        await chat.chat.completions.create(model="m", messages=ASK)
    assert limited.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("name", ["m", "only/m"])
async def test_a_model_is_told_of_by_any_name_that_it_can_be_asked_for(
    chat: openai.AsyncOpenAI, messages: anthropic.AsyncAnthropic, name: str
) -> None:
    found = await chat.models.retrieve(name)
    assert (found.id, found.object, found.owned_by) == (name, "model", "only")
    assert (await messages.models.retrieve(name)).id == name
    with pytest.raises(openai.NotFoundError, match=f"did you mean '{name}'"):
        await chat.models.retrieve(f"{name}m")
    with pytest.raises(anthropic.NotFoundError, match=f"did you mean '{name}'"):
        await messages.models.retrieve(f"{name}m")


async def test_a_stream_that_breaks_off_is_an_error_of_the_client(
    chat: openai.AsyncOpenAI, messages: anthropic.AsyncAnthropic, upstream: Upstream
) -> None:
    upstream.default = Act(fault=Fault.RESET_MIDDLE, after=5, reply=SAID, paced=True)
    asked: Any = {"model": "m", "max_tokens": 50, "messages": ASK, "stream": True}
    seen = await begun(chat.chat.completions.create(**asked), upstream, 1)
    with pytest.raises(openai.APIError, match="broke the connection off"):
        await read(seen)
    seen = await begun(messages.messages.create(**asked), upstream, 2)
    with pytest.raises(anthropic.APIStatusError, match="broke the connection off"):
        await read(seen)


async def begun(asking: Awaitable[Any], upstream: Upstream, number: int) -> Any:
    """Return a stream whose first token has come; its provider is told to go on, and so to fail."""
    answer = asyncio.ensure_future(asking)
    exchange = await upstream.exchange(number)
    for _ in range(4):
        exchange.step()
    stream = await answer
    exchange.step()
    return stream


async def read(stream: AsyncIterator[object]) -> None:
    async for _ in stream:
        pass
