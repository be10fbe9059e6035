"""A provider that charges more than it quoted is noticed, and distrusted until it is reset."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.routing.prices.audit import Conduct, is_overcharge, observe, reset

LIMIT, ROUNDING_MSAT = 5, 1000

QUOTED = st.integers(0, 10**9)


def seen(*charges: tuple[int, int]) -> Conduct:
    conduct = Conduct()
    for quoted, charged in charges:
        conduct = observe(conduct, quoted, charged)
    return conduct


@given(QUOTED, st.integers(0, 10**7))
def test_one_per_cent_beyond_rounding_is_no_overcharge_and_more_is(quoted, beyond):
    limit = quoted + quoted // 100 + ROUNDING_MSAT
    assert not is_overcharge(quoted, limit)
    assert is_overcharge(quoted, limit + 1 + beyond)


def test_a_whole_sat_is_rounding_and_more_is_not():
    assert not is_overcharge(0, 1000)
    assert is_overcharge(0, 1001)


@given(st.lists(st.tuples(QUOTED, st.integers(0, ROUNDING_MSAT)), max_size=60))
def test_an_honest_provider_is_never_distrusted(charges):
    conduct = seen(*((quoted, quoted + rounding) for quoted, rounding in charges))
    assert conduct == Conduct(recent=(False,) * min(len(charges), 20))


@given(st.lists(st.booleans(), max_size=80))
def test_distrust_begins_with_the_fifth_overcharge_of_the_last_twenty(overcharges):
    conduct, window = Conduct(), []
    for too_high in overcharges:
        window = [*window, too_high][-20:]
        before = conduct.distrust
        conduct = observe(conduct, 10_000, 20_000 if too_high else 10_000)
        assert bool(conduct.distrust) == (bool(before) or sum(window) >= 5)
        assert list(conduct.recent) == window


@pytest.mark.parametrize(("between", "is_distrusted"), [(15, True), (16, False)])
def test_an_overcharge_is_forgotten_after_twenty_charges(between, is_distrusted):
    fair, dear = (10_000, 10_000), (10_000, 20_000)
    conduct = seen(dear, *[fair] * between, *[dear] * 4)
    assert bool(conduct.distrust) is is_distrusted


def test_fair_charges_alone_win_no_trust_back():
    conduct = seen(*[(10_000, 20_000)] * LIMIT, *[(10_000, 10_000)] * 40)
    assert conduct.distrust
    assert not any(conduct.recent)


def test_the_reason_says_what_was_charged_and_a_reset_gives_another_chance():
    conduct = seen(*[(10_000, 20_000)] * LIMIT)
    assert conduct.distrust == (
        "it charged more than it quoted in 5 of its last 5 charges, lately 20 sat for 10 sat"
    )
    again = reset(conduct)
    assert again == Conduct()
    assert observe(again, 10_000, 20_000).distrust == ""
