"""The provider and the router against servers that somebody else wrote."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

import pytest

from holdfast.clock import SystemClock
from holdfast.errors import ModelOutputError, ProviderRefused, ProviderUnavailable
from holdfast.routing.config import ProviderConfig, Timeouts
from holdfast.routing.providers.chat import ChatProvider
from holdfast.routing.router import Router
from holdfast.routing.seam import Message, ModelRequest, OutputContract, Price, Usage
from tests.routing.kit import NUMBER, Spans, ask, provider_at
from tests.servers.aimock import KEY
from tests.servers.llama import MODEL
from tests.servers.process import free_port

pytestmark = pytest.mark.service

FREE = Price(input_msat_per_million=0, output_msat_per_million=0)


def tiny(text: str, **fields) -> ModelRequest:
    return ask(text, model=MODEL, **fields)


def fixture(text: str, content: str, **fields) -> dict[str, object]:
    usage = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
    return {
        "match": {"userMessage": text, **fields.pop("match", {})},
        "response": {"content": content, "usage": usage},
        **fields,
    }


async def test_a_real_model_streams_its_text_and_counts_its_tokens(llama):
    pieces: list[str] = []
    async with provider_at(llama.url, models={MODEL: FREE}) as provider:
        reply = await provider.complete(tiny("kelp", max_tokens=40, temperature=0), pieces.append)
    assert len(pieces) > 5
    assert "".join(pieces) == reply.text
    assert reply.usage.output_tokens == 40
    assert (reply.usage.input_tokens or 0) > 4
    assert (reply.finish_reason, reply.cost_msat) == ("length", 0)


async def test_cancelling_a_call_stops_the_generation(llama):
    begun, before = asyncio.Event(), llama.generated_tokens()
    # The schema keeps the model from stopping by itself: without the cancel it goes on for long.
    long = {"type": "array", "items": {"type": "integer"}, "minItems": 900}
    contract = OutputContract(name="long", schema=long, parse=json.loads)
    async with provider_at(llama.url) as provider:
        call = asyncio.ensure_future(
            provider.complete(tiny("kelp", output=contract), lambda _: begun.set())
        )
        async with asyncio.timeout(20):
            await begun.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            while await asyncio.to_thread(llama.busy_slots):
                pass  # each look is a request that takes a while
    assert 0 < llama.generated_tokens() - before < 900


async def test_a_schema_constrains_even_a_model_that_talks_nonsense(llama):
    schema = {
        "type": "object",
        "properties": {"sure": {"type": "boolean"}, "mood": {"enum": ["calm", "wild"]}},
        "required": ["sure", "mood"],
        "additionalProperties": False,
    }
    contract = OutputContract(name="a mood", schema=schema, parse=json.loads)
    async with provider_at(llama.url, name="llama") as provider:
        reply = await Router([provider], Spans().tracer).complete(
            tiny("kelp", output=contract, max_tokens=200)
        )
    assert isinstance(reply.value, dict)
    assert set(reply.value) == {"sure", "mood"}
    assert reply.calls == 1


async def test_a_prompt_longer_than_the_context_is_refused(llama):
    async with provider_at(llama.url) as provider:
        with pytest.raises(ProviderRefused, match="context"):
            await provider.complete(tiny("word " * 3000), None)


async def test_several_calls_at_once_share_the_provider(llama):
    async with provider_at(llama.url) as provider, asyncio.TaskGroup() as group:
        calls = [
            group.create_task(provider.complete(tiny(f"{n}", max_tokens=8), None)) for n in range(6)
        ]
        await asyncio.gather(*calls)
    assert all(0 < (call.result().usage.output_tokens or 0) <= 8 for call in calls)


async def test_a_known_answer_comes_with_its_exact_cost(aimock):
    aimock.answer(fixture("kelp", "A plant that grips the rock."))
    price = Price(input_msat_per_million=150_000, output_msat_per_million=600_000)
    async with provider_at(aimock.url, api_key=KEY, models={"m": price}) as provider:
        reply = await provider.complete(ask("kelp"), None)
    assert reply.text == "A plant that grips the rock."
    assert reply.usage == Usage(input_tokens=1000, output_tokens=500)
    assert reply.cost_msat == 450
    assert aimock.requests()[-1]["messages"] == [{"role": "user", "content": "kelp"}]


async def test_a_wrong_key_is_refused_with_the_variable_to_set(aimock):
    async with provider_at(aimock.url, api_key="wrong", key_variable="AIMOCK_KEY") as provider:
        with pytest.raises(ProviderRefused, match="key") as caught:
            await provider.complete(ask(), None)
    assert "AIMOCK_KEY" in caught.value.hint


def error_fixture(text: str, status: int) -> dict[str, object]:
    error = {"message": "not now", "type": "an_error"}
    return {
        "match": {"userMessage": text},
        "response": {"error": error, "status": status, "retryAfter": 3},
    }


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, ProviderUnavailable), (503, ProviderUnavailable), (400, ProviderRefused)],
)
async def test_an_error_of_the_endpoint_becomes_ours(aimock, status, kind):
    aimock.answer(error_fixture("kelp", status))
    async with provider_at(aimock.url, api_key=KEY) as provider:
        with pytest.raises(kind, match=r"not now") as caught:
            await provider.complete(ask("kelp"), None)
    if status == 429:
        assert caught.value.retry_after is not None


async def test_a_slow_first_byte_is_an_outage_only_beyond_its_limit(aimock):
    aimock.answer(fixture("kelp", "late", streamingProfile={"ttft": 400, "tps": 100}))
    for limit, patient in ((0.1, False), (20, True)):
        waits = Timeouts(first_byte=limit)
        async with provider_at(aimock.url, api_key=KEY, timeouts=waits) as provider:
            if patient:
                assert (await provider.complete(ask("kelp"), None)).text == "late"
                continue
            with pytest.raises(ProviderUnavailable, match="did not begin"):
                await provider.complete(ask("kelp"), None)


async def test_a_stream_cut_short_is_an_outage(aimock):
    aimock.answer(fixture("kelp", "a long answer " * 20, truncateAfterChunks=3))
    async with provider_at(aimock.url, api_key=KEY) as provider:
        with pytest.raises(ProviderUnavailable):
            await provider.complete(ask("kelp"), None)


async def test_a_wrong_answer_is_mended_by_telling_the_model_why(aimock):
    aimock.answer(
        fixture("how many", "many!"),
        fixture("answer with an object", '{"n": 42}', match={"turnIndex": 1}),
    )
    price = Price(input_msat_per_million=1_000_000, output_msat_per_million=1_000_000)
    async with provider_at(aimock.url, api_key=KEY, models={"m": price}) as provider:
        reply = await Router([provider], Spans().tracer).complete(ask("how many", output=NUMBER))
    assert (reply.value, reply.calls) == (42, 2)
    assert reply.usage == Usage(input_tokens=2000, output_tokens=1000)
    assert reply.cost_msat == 3000


async def test_an_answer_that_stays_wrong_names_the_model(aimock):
    aimock.answer(fixture("how many", "many!"), fixture("answer with", "still many!"))
    async with provider_at(aimock.url, api_key=KEY) as provider:
        with pytest.raises(ModelOutputError, match=r"'m' of 'stub'.*still many!"):
            await Router([provider], Spans().tracer).complete(ask("how many", output=NUMBER))
    assert len(aimock.requests()) == 3


async def test_the_cheaper_endpoint_is_asked_and_the_dearer_when_it_is_down(aimock):
    aimock.answer(fixture("kelp", "yes"))
    cheap = Price(input_msat_per_million=1, output_msat_per_million=1)
    dear = Price(input_msat_per_million=9, output_msat_per_million=9)
    nowhere = f"http://127.0.0.1:{free_port()}/v1"
    async with AsyncExitStack() as stack:

        async def at(url: str, name: str, price: Price) -> ChatProvider:
            return await stack.enter_async_context(
                provider_at(url, name=name, api_key=KEY, models={"m": price})
            )

        up = [await at(aimock.url, "dear", dear), await at(aimock.url, "cheap", cheap)]
        down = await at(nowhere, "down", cheap)
        for providers, answers in ((up, "cheap"), ([down, up[0]], "dear")):
            reply = await Router(providers, Spans().tracer).complete(ask("kelp"))
            assert reply.provider == answers
        with pytest.raises(ProviderUnavailable, match="cannot be reached"):
            await Router([down], Spans().tracer).complete(ask("kelp"))


async def test_a_name_that_does_not_resolve_is_an_outage():
    config = ProviderConfig(name="p", base_url="http://no-such-host.invalid/v1")
    provider = ChatProvider(config, clock=SystemClock())
    request = ModelRequest(model="m", messages=(Message(role="user", content="x"),))
    try:
        with pytest.raises(ProviderUnavailable, match="cannot be reached"):
            await provider.complete(request, None)
    finally:
        await provider.close()
