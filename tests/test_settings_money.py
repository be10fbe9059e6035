"""Prices, caps and budgets in any unit, exact."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.routing.seam import Price
from holdfast.settings import load_settings
from holdfast.settings.rates import Worth, take_rate
from holdfast.settings.reader import Problems, Section
from holdfast.testing.clock import ManualClock
from tests.test_settings import problems, write

RATES = """
[money]
currency = "EUR"
bitcoin = { 2026-01-01 = 50000, 2026-06-01 = 100000 }
bitcoin_in = { USD = { 2026-01-01 = 125000 } }
[providers.p]
base_url = "https://far.example/v1"
[providers.p.models.k]
input_sats_per_1k = 0.000001
output_msats_per_1k = 7
request_msats = 12
[providers.p.models.e]
input_eur_per_million = 2.5
output_usd_per_1k = 0.01
cache_read_eur_per_1m = 0.001
request_usd = 0.002
[routing.policies.thrifty]
most_output_usd_per_million = 10
most_request_eur = 0.01
[routing.budgets]
run_eur = 1
day_usd = 5
total_msats = 3
[routing.quality]
check_day_eur = 0.5
"""
JULY = 1_783_000_000_000


def test_money_may_be_written_in_any_unit_that_its_key_names(tmp_path):
    settings = load_settings(write(tmp_path, RATES), {}, clock=ManualClock(JULY))
    [provider] = settings.providers
    assert provider.models["k"] == Price(
        input_msat_per_million=1, output_msat_per_million=7000, request_msat=12
    )
    assert provider.models["e"] == Price(
        input_msat_per_million=2_500_000,  # 2.5 EUR at 100,000 EUR a bitcoin are 2,500 sat
        output_msat_per_million=8_000_000,
        cache_read_msat_per_million=1000,
        request_msat=1600,
    )
    [policy] = settings.routing.policies
    assert (policy.most_output_msat, policy.most_request_msat) == (8_000_000, 10_000)
    budgets = settings.routing.budgets
    assert (budgets.run_msat, budgets.day_msat, budgets.total_msat) == (1_000_000, 4_000_000, 3)
    assert settings.routing.quality.check_day_msat == 500_000


def test_a_currency_counts_by_the_rate_of_the_day_and_is_rounded_up(tmp_path):
    in_march = ManualClock(1_772_500_000_000)
    price = load_settings(write(tmp_path, RATES), {}, clock=in_march).providers[0].models["e"]
    assert price.input_msat_per_million == 5_000_000
    thirds = RATES.replace("2026-06-01 = 100000", "2026-06-01 = 30000")
    price = load_settings(write(tmp_path, thirds), {}, clock=ManualClock(JULY)).providers[0]
    assert price.models["e"].cache_read_msat_per_million == 3334  # 3333.33...


@pytest.mark.parametrize(
    ("rates", "told"),
    [
        ("input_chf_per_million = 1\noutput_sats_per_1k = 1", "no rate of CHF for today"),
        (
            "input_sats_per_million = 1\ninput_eur_per_1k = 1\noutput_sats_per_1k = 1",
            "says the same",
        ),
        ("input_dollars_per_million = 1\noutput_sats_per_1k = 1", "unknown key"),
        ("input_msats_per_million = 0.5\noutput_sats_per_1k = 1", "no whole number of msat"),
        ("input_sats_per_1k = 0.0000001\noutput_sats_per_1k = 1", "no whole number of msat"),
        ("input_eur_per_million = -1\noutput_sats_per_1k = 1", "not negative"),
        ("input_eur_per_million = 1e12\noutput_sats_per_1k = 1", "beyond all prices"),
        ("input_eur_per_million = 1", "give the prices of input and output"),
        ("request_eur = 1", "give the prices of input and output"),
    ],
)
def test_a_price_whose_unit_is_wrong_says_what_to_write(tmp_path, rates, told):
    text = RATES[: RATES.index("[routing")] + f"[providers.p.models.x]\n{rates}\n"
    assert told in problems(tmp_path, text, clock=ManualClock(JULY))


def test_a_budget_of_something_else_is_told_which_there_are(tmp_path):
    message = problems(tmp_path, "[routing.budgets]\nowners_sats = 5\nteam_usd = 1\n")
    assert (
        "holdfast.toml:2: routing.budgets.owners_sats: there are budgets of a run, owner" in message
    )
    assert "did you mean 'owner_sats'?" in message
    assert "holdfast.toml:3: routing.budgets.team_usd" in message


def test_a_currency_without_any_rate_is_no_price(tmp_path):
    message = problems(tmp_path, "[routing.budgets]\nday_usd = 5\n")
    assert "routing.budgets.day_usd: nobody says what a bitcoin is worth in USD" in message
    assert "[money]" in message


@given(amount=st.decimals(0, 10**6, places=6), per=st.sampled_from(["million", "1k"]))
def test_sats_are_exact_msat_or_refused(amount, per):
    found = Problems()
    key = f"input_sats_per_{per}"
    msat = take_rate(Section(found, "f", "", {key: amount}), "input", Worth(None))
    exact = Fraction(amount) * 1000 * (1000 if per == "1k" else 1)
    assert (msat == exact) if exact.denominator == 1 else bool(found.sentences and msat is None)
