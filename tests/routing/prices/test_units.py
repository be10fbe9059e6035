"""Prices in any unit come out as msat for a million tokens, exactly, and nonsense is refused."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.routing.prices.units import PER, Unit, read_amount, to_msat
from holdfast.tracing.billing.money import Exchange

AT = 1_795_694_400_000
EXCHANGE = Exchange("USD", {date(2026, 1, 1): Decimal(100_000), date(2026, 12, 1): Decimal(50_000)})


@pytest.mark.parametrize(
    ("amount", "unit", "msat"),
    [
        ("2.5", Unit(money="USD"), 2_500_000),
        ("0.0000025", Unit(money="USD", per="token"), 2_500_000),
        (0.0025, Unit(money="USD", per="1k"), 2_500_000),
        (3, Unit(money="sat"), 3000),
        (3, Unit(money="sat", per="1k"), 3_000_000),
        (3, Unit(money="msat"), 3),
        ("0.01", Unit(money="USD", per="request"), 10_000),
        ("1e-12", Unit(money="sat"), 1),
        (0, Unit(money="sat"), 0),
    ],
)
def test_an_amount_of_any_unit_comes_out_in_msat(amount, unit, msat):
    assert to_msat(read_amount(amount), unit, exchange=EXCHANGE, at_ms=AT) == msat


def test_a_currency_is_worth_what_it_was_on_the_day():
    later = AT + 10 * 86_400_000
    unit = Unit(money="USD")
    assert to_msat(Fraction(1), unit, exchange=EXCHANGE, at_ms=later) == 2_000_000


@given(
    st.decimals(0, 10**6, places=9), st.sampled_from(sorted(PER)), st.sampled_from(["sat", "msat"])
)
def test_what_is_not_whole_is_rounded_up(amount, per, money):
    told = to_msat(read_amount(amount), Unit(money=money, per=per), exchange=None, at_ms=AT)
    factor = 1 if per == "request" else Fraction(1_000_000, PER[per])
    exact = Fraction(amount) * factor * (1000 if money == "sat" else 1)
    assert exact <= told < exact + 1


@given(
    st.one_of(
        st.text(max_size=100),
        st.floats(),
        st.integers(),
        st.none(),
        st.booleans(),
        st.lists(st.integers()),
        st.sampled_from(["1e999999999", "1e-999999999", "NaN", "-0.1", "Infinity", "9" * 10_000]),
    )
)
def test_whatever_is_given_is_an_amount_or_refused_with_a_reason(value):
    reason = ""
    try:
        assert 0 <= read_amount(value) < 10**16
    except ValueError as error:
        reason = str(error)
    assert len(reason) < 200


@pytest.mark.parametrize(
    ("unit", "exchange", "reason"),
    [
        (Unit(money="EUR"), EXCHANGE, "worth in EUR"),
        (Unit(money="USD"), None, "worth in USD"),
        (Unit(money="sat", per="page"), None, "not 'page'"),
        (Unit(money="sat", per="token"), None, "beyond all prices"),
    ],
)
def test_what_cannot_be_converted_says_why(unit, exchange, reason):
    with pytest.raises(ValueError, match=reason):
        to_msat(Fraction(10**9), unit, exchange=exchange, at_ms=AT)
