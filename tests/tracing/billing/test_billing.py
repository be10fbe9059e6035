"""Tokens are taken apart by the rule of their provider, and a bill adds up to the invoice."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter

from holdfast.errors import SettingsError
from holdfast.tracing.billing.bills import bill_of, calls_of, disagreements
from holdfast.tracing.billing.money import Exchange
from holdfast.tracing.billing.prices import MEMBERS, ModelPrice, PriceTable
from holdfast.tracing.billing.usage import split, usage_of
from holdfast.tracing.dialects import meaning_of
from holdfast.tracing.meaning import TokenUsage
from holdfast.tracing.span import Span

SHAPES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("shapes.json").read_text())
DAY_NS = 86_400_000_000_000
AT = 20_000 * DAY_NS


def test_there_are_forty_shapes_of_eight_providers_at_least() -> None:
    assert len(SHAPES) >= 40
    assert len({shape["provider"] for shape in SHAPES}) >= 8


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s['provider']}: {s['source']}")
@pytest.mark.promise("tokens-counted-once")
def test_a_recorded_usage_is_read_and_priced_as_its_provider_does(shape: dict[str, Any]) -> None:
    usage = usage_of(shape["raw"])
    told = {name: value for name in MEMBERS if (value := getattr(usage, name)) is not None}
    assert told == shape["expected"]
    price = ModelPrice(
        currency="USD",
        per_million={name: Fraction(rate) for name, rate in shape["price"].items()},
    )
    assert price.price(usage) == Fraction(shape["cost"])


OWN = ("openai ", "anthropic ", "langchain-core ", "botocore ")
"""The packages at hand here; `checked` names the type or the page that showed each of the others."""


@pytest.mark.parametrize(
    "shape",
    [shape for shape in SHAPES if shape["checked"].startswith(OWN)],
    ids=lambda s: f"{s['provider']}: {s['source']}",
)
def test_a_recorded_usage_is_one_by_the_official_type_of_its_provider(
    shape: dict[str, Any],
) -> None:
    where, _, name = shape["checked"].rpartition(": ")[2].rpartition(".")
    raw = shape["raw"]
    if where == "bedrock-runtime":
        members = ServiceModel(Loader().load_service_model(where, "service-2")).shape_for(name)
        assert not ParamValidator().validate(raw, members).has_errors()
        assert raw.keys() <= members.members.keys()
        return
    official = getattr(import_module(where), name)
    usage = TypeAdapter(official).validate_python(raw)  # a dictionary loses what its type lacks
    assert (usage.model_dump(exclude_unset=True) if isinstance(usage, BaseModel) else usage) == raw
    assert not unknown(usage)


def unknown(value: object) -> list[str]:
    """Return the members of a usage, at any depth, that its official type does not name."""
    if not isinstance(value, BaseModel):
        return []
    return [*(value.model_extra or ()), *chain.from_iterable(unknown(each) for _, each in value)]


@pytest.mark.parametrize("holder", ["usage", "usageMetadata"])
def test_a_whole_reply_will_do(holder: str) -> None:
    assert usage_of({holder: {"prompt_tokens": 3, "completion_tokens": 4}}).input == 3


counts = st.none() | st.integers(0, 10**6)


@given(counts, counts, counts, counts, counts, counts, st.booleans(), st.booleans(), counts)
def test_no_part_is_negative_and_nothing_is_in_two_parts(  # noqa: PLR0917
    inward: int | None, outward: int | None, read: int | None, written: int | None,
    reasoning: int | None, audio: int | None, holds: bool, holds_reasoning: bool, total: int | None,
) -> None:  # fmt: skip
    usage = split(
        inward=inward, outward=outward, cache_read=read, cache_write=written, reasoning=reasoning,
        audio_input=audio, input_holds_cache=holds, output_holds_reasoning=holds_reasoning,
        total=total,
    )  # fmt: skip
    assert all((getattr(usage, name) or 0) >= 0 for name in MEMBERS)
    inside = (read or 0) + (written or 0) + (audio or 0)
    if inward is not None and holds and inside <= inward:
        assert usage.total_input == inward
    if outward is not None and holds_reasoning and (reasoning or 0) <= outward and total is None:
        assert usage.total_output == outward


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["prompt_tokens", "usage", "input_tokens", "promptTokenCount", "eval_count",
                         "billed_units", "cache_creation", "promptTokensDetails", "inputTokens"]),
        inner, max_size=4),
    max_leaves=10,
))  # fmt: skip
def test_no_report_does_harm(raw: Any) -> None:
    if isinstance(raw, dict):
        usage = usage_of(raw)
        assert all((getattr(usage, name) or 0) >= 0 for name in MEMBERS)


def price(**rates: float) -> dict[str, object]:
    return {"currency": "USD", "input": 1, "output": 2, **rates}


def test_an_unknown_price_is_unknown_and_never_zero() -> None:
    known = PriceTable.read({"m": price()}).price_of("p", "m", AT)
    assert known is not None
    assert known.price(TokenUsage(input=1, output=1)) == Fraction(3, 1_000_000)
    assert known.price(TokenUsage()) is None
    assert known.price(TokenUsage(input=1, output=1, cache_read=5)) is None
    assert known.price(TokenUsage(input=1, output=1, cache_read=0)) is not None
    assert PriceTable.read({}).price_of("p", "m", AT) is None


def test_a_price_counts_from_its_day_and_a_provider_s_own_before_that_of_all() -> None:
    table = PriceTable.read(
        {
            "m": [price(since="2020-01-01"), {**price(), "input": 7, "since": "2024-10-04"}],
            "own/m": {**price(), "input": 9},
        }
    )

    def rate(provider: str, at: int) -> object:
        found = table.price_of(provider, "m", at)
        return found and found.rate("input")

    assert rate("p", AT) == 7  # 2024-10-04 is day 20,000
    assert rate("p", AT - DAY_NS) == 1
    assert rate("p", 10_000 * DAY_NS) is None
    assert rate("own", AT) == 9


def test_all_mistakes_in_prices_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as told:
        PriceTable.read(
            {
                "a": 3, "b": {"input": 1}, "c": price(reasonin=3), "d": {**price(), "since": "soon"},
                "e": {**price(), "input": "much"}, "f": {**price(), "input": -1},
                "g": {**price(), "currency": 5}, "h": {**price(), "input": Decimal("1e-999999999")},
                "i": {**price(), "request": "1e999999999"},
            }
        )  # fmt: skip
    for said in (
        "prices.a: must be a table", "prices.b: input and output must be given",
        "prices.c: unknown 'reasonin'", "prices.d: since must be a day", "prices.e: input must be",
        "prices.f: input must be a sensible", "prices.g: currency must be",
        "prices.h: input must be a sensible", "prices.i: request must be a sensible",
    ):  # fmt: skip
        assert said in told.value.message


def test_sats_and_a_currency_stand_side_by_side_by_the_rate_of_the_day() -> None:
    exchange = Exchange(
        "USD", {date(2024, 10, 4): Decimal(100_000), date(2024, 10, 6): Decimal(50_000)}
    )
    one_dollar = exchange.both(Fraction(1), "USD", AT)
    assert (one_dollar.msat, one_dollar.micros) == (1_000_000, 1_000_000)
    thousand_sat = exchange.both(Fraction(1000), "sat", AT + 2 * DAY_NS)
    assert (thousand_sat.msat, thousand_sat.micros) == (1_000_000, 500_000)
    before = exchange.both(Fraction(1), "USD", AT - DAY_NS)
    assert (before.msat, before.micros) == (None, 1_000_000)
    assert exchange.both(Fraction(1), "EUR", AT).msat is None


def test_an_amount_in_another_currency_goes_through_what_a_bitcoin_is_worth_in_it() -> None:
    day = date(2024, 10, 4)
    exchange = Exchange("EUR", {day: Decimal(90_000)}, {"USD": {day: Decimal(100_000)}})
    one_dollar = exchange.both(Fraction(1), "USD", AT)
    assert (one_dollar.msat, one_dollar.micros) == (1_000_000, 900_000)
    before = exchange.both(Fraction(1), "USD", AT - DAY_NS)
    assert (before.msat, before.micros) == (None, None)
    assert exchange.both(Fraction(1), "GBP", AT).micros is None


@given(st.integers(0, 10**12), st.integers(1, 10**9))
def test_an_amount_is_never_rounded_down(msat: int, rate: int) -> None:
    exchange = Exchange("USD", {date(2000, 1, 1): Decimal(rate)})
    found = exchange.both(Fraction(msat, 1000), "sat", AT)
    assert found.msat == msat
    assert found.micros is not None
    assert Fraction(found.micros, 1_000_000) >= Fraction(msat * rate, 100_000_000_000)


def model(number: int, **attributes: Any) -> Span:
    return Span(
        trace_id="a" * 32, span_id=f"{number:016x}", parent_id=None, name="m", kind="model",
        start_ns=AT, duration_ns=1, attributes={"provider": "p", "model": "m", **attributes},
    )  # fmt: skip


@pytest.mark.parametrize("searches", [18, 0])
@pytest.mark.parametrize(
    "attributes",
    [
        lambda number: {"beyond_tokens": True} if number else {},
        lambda number: {"gen_ai.usage.details.num_search_queries": number},
        lambda number: {"gen_ai.usage.details.citation_tokens": number},
        lambda number: {"response_data": {"usage": {"num_search_queries": number}}, "logfire.x": 1},
        lambda number: {"langfuse.observation.usage_details": f'{{"citation_tokens": {number}}}'},
    ],
)
def test_what_searched_costs_what_it_is_told_to_and_not_its_tokens_alone(
    attributes: Callable[[int], dict[str, Any]], searches: int
) -> None:
    spans = [
        model(1, input_tokens=100, output_tokens=10, cost_msat=700, **attributes(searches)),
        model(2, input_tokens=100, output_tokens=10, **attributes(searches)),
    ]
    book = PriceTable.read({"p/m": {"currency": "sat", "input": 1000, "output": 2000}})
    calls = calls_of(spans, [meaning_of(span) for span in spans], book=book)
    bill = bill_of(calls)
    assert [call.msat for call in calls] == [700, None if searches else 120]
    assert (bill.msat, bill.unknown) == ((700, 1) if searches else (820, 0))
    assert disagreements(calls) == ([] if searches else [calls[0]])


def test_a_bill_adds_leaves_up_and_keeps_what_is_unknown_apart() -> None:
    agent = Span(
        trace_id="a" * 32, span_id="f" * 16, parent_id=None, name="agent", kind="internal",
        start_ns=AT, duration_ns=1,
        attributes={"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 300},
    )  # fmt: skip
    spans = [
        agent,
        model(1, input_tokens=100, output_tokens=10, cost_msat=700),
        model(2, input_tokens=200, output_tokens=20),
        model(3, input_tokens=1),
    ]
    book = PriceTable.read({"p/m": {"currency": "sat", "input": 1000, "output": 2000}})
    calls = calls_of(spans, [meaning_of(span) for span in spans], book=book)
    bill = bill_of(calls)
    assert [call.msat for call in calls] == [700, 240, 1]
    assert (bill.msat, bill.unknown, bill.usage.input) == (941, 0, 301)
    assert disagreements(calls) == [calls[0]]
    unpriced = bill_of(calls_of(spans, [meaning_of(span) for span in spans]))
    assert (unpriced.msat, unpriced.unknown) == (700, 2)
