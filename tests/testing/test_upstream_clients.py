"""The official clients take the faulty upstream for the real thing, when all is well and when not."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anthropic
import openai
import pytest
from anyio import fail_after

from holdfast.testing.upstream import Act, Fault, Reply, ToolUse, Upstream

ASK = [{"role": "user", "content": "Hi"}]
REPLY = Reply(
    text="Let me add.",
    reasoning="hm",
    calls=(ToolUse(id="c1", name="add", arguments='{"a":1}'), ToolUse(id="c2", name="now")),
)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    with fail_after(60):  # the first use of a client imports for seconds
        async with Upstream(default=Act(reply=REPLY)) as running:
            yield running


@pytest.fixture
async def chat(upstream: Upstream) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=upstream.url, api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
async def messages(upstream: Upstream) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(
        base_url=upstream.root, api_key="k", max_retries=0
    ) as client:
        yield client


async def test_the_client_of_openai_reads_answers_and_streams(chat: openai.AsyncOpenAI) -> None:
    whole = await chat.chat.completions.create(model="m", messages=ASK)
    message = whole.choices[0].message
    assert message.content == REPLY.text
    assert [call.function.arguments for call in message.tool_calls or ()] == ['{"a":1}', "{}"]
    text = ""
    async for chunk in await chat.chat.completions.create(model="m", messages=ASK, stream=True):
        for choice in chunk.choices:
            text += choice.delta.content or ""
    assert text == REPLY.text


async def test_the_client_of_anthropic_reads_answers_and_streams(
    messages: anthropic.AsyncAnthropic,
) -> None:
    whole = await messages.messages.create(model="m", max_tokens=9, messages=ASK)
    async with messages.messages.stream(model="m", max_tokens=9, messages=ASK) as stream:
        streamed = await stream.get_final_message()
    for answer in (whole, streamed):
        assert [block.type for block in answer.content] == [
            "thinking", "text", "tool_use", "tool_use",
        ]  # fmt: skip
        assert answer.content[2].input == {"a": 1}
        assert answer.stop_reason == "tool_use"
        assert answer.usage.output_tokens == 5


@pytest.mark.parametrize(
    ("fault", "status"),
    [(Fault.UNAUTHORISED, 401), (Fault.RATE_LIMITED, 429), (Fault.SERVER_ERROR, 500)],
)
async def test_both_clients_see_the_failures_that_are_scripted(
    upstream: Upstream,
    chat: openai.AsyncOpenAI,
    messages: anthropic.AsyncAnthropic,
    fault: Fault,
    status: int,
) -> None:
    upstream.default = Act(fault=fault)
    with pytest.raises(openai.APIStatusError) as of_openai:
        await chat.chat.completions.create(model="m", messages=ASK)
    with pytest.raises(anthropic.APIStatusError) as of_anthropic:
        await messages.messages.create(model="m", max_tokens=9, messages=ASK)
    assert of_openai.value.status_code == of_anthropic.value.status_code == status


async def test_both_clients_see_an_error_inside_a_stream(
    upstream: Upstream, chat: openai.AsyncOpenAI, messages: anthropic.AsyncAnthropic
) -> None:
    upstream.default = Act(fault=Fault.ERROR_IN_BODY)
    stream = await chat.chat.completions.create(model="m", messages=ASK, stream=True)
    with pytest.raises(openai.APIError, match="scripted error"):
        [chunk async for chunk in stream]
    async with messages.messages.stream(model="m", max_tokens=9, messages=ASK) as events:
        with pytest.raises(anthropic.APIError, match="scripted error"):
            await events.get_final_message()
