"""What a provider says it charged is read exactly, or not at all."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from holdfast.routing.prices.charges import HEADER, Charges
from holdfast.testing.clock import ManualClock
from holdfast.tracing.billing.money import Exchange

DOLLAR_MSAT = 1_000_000
CHARGES = Charges(
    ManualClock(1_795_694_400_000), Exchange("USD", {date(2020, 1, 1): Decimal(100_000)})
)


@pytest.mark.parametrize(("dollars", "msat"), [(1, DOLLAR_MSAT), (0.0000012, 2), ("0.000001", 1)])
def test_dollars_are_rounded_up_to_a_msat(dollars: object, msat: int) -> None:
    assert CHARGES.in_usage({"cost": dollars}) == msat
    assert CHARGES.in_usage({"cost": {"total_usd": dollars}}) == msat


@pytest.mark.parametrize("said", [True, -1, 2**53, "7", 7.0])
def test_what_is_no_whole_amount_of_msat_says_nothing(said: object) -> None:
    assert CHARGES.in_usage({"cost": {"total_msats": said}}) is None


@pytest.mark.parametrize("said", ["", "-1", "1.0", "\u0663", str(2**53), "1" * 5000])
def test_a_header_that_is_no_amount_says_nothing(said: str) -> None:
    assert CHARGES.in_headers({HEADER: said}) is None


def test_the_largest_amount_is_read_from_both() -> None:
    most = 2**53 - 1
    assert CHARGES.in_usage({"cost": {"total_msats": most}}) == most
    assert CHARGES.in_headers({HEADER: str(most)}) == most
