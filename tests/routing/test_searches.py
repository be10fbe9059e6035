"""What a model that searches costs: as the provider says, and unknown where it does not. Perplexity's reference."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from holdfast.routing.config import ProviderConfig
from holdfast.routing.cost import cost_msat, total_usage
from holdfast.routing.prices.genai import GenaiPrices
from holdfast.routing.providers.chat import ChatProvider
from holdfast.routing.seam import Price
from holdfast.routing.usage import read_usage
from holdfast.testing.clock import ManualClock
from holdfast.tracing.billing.money import Exchange
from tests.routing.kit import DONE, answering, ask, delta, endpoint, streaming

NOW_MS = 1_795_694_400_000
DOLLARS = Exchange("USD", {date(2026, 1, 1): Decimal(100_000)})
PRICE = Price(input_msat_per_million=2 * 10**6, output_msat_per_million=8 * 10**6)
PLAIN = {"prompt_tokens": 33, "completion_tokens": 7163, "total_tokens": 7196}
SAID: dict[str, dict[str, Any]] = {
    "searches": PLAIN | {"num_search_queries": 18},
    "citations": PLAIN | {"citation_tokens": 20016, "reasoning_tokens": 73997},
    "searches, by litellm": PLAIN | {"prompt_tokens_details": {"web_search_requests": 2}},
    "searches of Anthropic": PLAIN | {"server_tool_use": {"web_search_requests": 1}},
    "a fee by size": PLAIN | {"search_context_size": "low"},
}
COST = {"input_tokens_cost": 6.6e-05, "search_queries_cost": 0.09, "total_cost": 0.409393}


def test_searches_make_the_cost_of_tokens_alone_unknown_and_never_less() -> None:
    told = {name: cost_msat(PRICE, read_usage(usage)) for name, usage in SAID.items()}
    assert told == dict.fromkeys(SAID)
    none = PLAIN | {"num_search_queries": 0, "citation_tokens": None, "search_context_size": None}
    none |= {"server_tool_use": {"web_search_requests": 0}, "prompt_tokens_details": None}
    assert cost_msat(PRICE, read_usage(none)) == cost_msat(PRICE, read_usage(PLAIN)) == 57_370
    both = total_usage([read_usage(PLAIN), read_usage(SAID["searches"])])
    assert cost_msat(PRICE, both) is None


@pytest.mark.parametrize("money", [DOLLARS, None], ids=["a rate", "no rate"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("said", list(SAID))
async def test_what_the_provider_says_it_charged_counts_if_there_is_a_rate(
    said: str, stream: bool, money: Exchange | None
) -> None:
    usage = SAID[said] | {"cost": COST}
    choice = {"message": {"role": "assistant", "content": "So."}, "finish_reason": "stop"}
    handler = (
        streaming(delta("So.", finish="stop", usage=SAID[said]) + delta(usage=usage) + DONE)
        if stream
        else answering(200, {"choices": [choice], "usage": usage})
    )
    async with endpoint(handler) as url:
        config = ProviderConfig(name="p", base_url=url, models={"m": PRICE})
        provider = ChatProvider(config, clock=ManualClock(NOW_MS), money=money)
        reply = await provider.complete(ask(), None)
        await provider.close()
    # 0.409393 dollars at 100,000 a bitcoin
    assert reply.cost_msat == (None if money is None else 409_393)
    assert reply.usage.beyond_tokens


def test_tokens_of_reasoning_have_the_price_that_the_table_says() -> None:
    table = GenaiPrices(DOLLARS, ManualClock(NOW_MS), {"p": "https://api.perplexity.ai"})
    found = table.quote("p", "sonar-deep-research")
    assert found is not None
    assert found.price == replace(PRICE, reasoning_msat_per_million=3 * 10**6)
