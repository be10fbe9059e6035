"""Prices that change while requests go on: nobody waits for them to be reckoned, and rates of the day count."""

from __future__ import annotations

import threading

import anyio
import pytest

from holdfast.app.discovering import keeping_models
from holdfast.app.services import build_router
from holdfast.clock import SystemClock
from holdfast.routing.config import ProviderConfig
from holdfast.routing.prices import discovering
from holdfast.routing.prices.discovering import MANY_MODELS, Discovery
from holdfast.routing.prices.quotes import Quote, Quotes
from holdfast.routing.providers.chat import ChatProvider
from holdfast.routing.router import Router
from holdfast.routing.seam import Price
from holdfast.routing.selection import endpoints
from holdfast.settings import load_settings
from holdfast.testing.clock import ManualClock
from holdfast.tracing.tracer import Tracer
from tests.routing.kit import answering, endpoint

AT = 1_795_694_400_000  # noon of 2026-11-26
SATS = {"prompt": 0.001, "completion": 0.004}
SETTINGS = """
[providers.work]
base_url = "https://api.openai.com/v1"
models = ["gpt-4o-mini"]
[money]
currency = "USD"
bitcoin = { 2026-01-01 = 100000, 2026-11-27 = 50000 }
"""


class Watched:
    """A table of prices that knows none, and in which threads it was asked."""

    def __init__(self) -> None:
        self.threads: set[int] = set()

    def quote(self, provider: str, model: str) -> Quote | None:
        del provider, model
        self.threads.add(threading.get_ident())
        return None

    def of_maker(self, model: str) -> Quote | None:
        return self.quote("", model)


@pytest.mark.parametrize("models", [10, MANY_MODELS + 1])
async def test_prices_of_many_models_are_reckoned_while_requests_go_on(models):
    table, clock = Watched(), SystemClock()
    listing = {"data": [{"id": f"m{number}"} for number in range(models)]}
    async with endpoint(answering(200, listing)) as url:
        config = ProviderConfig(name="node", base_url=url, auto_discover=True)
        provider = ChatProvider(config, clock=clock)
        found = await Discovery([provider], Quotes(table), exchange=None, stale_ms=10).ask(AT)
        assert len(found.sources["node"]) == models
        here = threading.get_ident() in table.threads
        assert here is (models <= MANY_MODELS)
        provider.price("never heard of")  # asked for by a request, later
        assert threading.get_ident() in table.threads
        await provider.close()


async def test_quotes_of_the_last_list_count_until_the_next_one_is_reckoned(monkeypatch):
    """What a request asks for meanwhile comes from the quotes that nobody is changing."""
    began, go = threading.Event(), threading.Event()
    monkeypatch.setattr(discovering, "MANY_MODELS", 0)
    listing = {"data": [{"id": "a", "sats_pricing": SATS}]}
    async with endpoint(answering(200, listing)) as url:
        config = ProviderConfig(name="node", base_url=url, auto_discover=True)
        provider = ChatProvider(config, clock=SystemClock())
        discovery = Discovery([provider], Quotes(), exchange=None, stale_ms=10)
        await discovery.ask(AT)
        before = provider.price("a")
        listing["data"] = []
        listing["data"].append({"id": "a", "sats_pricing": {"prompt": 0.002, "completion": 0.004}})
        refused = Quotes.refused

        def slow(quotes: Quotes) -> object:
            began.set()
            go.wait(30)
            return refused(quotes)

        monkeypatch.setattr(Quotes, "refused", slow)
        async with anyio.create_task_group() as group:
            group.start_soon(discovery.ask, AT)
            await anyio.to_thread.run_sync(began.wait, 30)
            assert provider.price("a") == before
            go.set()
        assert provider.price("a") == Price(
            input_msat_per_million=2_000_000, output_msat_per_million=4_000_000
        )
        await provider.close()


async def test_a_catalogue_is_made_anew_while_requests_go_on(monkeypatch):
    threads: set[int] = set()
    make = endpoints.make_endpoint

    def noting(*words: object) -> object:
        threads.add(threading.get_ident())
        return make(*words)  # type: ignore[arg-type]

    price = Price(input_msat_per_million=1, output_msat_per_million=1)
    config = ProviderConfig(name="p", base_url="http://localhost:9/v1", models={"a": price})
    provider = ChatProvider(config, clock=SystemClock())
    router = Router([provider], Tracer(clock=SystemClock()))
    dispatcher = router.dispatcher
    dispatcher.chooser.catalogue.layers()
    monkeypatch.setattr(endpoints, "make_endpoint", noting)
    provider.offer({"b": price}, lambda _: None, {})
    await dispatcher.renew()
    assert threads
    assert threading.get_ident() not in threads
    assert [each.model for each in dispatcher.chooser.catalogue.named("b")] == ["b"]
    assert not dispatcher.chooser.catalogue.named("a")
    await router.close()


async def test_prices_in_a_currency_follow_its_rate_also_where_nobody_is_asked_for_a_list(tmp_path):
    (tmp_path / "holdfast.toml").write_text(SETTINGS)
    settings, clock = load_settings(tmp_path, {}), ManualClock(AT)
    router = build_router(settings, Tracer(clock=clock), clock)

    def rate() -> int:
        (found,) = router.dispatcher.chooser.catalogue.named("gpt-4o-mini")
        assert found.price is not None
        return found.price.output_msat_per_million

    async with keeping_models(settings, router.dispatcher, clock):
        assert rate() == 600_000  # USD 0.60, a bitcoin at USD 100,000
        with anyio.fail_after(60):
            await clock.until_sleeping()
            clock.advance(86_400)
            await clock.until_sleeping()
        assert rate() == 1_200_000
    await router.close()
