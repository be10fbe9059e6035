"""Whether money that is held for a call at one price is enough for a call at another."""

from __future__ import annotations

import pytest

from holdfast.frozen import replace
from holdfast.routing.dispatching.holding import covers, times
from holdfast.routing.seam import Price

PAID = Price(input_msat_per_million=10, output_msat_per_million=20, request_msat=5)


@pytest.mark.parametrize(
    ("dearer", "is_covered"),
    [
        ({}, True),
        ({"input_msat_per_million": 9, "output_msat_per_million": 19, "request_msat": 0}, True),
        ({"input_msat_per_million": 11}, False),
        ({"output_msat_per_million": 21}, False),
        ({"request_msat": 6}, False),
        ({"cache_read_msat_per_million": 11}, False),
        ({"cache_write_msat_per_million": 11}, False),
        ({"reasoning_msat_per_million": 21}, False),
        ({"cache_write_msat_per_million": 10, "reasoning_msat_per_million": 20}, True),
    ],
)
def test_a_call_that_may_cost_more_in_any_way_is_not_covered(
    dearer: dict[str, int], is_covered: bool
) -> None:
    assert covers(PAID, replace(PAID, **dearer)) is is_covered


def test_what_is_held_at_an_unknown_price_covers_all_and_an_unknown_price_is_covered_by_none() -> (
    None
):
    assert covers(None, PAID)
    assert covers(None, None)
    assert not covers(PAID, None)


def test_several_answers_to_one_request_cost_their_tokens_each_and_the_rest_once() -> None:
    assert times(PAID, 3) == replace(PAID, output_msat_per_million=60)
    assert times(PAID, 1) is PAID
    assert times(None, 3) is None
