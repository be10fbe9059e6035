"""Lists of models are read in each shape that is about, and a hostile one does no harm."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.routing.prices.models import MOST_BYTES, ListedModel, Listing, parse_models
from holdfast.routing.seam import Price
from holdfast.tracing.billing.money import Exchange

AT = 1_795_694_400_000
EXCHANGE = Exchange("USD", {date(2026, 1, 1): Decimal(100_000)})
OPENROUTER = {
    "data": [
        {
            "id": "maker/good",
            "context_length": 200_000,
            "pricing": {
                "prompt": "0.000003",
                "completion": "0.000015",
                "request": "0",
                "image": "0.0048",
                "input_cache_read": "0.0000003",
                "input_cache_write": "0.00000375",
                "internal_reasoning": "0",
            },
            "top_provider": {"context_length": 200_000, "max_completion_tokens": 64_000},
        },
        {"id": "maker/auto", "pricing": {"prompt": "-1", "completion": "-1"}},
        {"id": "maker/gift", "pricing": {"prompt": "0", "completion": "0"}},
    ]
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["data", "id", "pricing", "sats_pricing", "prompt", "completion", "top_provider"]
            )
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


def parse(document: object) -> Listing:
    return parse_models(json.dumps(document), "p", exchange=EXCHANGE, at_ms=AT)


def test_a_list_of_openrouter_is_in_usd_for_a_token():
    listing = parse(OPENROUTER)
    good, gift = listing.quotes
    assert good.price == Price(
        input_msat_per_million=3_000_000,
        output_msat_per_million=15_000_000,
        cache_read_msat_per_million=300_000,
        cache_write_msat_per_million=3_750_000,
    )
    assert (good.provider, good.model, good.source, good.at_ms) == ("p", "maker/good", "models", AT)
    assert gift.price == Price(input_msat_per_million=0, output_msat_per_million=0)
    assert listing.models[0] == ListedModel(
        id="maker/good", context_tokens=200_000, max_output_tokens=64_000
    )
    assert [each.model for each in listing.refused] == ["maker/auto"]
    assert "the price of prompt: '-1' is negative" in listing.refused[0].reason


def test_a_list_of_routstr_is_in_sats_for_a_token_and_wins_over_usd():
    entry = {
        "id": "m",
        "pricing": {"prompt": 1, "completion": 1},
        "sats_pricing": {"prompt": 0.003, "completion": 0.0151, "request": 1.5, "max_cost": 40.1},
    }
    (quote,) = parse({"data": [entry]}).quotes
    assert quote.price == Price(
        input_msat_per_million=3_000_000, output_msat_per_million=15_100_000, request_msat=1500
    )


def test_a_list_of_names_has_no_prices():
    listing = parse({"object": "list", "data": [{"id": "a"}, {"id": "b"}, {"id": "a"}]})
    assert [model.id for model in listing.models] == ["a", "b"]
    assert (listing.quotes, listing.refused) == ((), ())


def test_usd_without_a_rate_is_refused_and_the_models_are_listed():
    listing = parse_models(json.dumps(OPENROUTER), "p", exchange=None, at_ms=AT)
    assert len(listing.models) == 3
    assert "worth in USD" in listing.refused[0].reason


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (b"", "no JSON"),
        (b"<html>", "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("{}", "no list of models"),
        ('{"data": 5}', "no list of models"),
        (b"1" * 5000, "no JSON"),
        (b" " * (MOST_BYTES + 1), "longer than"),
    ],
    ids=range(8),
)
def test_what_is_no_list_says_so(document, problem):
    assert problem in parse_models(document, "p", exchange=None, at_ms=AT).problem


@given(JSON)
def test_no_document_harms(document):
    listing = parse(document)
    for quote in listing.quotes:
        assert quote.price.input_msat_per_million >= 0
        assert quote.price.output_msat_per_million >= 0
    assert all(model.id.isprintable() and model.id for model in listing.models)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_no_bytes_harm(document):
    parse_models(document, "p", exchange=None, at_ms=AT)


def test_a_giant_list_is_cut_and_odd_names_are_left_out():
    entries = [{"id": f"m{n}"} for n in range(25_000)]
    assert len(parse({"data": entries}).models) == 20_000
    odd = [{"id": "a\x1b[31m"}, {"id": "x" * 300}, {"id": ""}, {"id": 5}, {}, "text", None]
    assert parse({"data": odd}).models == ()
