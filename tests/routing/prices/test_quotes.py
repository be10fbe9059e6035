"""The first believable price holds, in the order of who should know best."""

from __future__ import annotations

import sys
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.routing.prices.genai import GenaiPrices
from holdfast.routing.prices.quotes import SOURCES, Quote, Quotes, Source, configured, implausible
from holdfast.routing.seam import Price
from holdfast.testing.clock import ManualClock
from holdfast.tracing.billing.money import Exchange

AT = 1_795_694_400_000
EXCHANGE = Exchange("USD", {date(2026, 1, 1): Decimal(100_000)})
RATES = st.integers(0, 10**9)


def quote(rate: int, source: Source = "models", provider: str = "p") -> Quote:
    price = Price(input_msat_per_million=rate, output_msat_per_million=rate)
    return Quote(provider=provider, model="m", price=price, source=source, at_ms=AT)


class Table:
    """A late source that counts how often it is asked."""

    def __init__(self, found: Quote | None) -> None:
        self.found, self.asked = found, 0

    def quote(self, provider: str, model: str) -> Quote | None:
        del provider, model
        self.asked += 1
        return self.found

    def of_maker(self, model: str) -> Quote | None:
        del model
        return self.found


@given(st.permutations(SOURCES), st.integers(1, 4))
def test_who_should_know_best_is_believed_first(order, count):
    quotes = Quotes()
    offered = list(order)[:count]
    quotes.offer(quote(100 + SOURCES.index(source), source) for source in offered)
    best = min(offered, key=SOURCES.index)
    assert quotes.quote("p", "m") == quote(100 + SOURCES.index(best), best)


def test_what_was_said_later_or_withdrawn_takes_effect():
    quotes = Quotes()
    quotes.offer([quote(5, "node"), quote(7)])
    quotes.offer([quote(6, "node")])
    assert quotes.price("p", "m") == quote(6).price
    quotes.withdraw("p", "node")
    assert quotes.price("p", "m") == quote(7).price
    assert quotes.price("other", "m") is None


@pytest.mark.promise("unknown-cost-is-unknown")
def test_a_free_quote_where_others_charge_is_refused_unless_the_settings_say_so():
    quotes = Quotes()
    quotes.offer([quote(0), quote(50, "genai-prices"), quote(60, provider="q")])
    assert quotes.quote("p", "m") == quote(50, "genai-prices")
    assert [each.reason for each in quotes.refused()] == ["it is free where others charge"]
    quotes.offer([quote(0, "configuration")])
    assert quotes.quote("p", "m") == quote(0, "configuration")


def test_a_node_that_asks_for_nothing_is_not_believed_though_nobody_else_charges():
    quotes = Quotes()
    quotes.offer([quote(0, "node"), quote(0, provider="q")])
    assert quotes.price("p", "m") is None
    assert quotes.price("q", "m") == quote(0).price
    assert "nothing to give away" in quotes.refused()[0].reason


def test_what_the_maker_charges_bears_witness_against_one_stranger_alone():
    quotes = Quotes(Table(quote(100, "genai-prices", "maker")))
    quotes.offer([quote(10_100, "node"), quote(10_000, "node", "fair")])
    assert [(each.provider, each.source) for each in quotes.refused()] == [("p", "node")]
    assert "101 times" in quotes.refused()[0].reason
    assert quotes.price("fair", "m") == quote(10_000).price


def test_what_providers_say_of_themselves_is_forgotten_with_time_and_nothing_else():
    quotes = Quotes()
    said = [quote(5 + n, source) for n, source in enumerate(SOURCES)]
    quotes.offer(said)
    quotes.expire(AT)
    assert quotes.quote("p", "m") == said[0]
    quotes.expire(AT + 1)
    assert quotes.quote("p", "m") == said[SOURCES.index("configuration")]
    quotes.withdraw("p", "configuration")
    assert quotes.quote("p", "m") == said[SOURCES.index("genai-prices")]


def test_a_quote_of_more_than_a_hundred_times_the_others_is_refused():
    others = [quote(100, provider="q"), quote(110, provider="r"), quote(10**9, provider="liar")]
    assert implausible(quote(11_000), others) is None
    assert "101 times" in (implausible(quote(11_101), others) or "")
    quotes = Quotes()
    quotes.offer([*others, quote(20_000, "node"), quote(90)])
    assert quotes.price("p", "m") == quote(90).price
    assert quotes.price("liar", "m") is None


def test_strangers_who_ask_next_to_nothing_make_nobody_else_implausible():
    honest, liars = quote(3_000_000), [quote(1, provider=f"liar{n}") for n in range(3)]
    assert implausible(honest, liars[:1]) is None
    assert implausible(honest, [*liars[:1], quote(2_000_000, provider="q")]) is None
    assert implausible(quote(3_000_000, "configuration"), liars) is None
    table = quote(2_500_000, "genai-prices", "q")
    assert implausible(honest, [*liars, table]) is None
    assert implausible(quote(300_000_000, "node"), [*liars, table]) is not None


def test_a_fee_for_each_request_counts_in_what_is_usual_and_cannot_be_negative():
    def with_fee(msat: int, provider: str = "p") -> Quote:
        price = Price(input_msat_per_million=1, output_msat_per_million=1, request_msat=msat)
        return Quote(provider=provider, model="m", price=price, source="models", at_ms=AT)

    others = [with_fee(10, "q"), with_fee(11, "r")]
    assert implausible(with_fee(900), others) is None
    assert "times what others charge" in (implausible(with_fee(1_200), others) or "")
    assert implausible(with_fee(-1), others) == "it is negative"


def test_what_a_provider_is_said_to_charge_elsewhere_bears_witness_against_its_own_word():
    settings, table = quote(100, "configuration"), quote(100, "genai-prices")
    for witness in (settings, table):
        assert "101 times" in (implausible(quote(10_100, "node"), [witness]) or "")


def test_nobody_bears_witness_for_himself():
    settings, table = quote(10_100, "configuration"), quote(100, "genai-prices")
    assert "101 times" in (implausible(settings, [settings, table]) or "")


@given(st.lists(RATES, max_size=6), RATES)
def test_a_lone_quote_and_one_that_all_agree_on_are_believed(rates, rate):
    assert implausible(quote(rate), []) is None
    assert (
        implausible(quote(rate), [quote(rate, provider=str(n)) for n in range(len(rates))]) is None
    )
    assert implausible(quote(-1), [quote(each, provider="q") for each in rates]) == "it is negative"


def test_the_table_is_asked_last_and_once():
    table = Table(quote(100, "genai-prices"))
    quotes = Quotes(table)
    assert [quotes.price("p", "m") for _ in range(3)] == [quote(100).price] * 3
    assert table.asked == 1
    quotes.offer(configured({("p", "m"): quote(7).price, ("p", "n"): None}, AT))
    assert quotes.price("p", "m") == quote(7).price
    quotes.offer([quote(1, provider="q"), quote(1, provider="r")])
    quotes.withdraw("p", "configuration")
    assert quotes.price("p", "m") == quote(100).price


def test_what_the_table_says_is_judged_as_well():
    quotes = Quotes(Table(quote(0, "genai-prices")))
    quotes.offer([quote(50, provider="q")])
    assert quotes.price("p", "m") is None


def test_the_package_knows_makers_by_name_and_address_and_nobody_else():
    table = GenaiPrices(
        EXCHANGE,
        ManualClock(AT),
        {"work": "https://api.anthropic.com/v1", "lan": "http://10.0.0.2/v1"},
    )
    found = table.quote("openai", "gpt-4o")
    assert found is not None
    assert found.price == Price(
        input_msat_per_million=2_500_000,
        output_msat_per_million=10_000_000,
        cache_read_msat_per_million=1_250_000,
    )
    assert (found.source, found.at_ms, found.note) == ("genai-prices", AT, "")
    tiered = table.quote("work", "claude-sonnet-4-5")
    assert tiered is not None
    assert tiered.price.cache_write_msat_per_million == 3_750_000
    assert tiered.note == "dearer for long inputs"
    assert table.quote("lan", "gpt-4o") is None
    assert table.quote("my-own-node", "gpt-4o") is None
    assert table.quote("openai", "no-such-model") is None
    assert GenaiPrices(None, ManualClock(AT)).quote("openai", "gpt-4o") is None
    assert table.of_maker("gpt-4o").price == table.of_maker("openai/gpt-4o").price == found.price
    assert table.of_maker("somebody/unheard-of") is None


def test_without_the_package_its_prices_are_unknown(monkeypatch):
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    assert GenaiPrices(EXCHANGE, ManualClock(AT)).quote("openai", "gpt-4o") is None
