"""Providers with `auto_discover` are asked which models they have, and what they cost."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from functools import partial

import anyio
import pytest
from aiohttp import web

from holdfast.app.discovering import keeping_models
from holdfast.app.proxying import open_proxy
from holdfast.app.runtime import open_runtime
from holdfast.app.services import build_router
from holdfast.clock import SystemClock
from holdfast.routing.config import ProviderConfig
from holdfast.routing.dispatching.asking import Ask
from holdfast.routing.prices.discovering import Discovery
from holdfast.routing.prices.genai import GenaiPrices
from holdfast.routing.prices.quotes import Quotes
from holdfast.routing.providers.chat import ChatProvider
from holdfast.routing.seam import Price
from holdfast.settings import load_settings
from holdfast.testing.clock import ManualClock
from holdfast.tracing.billing.money import Exchange
from holdfast.tracing.tracer import Tracer
from holdfast.web.http import Request
from tests.routing.dispatching.kit import say
from tests.routing.kit import answering, endpoint

AT = 1_795_694_400_000
SATS = {"prompt": 0.001, "completion": 0.004, "request": 0.5}
LISTING = {
    "data": [
        {"id": "small", "sats_pricing": SATS},
        {"id": "large", "sats_pricing": SATS},
        {"id": "gpt-4o-mini"},
        {"id": "unheard-of"},
        {"id": "absurd", "sats_pricing": {"prompt": -1, "completion": 1}},
    ]
}
MONEY = """
[money]
currency = "USD"
bitcoin = { 2026-01-01 = 100000 }
"""
LISTED = Price(
    input_msat_per_million=1_000_000, output_msat_per_million=4_000_000, request_msat=500
)


def write(folder, url: str, *, name: str = "node", more: str = "", rest: str = "") -> None:
    (folder / "holdfast.toml").write_text(
        f"""
[providers.{name}]
base_url = "{url}"
auto_discover = true
{more}
[providers.{name}.timeouts]
connect = 0.2
[providers.{name}.models."small"]
input_sats_per_million = 700
output_sats_per_million = 800
[providers.{name}.models."of-old"]
input_sats_per_million = 5
output_sats_per_million = 6
{rest}"""
    )


async def nothing() -> dict:
    raise AssertionError("nobody reads the body")


@asynccontextmanager
async def proxy(folder):
    """Give what reads a page of a proxy over the project in a folder."""

    async def read(routes, path: str):
        scope = {"method": "GET", "path": path, "headers": ()}
        return json.loads((await routes.answer(Request(scope, nothing))).body)

    async with open_proxy(load_settings(folder, {})) as (routes, *_):
        yield partial(read, routes)


def models_in(providers) -> dict:
    return {each["model"]: each["price"] for each in providers["providers"][0]["models"]}


async def test_what_a_node_quotes_holds_and_the_settings_where_it_says_nothing(tmp_path, caplog):
    async with endpoint(answering(200, LISTING)) as url:
        write(tmp_path, url)
        async with proxy(tmp_path) as read:
            told = models_in(await read("/providers"))
            assert list(told) == ["small", "of-old", "large", "gpt-4o-mini", "unheard-of", "absurd"]
            assert told["small"]["input_sats_per_million"] == 1000
            assert told["of-old"]["input_sats_per_million"] == 5
            assert told["large"] == {
                "input_sats_per_million": 1000,
                "output_sats_per_million": 4000,
                "request_sats": 0.5,
            }
            assert told["unheard-of"] is told["absurd"] is None
            listed = await read("/v1/models")
            assert {"large", "of-old"} <= {each["id"] for each in listed["data"]}
    assert "a price of node/absurd (node) is not believed" in caplog.text


async def test_a_runtime_asks_as_well_before_it_runs_anything(tmp_path):
    async with endpoint(answering(200, LISTING)) as url:
        write(tmp_path, url)
        async with open_runtime(load_settings(tmp_path, {})) as runtime:
            node = runtime.services.router.dispatcher.providers["node"]
            assert node.price("large") == LISTED
            assert not node.serves("another")


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        (answering(500, {"error": {"message": "no"}}), "cannot serve now (HTTP 500)"),
        (answering(401, {}), "does not accept the key"),
        (answering(200, {"data": []}), "it lists no models"),
        (answering(200, "models"), "the document has no list of models"),
    ],
)
async def test_who_does_not_answer_keeps_the_models_of_the_settings(
    tmp_path, caplog, handler, told
):
    async with endpoint(handler) as url:
        write(tmp_path, url)
        async with proxy(tmp_path) as read:
            assert list(models_in(await read("/providers"))) == ["small", "of-old"]
    assert told in caplog.text
    assert "its models stay as they were" in caplog.text


async def test_a_silent_provider_holds_the_start_up_for_its_connect_timeout(tmp_path, caplog):
    released = asyncio.Event()

    async def silent(request: web.Request) -> web.Response:
        await released.wait()
        return web.json_response(LISTING)

    async with endpoint(silent) as url, asyncio.timeout(60):
        write(tmp_path, url)
        async with proxy(tmp_path) as read:
            assert list(models_in(await read("/providers"))) == ["small", "of-old"]
        released.set()
    assert "did not list its models within 0.2 s" in caplog.text


async def test_nobody_is_reached_and_the_start_goes_on(tmp_path, caplog):
    write(tmp_path, "http://127.0.0.1:9/v1")
    async with proxy(tmp_path) as read:
        assert list(models_in(await read("/providers"))) == ["small", "of-old"]
    assert "cannot be reached" in caplog.text


async def test_the_check_tells_who_says_each_price(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    async with endpoint(answering(200, LISTING)) as url:
        write(tmp_path, url, name="openai", rest=MONEY)
        code, told = await asyncio.to_thread(say, capsys, "route", "check")
        assert code == 0
        assert told["providers"][0]["prices"] == {
            "small": "node",
            "of-old": "configuration",
            "large": "node",
            "gpt-4o-mini": None,
            "unheard-of": None,
            "absurd": None,
        }
        assert [each["model"] for each in told["refused_prices"]] == ["absurd"]
        _, told = await asyncio.to_thread(say, capsys, "route", "explain", "large")
        assert told["candidates"][0]["provider"] == "openai"
    code, told = await asyncio.to_thread(say, capsys, "route", "check")
    assert code == 2
    assert "cannot be reached" in told["problems"][0]["problem"]
    assert told["providers"][0]["prices"] == {"small": "configuration", "of-old": "configuration"}


def found_by(providers, quotes: Quotes, exchange: Exchange | None = None) -> Discovery:
    return Discovery(providers, quotes, exchange=exchange, stale_ms=3_600_000)


async def test_a_model_without_a_price_has_that_of_the_table_where_there_is_one():
    exchange, clock = Exchange("USD", {date(2026, 1, 1): Decimal(100_000)}), ManualClock(AT)
    listing = {"data": [{"id": "gpt-4o-mini"}, {"id": "unheard-of"}]}
    async with endpoint(answering(200, listing)) as url:
        config = ProviderConfig(name="openai", base_url=url, auto_discover=True)
        provider = ChatProvider(config, clock=clock)
        quotes = Quotes(GenaiPrices(exchange, clock))
        discovery = found_by([provider], quotes, exchange)
        found = await discovery.ask(AT)
        assert found.sources == {"openai": {"gpt-4o-mini": "genai-prices", "unheard-of": None}}
        assert provider.price("gpt-4o-mini").output_msat_per_million == 600_000  # USD 0.60
        assert found.changed
        assert not (await discovery.ask(AT)).changed
        await provider.close()


@pytest.mark.parametrize("models", ["", 'models = ["gpt-4o-mini"]'])
async def test_the_table_knows_prices_of_who_is_not_asked_for_its_list_too(tmp_path, models):
    (tmp_path / "holdfast.toml").write_text(
        f"""
[providers.work]
base_url = "https://api.openai.com/v1"
{models}
{MONEY}"""
    )
    async with open_runtime(load_settings(tmp_path, {})) as runtime:
        dispatcher = runtime.services.router.dispatcher
        plan = dispatcher.plan(dispatcher.wanted(Ask(model="gpt-4o-mini", size=4)))
        assert plan.candidates[0].endpoint.price.output_msat_per_million == 600_000
        assert plan.candidates[0].msat is not None


class Market:
    """A provider that lists what it is told, or fails."""

    def __init__(self) -> None:
        self.rate, self.asked = 0.001, 0
        self.told = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        del request
        self.asked += 1
        self.told.set()
        if self.rate is None:
            return web.json_response({}, status=500)
        entry = {"id": "large", "sats_pricing": {"prompt": self.rate, "completion": 0.004}}
        return web.json_response({"data": [entry]})


async def passes(clock: ManualClock, market: Market, seconds: float) -> None:
    """Let time pass, and wait until the market was asked again and heard."""
    with anyio.fail_after(60):
        market.told.clear()
        await clock.until_sleeping()
        clock.advance(seconds)
        await market.told.wait()
        await clock.until_sleeping()


@asynccontextmanager
async def kept(folder, clock: ManualClock):
    """Give the dispatcher of the project in a folder, whose prices are kept up."""
    settings = load_settings(folder, {})
    router = build_router(settings, Tracer(clock=clock), clock)
    try:
        async with keeping_models(settings, router.dispatcher, clock):
            yield router.dispatcher
    finally:
        await router.close()


async def test_prices_are_asked_for_again_and_count_until_they_are_stale(tmp_path, caplog):
    market, clock = Market(), ManualClock(AT)
    async with endpoint(market.answer) as url:
        write(tmp_path, url, rest="[routing]\ndiscover_seconds = 100\nstale_seconds = 250\n")
        async with kept(tmp_path, clock) as dispatcher:

            def rate_of(model: str) -> object:
                (endpoint,) = dispatcher.chooser.catalogue.named(model)
                return endpoint.price and endpoint.price.input_msat_per_million

            assert rate_of("large") == 1_000_000
            market.rate = 0.002
            await passes(clock, market, 110)
            assert rate_of("large") == 2_000_000
            market.rate = None
            await passes(clock, market, 110)
            await passes(clock, market, 110)
            assert rate_of("large") == 2_000_000
            assert caplog.text.count("cannot serve now") == 1
            await passes(clock, market, 110)
            assert rate_of("large") is None
            assert rate_of("small") == 700_000
            market.rate = 0.003
            await passes(clock, market, 110)
            assert rate_of("large") == 3_000_000
    assert market.asked == 6


async def test_processes_that_begin_together_ask_at_different_times(tmp_path, monkeypatch):
    market, clock = Market(), ManualClock(AT)
    monkeypatch.setattr("holdfast.app.discovering.random", lambda: 0.25)
    async with endpoint(market.answer) as url:
        write(tmp_path, url, rest="[routing]\ndiscover_seconds = 100\n")
        async with kept(tmp_path, clock):
            with anyio.fail_after(60):
                await clock.until_sleeping()
                clock.advance(94.9)
                await clock.until_sleeping()
            assert market.asked == 1
            await passes(clock, market, 0.2)
            assert market.asked == 2


async def test_what_a_provider_lists_no_longer_has_no_price_of_its_list_any_more():
    listing = {"data": [{"id": "a", "sats_pricing": SATS}, {"id": "b", "sats_pricing": SATS}]}
    quotes, clock = Quotes(), ManualClock(AT)
    async with endpoint(answering(200, listing)) as url:
        config = ProviderConfig(name="node", base_url=url, auto_discover=True)
        provider = ChatProvider(config, clock=clock)
        discovery = found_by([provider], quotes)
        await discovery.ask(AT)
        assert provider.models() == ("a", "b")
        listing["data"].pop()
        assert (await discovery.ask(AT)).changed
        assert provider.models() == ("a",)
        assert provider.price("b") is None
        await provider.close()


async def test_what_a_list_said_in_dollars_is_forgotten_when_it_says_it_no_longer():
    exchange, clock = Exchange("USD", {date(2026, 1, 1): Decimal(100_000)}), ManualClock(AT)
    listing = {"data": [{"id": "a", "pricing": {"prompt": "0.000001", "completion": "0.000001"}}]}
    async with endpoint(answering(200, listing)) as url:
        config = ProviderConfig(name="node", base_url=url, auto_discover=True)
        provider = ChatProvider(config, clock=clock)
        discovery = found_by([provider], Quotes(), exchange)
        await discovery.ask(AT)
        assert provider.price("a") is not None
        del listing["data"][0]["pricing"]
        await discovery.ask(AT)
        assert provider.price("a") is None
        await provider.close()


async def test_only_who_is_configured_so_is_asked_and_the_longest_answer_of_a_model_is_learned():
    market, clock = Market(), ManualClock(AT)
    top = {"id": "a", "top_provider": {"max_completion_tokens": 77}}
    async with (
        endpoint(market.answer) as silent,
        endpoint(answering(200, {"data": [top, {"id": "b"}]})) as url,
    ):
        quiet = ChatProvider(ProviderConfig(name="quiet", base_url=silent), clock=clock)
        config = ProviderConfig(name="node", base_url=url, auto_discover=True)
        provider = ChatProvider(config, clock=clock)
        await found_by([quiet, provider], Quotes()).ask(AT)
        assert market.asked == 0
        assert provider.limits == {"a": 77}
        await quiet.close()
        await provider.close()


def test_what_was_not_asked_yet_may_have_any_model():
    config = ProviderConfig(
        name="p", base_url="http://localhost:9/v1", models={"a": None}, auto_discover=True
    )
    provider = ChatProvider(config, clock=SystemClock())
    assert provider.serves("b")
    provider.offer({"a": None})
    assert not provider.serves("b")
