"""How much may go to a node, and what requests cost that nobody saw the end of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.routing.config import Prepaid
from holdfast.routing.ecash.limits import Standing, amount_of_topup, distribute, overhead_msat

msats = st.integers(0, 300_000)
standings = st.builds(
    Standing,
    balance_msat=msats, transit_msat=msats, taken_msat=msats, charged_msat=msats,
    lost_msat=st.integers(-2_000, 300_000),
)  # fmt: skip
LEAST = 4


@given(standings, st.integers(1, 300), st.integers(1, 300), st.integers(0, 400_000))
def test_a_top_up_covers_what_is_missing_and_never_goes_beyond_the_limit(
    standing, topup, limit, missing
):
    prepaid = Prepaid(topup_sat=topup, limit_sat=limit)
    amount = amount_of_topup(standing, prepaid, missing)
    assert amount == 0 or amount >= LEAST
    if amount:
        assert standing.exposure_msat + amount * 1000 <= limit * 1000
    wanted = max(topup * 1000, missing)
    room = limit * 1000 - standing.exposure_msat
    if room >= wanted + 1000 and wanted >= LEAST * 1000:
        assert wanted <= amount * 1000 < wanted + 1000
    if amount == 0:
        assert min(room, wanted) < LEAST * 1000


@pytest.mark.parametrize(
    ("standing", "msat"),
    [
        (Standing(balance_msat=5_000), 5_000),
        (Standing(balance_msat=5_000, transit_msat=3_000), 8_000),
        (Standing(balance_msat=5_000, taken_msat=900, charged_msat=200), 5_700),
        (Standing(balance_msat=5_000, taken_msat=200, charged_msat=900), 5_000),
        (Standing(balance_msat=5_000, lost_msat=400), 5_400),
        (Standing(balance_msat=5_000, lost_msat=-400), 5_000),
    ],
)
def test_all_that_a_node_could_make_off_with_or_did_counts(standing, msat):
    assert standing.exposure_msat == msat


def test_a_begun_sat_that_a_node_has_counts_whole():
    assert amount_of_topup(Standing(balance_msat=1), Prepaid(topup_sat=10, limit_sat=10)) == 9


@given(st.integers(-500, 5_000), st.lists(st.integers(0, 1_000), max_size=8))
def test_what_was_taken_is_shared_to_the_msat_and_nobody_gets_more_than_was_held(taken, held):
    shares = distribute(taken, [(str(n), each) for n, each in enumerate(held)])
    assert sum(shares.values()) == min(max(0, taken), sum(held))
    assert all(0 <= shares[str(n)] <= each for n, each in enumerate(held))


def test_requests_share_in_proportion_to_what_was_held():
    assert distribute(500, [("a", 100), ("b", 300), ("c", 600)]) == {"a": 50, "b": 150, "c": 300}


def test_a_request_bears_its_share_of_the_fees_rounded_up():
    assert (overhead_msat(0, 0), overhead_msat(2_001, 100), overhead_msat(0, 5)) == (20, 21, 0)
