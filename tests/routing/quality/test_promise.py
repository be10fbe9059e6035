"""The promise of the floor, kept through everything that is done with pairs: fading, feedback, choosing."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.routing.quality.choices import ChoicePolicy, Facts, ModelOption
from holdfast.routing.quality.choosing import choose_model
from holdfast.routing.quality.evidence import Contest, Prediction
from holdfast.routing.quality.floor import (
    MOST_PAIRS,
    Floor,
    Pairs,
    Standing,
    _log_money,
    fade,
    stand,
)

COUNTS = st.integers(min_value=0, max_value=3000)
PAIRS = st.builds(Pairs, both=COUNTS, candidate_only=COUNTS, reference_only=COUNTS, neither=COUNTS)
FLOORS = st.builds(
    Floor,
    min_quality=st.sampled_from([0.5, 0.8, 0.9, 0.97, 1.0]),
    alpha=st.sampled_from([0.01, 0.05, 0.2]),
)
OPTIONS = (
    ModelOption(model="tiny", tier="local", cost_msat=1),
    ModelOption(model="huge", tier="frontier", cost_msat=100),
)
STRATEGIES = ("complexity", "learned", "cascade", "auto")


class Counted:
    """The same pairs whatever the comparison, and much that was judged."""

    def __init__(self, pairs: Pairs) -> None:
        self._pairs = pairs

    def predict(self, text: str):
        return {name: Prediction(quality=0.9, evidence=50) for name in ("tiny", "huge")}

    def pairs(self, contest: Contest) -> Pairs:
        return self._pairs


@given(PAIRS, FLOORS, st.sampled_from(STRATEGIES), st.text(max_size=60))
def test_a_cheap_model_serves_only_where_its_bound_is_above_the_floor(pairs, floor, strategy, text):
    policy = ChoicePolicy(strategy=strategy, floor=floor)
    choice = choose_model(Facts(text=text), OPTIONS, Counted(pairs), policy)
    if choice.model == "tiny":
        assert stand(pairs, floor) is Standing.SHOWN
    if stand(pairs, floor) is Standing.SHOWN and strategy in ("learned", "cascade"):
        assert choice.model == "tiny"


@given(PAIRS, FLOORS)
def test_fading_bounds_the_counts_of_what_is_shown_and_never_helps_a_candidate(pairs, floor):
    faded = fade(pairs, floor)
    share = floor.min_quality
    assert _log_money(faded, share, 1) <= _log_money(pairs, share, 1)
    if stand(pairs, floor) is not Standing.SHOWN:
        assert stand(faded, floor) is not Standing.SHOWN
    if pairs.count < MOST_PAIRS:
        assert faded == pairs


@given(PAIRS, st.booleans(), st.booleans())
def test_what_is_taken_out_was_put_in(pairs, candidate, reference):
    put_in = pairs.add(candidate=candidate, reference=reference)
    assert put_in.take_out(candidate=candidate, reference=reference) == pairs
    emptied = Pairs().take_out(candidate=candidate, reference=reference)
    assert emptied == Pairs()


@pytest.mark.parametrize(("alpha", "streams"), [(0.2, 100), (0.05, 150)])
def test_a_model_just_below_the_floor_is_rarely_taken_for_a_good_one(alpha, streams):
    """Whoever looks again and again for 1,200 pairs, is wrong in a share of `alpha` of streams at most."""
    random, floor = Random(7), Floor(min_quality=0.9, alpha=alpha)
    wrong = sum(
        _is_ever_shown(random, floor, quality=0.9 * 0.8, pairs=1200) for _ in range(streams)
    )
    # Three standard deviations above what is promised, were it used up wholly.
    assert wrong <= streams * alpha + 3 * (streams * alpha * (1 - alpha)) ** 0.5


def test_a_model_that_was_shown_and_gets_worse_is_found_out():
    random, floor = Random(3), Floor(min_quality=0.9, alpha=0.05)
    pairs = Pairs()
    for _ in range(20_000):
        pairs = fade(pairs.add(candidate=True, reference=random.random() < 0.95), floor)
    assert stand(pairs, floor) is Standing.SHOWN
    assert pairs.count <= MOST_PAIRS
    later = 0
    while stand(pairs, floor) is Standing.SHOWN:
        pairs = fade(pairs.add(candidate=random.random() < 0.5, reference=True), floor)
        later += 1
    assert later < 400


def _is_ever_shown(random: Random, floor: Floor, *, quality: float, pairs: int) -> bool:
    """Tell whether a candidate of 0.9 of the reference's quality, which is 0.8, is ever shown."""
    found = Pairs()
    for number in range(pairs):
        candidate, reference = random.random() < quality, random.random() < 0.8
        found = fade(found.add(candidate=candidate, reference=reference), floor)
        # Money changes little from pair to pair: looking at every twentieth is nearly looking always.
        if number % 20 == 0 and _log_money(found, floor.min_quality, 1) >= -math.log(floor.alpha):
            return True
    return False
