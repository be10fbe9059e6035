"""The router with scripted providers: choice, passing over, the validated retry, spans."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.errors import (
    ModelOutputError,
    NoProvider,
    ProviderRefused,
    ProviderUnavailable,
    UsageError,
)
from holdfast.routing.providers.extract import ExtractProvider
from holdfast.routing.router import Router
from holdfast.routing.seam import OFFLINE_EXTRACT, ModelReply, OutputContract, Price, Usage
from holdfast.testing.providers import ScriptedProvider
from tests.routing.kit import NUMBER, Spans, ask


def price(sats_in: int, sats_out: int = 0, fee: int = 0) -> Price:
    return Price(
        input_msat_per_million=sats_in * 1000,
        output_msat_per_million=sats_out * 1000,
        request_msat=fee,
    )


def scripted(name: str, *script, models=("m",), **fields) -> ScriptedProvider:
    return ScriptedProvider(script or [f"from {name}"], name=name, models=models, **fields)


def refuse(text: str) -> object:
    raise ModelOutputError("never right")


NEVER = OutputContract(name="never", schema={"type": "string"}, parse=refuse)


def router(*providers, attempts: int = 3, spans: Spans | None = None) -> Router:
    return Router(providers, (spans or Spans()).tracer, attempts=attempts)


async def test_the_cheapest_known_price_wins_and_unknown_prices_come_last():
    providers = [
        scripted("unknown"),
        scripted("dear", price=price(200, 600)),
        scripted("cheap", price=price(100, 600)),
        scripted("as-cheap", price=price(100, 600)),
        scripted("other", price=price(1), models=("n",)),
    ]
    reply = await router(*providers).complete(ask())
    assert (reply.provider, reply.model) == ("cheap", "m")


async def test_a_price_for_each_request_counts_in_the_comparison():
    by_fee = scripted("fee", price=price(1, 1, fee=10**6))
    by_token = scripted("token", price=price(100, 100))
    assert (await router(by_fee, by_token).complete(ask())).provider == "token"


async def test_providers_without_prices_are_asked_in_their_order():
    assert (await router(scripted("one"), scripted("two")).complete(ask())).provider == "one"


async def test_a_named_provider_is_asked_whatever_it_costs():
    cheap, dear = scripted("cheap", price=price(1)), scripted("dear", price=price(100))
    reply = await router(cheap, dear).complete(ask(model="dear/m"))
    assert (reply.provider, reply.model) == ("dear", "m")
    assert not cheap.requests


async def test_a_named_provider_is_never_replaced_by_one_that_serves_anything():
    anything = scripted("anything", models=())
    with pytest.raises(NoProvider):
        await router(scripted("named"), anything).complete(ask(model="named/secret-model"))
    assert not anything.requests


async def test_a_model_whose_name_holds_a_slash_is_found():
    for name in ("meta/llama", "hub/meta/llama"):
        hub = scripted("hub", models=("meta/llama",))
        assert (await router(hub).complete(ask(model=name))).model == "meta/llama"


async def test_an_unavailable_provider_is_passed_over_for_the_next_cheapest():
    down = scripted("down", ProviderUnavailable("down"), price=price(1))
    spans = Spans()
    with spans.run():
        reply = await router(down, scripted("up"), spans=spans).complete(ask())
    assert reply.provider == "up"
    assert [span.status for span in spans.finished] == ["error", "ok", "ok"]


async def test_when_all_are_unavailable_the_last_error_says_how_long_to_wait():
    one = scripted("one", ProviderUnavailable("one", retry_after=1))
    two = scripted("two", ProviderUnavailable("two", retry_after=7))
    with pytest.raises(ProviderUnavailable, match="two") as caught:
        await router(one, two).complete(ask())
    assert caught.value.retry_after == 7


async def test_a_refusal_is_not_tried_elsewhere():
    other = scripted("other")
    with pytest.raises(ProviderRefused):
        await router(scripted("first", ProviderRefused("no")), other).complete(ask())
    assert not other.requests


async def test_an_unknown_model_is_answered_with_what_there_is():
    with pytest.raises(NoProvider, match="did you mean 'gpt-4o-mini'") as caught:
        await router(scripted("openai", models=("gpt-4o-mini",)), ExtractProvider()).complete(
            ask(model="gpt-4o-mni")
        )
    assert "openai: gpt-4o-mini" in caught.value.hint
    assert "offline: extract" in caught.value.hint
    with pytest.raises(NoProvider, match="did you mean 'openai/gpt-4o-mini'"):
        await router(scripted("openai", models=("gpt-4o-mini",))).complete(
            ask(model="opnai/gpt-4o-mini")
        )
    with pytest.raises(NoProvider) as caught:
        await router().complete(ask())
    assert "configured: none" in caught.value.hint
    assert "[providers.NAME]" in caught.value.hint


async def test_a_reply_that_does_not_fit_is_sent_back_with_the_reason():
    provider = scripted("p", "no json", '```json\n{"n": 4}\n```', price=price(1000, 1000))
    request = ask(output=NUMBER)
    reply = await router(provider).complete(request)
    assert (reply.value, reply.calls) == (4, 2)
    assert reply.usage == Usage(input_tokens=20, output_tokens=10)
    assert reply.cost_msat == 30
    first, second = (each.messages for each in provider.requests)
    assert first == request.messages
    assert second[:1] == request.messages
    assert [(each.role, each.content[:21]) for each in second[1:]] == [
        ("assistant", "no json"),
        ("user", "answer with an object"),
    ]


async def test_the_cost_of_a_retry_is_unknown_if_one_part_is():
    known = ModelReply(
        text='{"n": 1}', value="", provider="p", model="m", usage=Usage(), cost_msat=5
    )
    reply = await router(scripted("p", "bad", known)).complete(ask(output=NUMBER))
    assert reply.cost_msat is None
    assert reply.usage == Usage()


async def test_after_all_tries_the_error_names_the_model_and_quotes_the_reply():
    provider = scripted("p", *["x" * 500] * 9)
    with pytest.raises(ModelOutputError, match=r"'m' of 'p'.*3 tries.*'xxx") as caught:
        await router(provider).complete(ask(output=NUMBER))
    assert len(provider.requests) == 3
    assert len(caught.value.message) < 500


async def test_a_retry_stays_with_the_provider_that_answered():
    down = scripted("down", ProviderUnavailable("down"), price=price(1))
    up = scripted("up", "bad", '{"n": 2}')
    assert (await router(down, up).complete(ask(output=NUMBER))).value == 2
    assert len(down.requests) == 1


async def test_the_extractor_is_not_asked_again():
    spans = Spans()
    with spans.run(), pytest.raises(ModelOutputError, match="one try"):
        await router(ExtractProvider(), spans=spans).complete(
            ask("words.", OFFLINE_EXTRACT, output=NEVER)
        )
    assert len(spans.finished) == 2


async def test_each_call_is_a_span_with_its_cost_what_was_asked_and_what_was_answered():
    spans = Spans()
    provider = scripted("p", "an answer", price=price(1000, 1000))
    with spans.run():
        await router(provider, spans=spans).complete(ask("a prompt"))
    span = spans.finished[0]
    assert (span.name, span.kind) == ("p/m", "model")
    told = dict(span.attributes)
    assert told.pop("ttft_ns") > 0
    assert told == {
        "provider": "p",
        "model": "m",
        "input_tokens": 10,
        "output_tokens": 5,
        "cost_msat": 15,
        "extractive": False,
        "calls": 1,
        "finish_reason": "stop",
        "input": [{"role": "user", "content": "a prompt"}],
        "output": "an answer",
    }


async def test_a_span_says_that_a_price_of_tokens_does_not_cover_the_call():
    spans, searched = Spans(), Usage(input_tokens=10, output_tokens=5, beyond_tokens=True)
    provider = scripted("p", price=price(1000, 1000), usage=searched)
    with spans.run():
        await router(provider, spans=spans).complete(ask())
    told = spans.finished[0].attributes
    assert (told["cost_msat"], told["beyond_tokens"]) == (None, True)


async def test_text_is_streamed_and_a_cancelled_call_reaches_the_provider():
    pieces: list[str] = []
    await router(scripted("p", "a b c")).complete(ask(), pieces.append)
    assert pieces == ["a ", "b ", "c"]
    held = scripted("p", hold=asyncio.Event())
    call = asyncio.ensure_future(router(held).complete(ask()))
    async with asyncio.timeout(60):
        await held.started.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert held.cancelled == 1


async def test_closing_closes_all_even_if_one_fails():
    class Stuck(ScriptedProvider):
        async def close(self) -> None:
            raise RuntimeError("stuck")

    one, two = scripted("one"), scripted("two")
    with pytest.raises(RuntimeError):
        await router(one, Stuck([], name="stuck"), two).close()
    assert one.closed
    assert two.closed


def test_the_default_model_is_the_first_that_is_named_or_the_extractor():
    extractor, nameless = ExtractProvider(), scripted("any", models=())
    assert router(extractor, nameless, scripted("p", models=("a", "b"))).default_model() == "a"
    assert router(extractor, nameless).default_model() == OFFLINE_EXTRACT
    assert router().default_model() == OFFLINE_EXTRACT


def test_a_router_with_nonsense_is_refused():
    with pytest.raises(UsageError, match="same name"):
        router(scripted("p"), scripted("p"))
    with pytest.raises(UsageError, match="attempt"):
        router(attempts=0)


async def test_an_error_after_replies_says_what_they_cost():
    provider = scripted("p", "bad", "worse", ProviderUnavailable("down"), price=price(1000, 1000))
    with pytest.raises(ProviderUnavailable) as caught:
        await router(provider).complete(ask(output=NUMBER))
    assert isinstance(caught.value.spent, ModelReply)
    assert (caught.value.spent.cost_msat, caught.value.spent.calls) == (30, 2)
    with pytest.raises(ModelOutputError) as misfit:
        await router(scripted("p", *["bad"] * 3, price=price(1000, 1000))).complete(
            ask(output=NUMBER)
        )
    assert isinstance(misfit.value.spent, ModelReply)
    assert misfit.value.spent.cost_msat == 45


def test_whether_a_model_is_served_is_known_without_asking_it():
    provider = scripted("p")
    assert router(provider).served_by("m") == {"p"}
    with pytest.raises(NoProvider, match="'n'"):
        router(provider).served_by("n")
    assert not provider.requests
