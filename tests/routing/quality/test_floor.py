"""The quality floor: proof that holds however often one looks."""

from __future__ import annotations

import math
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.routing.quality.floor import (
    Floor,
    Pairs,
    Standing,
    Tally,
    confidence,
    is_sampled,
    judge_pairs,
    judge_tallies,
    stand,
)

FLOOR = Floor()
COUNT = st.integers(0, 400)
PAIRS = st.builds(Pairs, both=COUNT, candidate_only=COUNT, reference_only=COUNT, neither=COUNT)


def is_ever_shown(random: Random, floor: Floor, chances: tuple[float, ...], looks: int) -> bool:
    """Whether a candidate is shown good enough at any of `looks` looks, one after each pair."""
    pairs = Pairs()
    for answer in random.choices(range(4), chances, k=looks):
        pairs = pairs.add(candidate=answer < 2, reference=answer in {0, 2})
        if stand(pairs, floor) is Standing.SHOWN:
            return True
    return False


@pytest.mark.parametrize("quality", [0.5, 0.8, 1.0])
def test_a_candidate_at_the_edge_is_rarely_shown_though_one_looks_after_every_pair(quality):
    # Just at the promise: candidate = 0.9 * reference. alpha of 100 candidates is 10.
    floor = Floor(min_quality=0.9, alpha=0.1)
    candidate = 0.9 * quality
    both = candidate * quality
    chances = (both, candidate - both, quality - both, 1 - candidate - quality + both)
    random = Random(f"edge {quality}")
    wrongly = sum(is_ever_shown(random, floor, chances, 200) for _ in range(100))
    assert wrongly <= 10 + 3 * math.sqrt(100 * 0.1 * 0.9)


def test_an_equal_candidate_is_shown_by_about_as_many_pairs_as_were_announced():
    floor = Floor(min_quality=0.9)
    random = Random(4)
    shown = [is_ever_shown(random, floor, (0.85, 0.02, 0.02, 0.11), 400) for _ in range(20)]
    assert sum(shown) >= 15


@pytest.mark.promise("floor-error-bounded")
def test_the_exact_chance_of_a_wrong_proof_within_thirty_pairs_is_below_alpha():
    """Walk all sequences of pairs by dynamic programming: no luck is involved."""
    floor = Floor(min_quality=0.8, alpha=0.2)
    quality, candidate = 0.9, 0.9 * 0.8
    chances = {(True, True): 0.66, (True, False): candidate - 0.66}
    chances |= {(False, True): quality - 0.66, (False, False): 1 - quality - candidate + 0.66}
    alive, wrongly = {Pairs(): 1.0}, 0.0
    for _ in range(30):
        after: dict[Pairs, float] = {}
        for pairs, chance in alive.items():
            for (good, reference), step in chances.items():
                more = pairs.add(candidate=good, reference=reference)
                after[more] = after.get(more, 0.0) + chance * step
        shown = {each for each in after if stand(each, floor) is Standing.SHOWN}
        wrongly += sum(after[each] for each in shown)
        alive = {each: chance for each, chance in after.items() if each not in shown}
    assert 0 < wrongly <= floor.alpha


@given(PAIRS)
@settings(max_examples=60, deadline=None)
def test_a_better_pair_never_takes_a_proof_away(pairs):
    better = pairs.add(candidate=True, reference=False)
    order = [Standing.REFUTED, Standing.OPEN, Standing.SHOWN]
    before, after = stand(pairs, FLOOR), stand(better, FLOOR)
    if pairs.count > 20:
        assert order.index(after) >= order.index(before) or before is Standing.SHOWN


def test_without_data_it_says_how_much_is_needed():
    judged = judge_pairs(Pairs(), FLOOR)
    assert judged.standing is Standing.OPEN
    assert judged.needed is not None
    assert 100 <= judged.needed <= 400
    assert f"0 requests, about {judged.needed} needed" in judged.reason


def test_as_many_equal_pairs_as_were_announced_are_enough():
    needed = judge_pairs(Pairs(), FLOOR).needed
    assert needed is not None
    good = round(needed * 0.9)
    assert judge_pairs(Pairs(both=good, neither=needed - good), FLOOR).standing is Standing.SHOWN


def test_a_clearly_worse_candidate_is_refuted():
    judged = judge_pairs(Pairs(both=60, reference_only=40), FLOOR)
    assert judged.standing is Standing.REFUTED
    assert judged.needed is None


def test_a_refutation_takes_as_much_as_a_proof():
    for kind in ("candidate_only", "reference_only"):
        found = [stand(Pairs(**{kind: count}), FLOOR) is Standing.OPEN for count in (6, 7)]
        assert found == [True, False], kind


def test_one_that_does_not_look_good_enough_is_not_promised_a_number():
    judged = judge_pairs(Pairs(both=45, reference_only=3), FLOOR)
    assert (judged.standing, judged.needed) == (Standing.OPEN, None)


@given(COUNT, COUNT, st.floats(0.001, 0.5))
def test_bounds_hold_what_was_seen_between_them(good, bad, alpha):
    low, high = confidence(Tally(good=good, bad=bad), alpha)
    assert 0 <= low <= high <= 1
    if good + bad:
        assert low <= good / (good + bad) <= high


def test_bounds_close_in_as_evidence_grows():
    widths = [
        high - low
        for low, high in (confidence(Tally(good=9 * n, bad=n), 0.05) for n in (1, 10, 100, 1000))
    ]
    assert all(wide > narrow for wide, narrow in pairwise(widths))


def test_bounds_that_are_looked_at_after_every_answer_rarely_miss():
    random = Random(9)
    missed = 0
    for _ in range(40):
        tally, outside = Tally(), False
        for _ in range(60):
            is_good = random.random() < 0.8
            tally = Tally(good=tally.good + is_good, bad=tally.bad + (not is_good))
            low, high = confidence(tally, 0.1)
            outside = outside or not low <= 0.8 <= high
        missed += outside
    assert missed <= 4 + 3 * math.sqrt(40 * 0.1 * 0.9)


def test_separate_answers_show_refute_or_say_how_many_are_missing():
    reference = Tally(good=3000, bad=300)
    assert judge_tallies(Tally(good=3200, bad=100), reference, FLOOR).standing is Standing.SHOWN
    assert judge_tallies(Tally(good=50, bad=50), reference, FLOOR).standing is Standing.REFUTED
    little = judge_tallies(Tally(good=9, bad=1), Tally(good=9, bad=1), FLOOR)
    assert little.standing is Standing.OPEN
    assert little.needed is not None
    assert little.needed > 1000


def test_a_few_flawless_answers_show_nothing_beside_a_reference_that_is_well_known():
    known = Tally(good=9000, bad=1000)
    assert judge_tallies(Tally(good=30), known, FLOOR).standing is Standing.OPEN
    assert judge_tallies(known, Tally(good=2, bad=1), FLOOR).standing is Standing.OPEN


def test_a_share_of_requests_is_sampled_and_always_the_same_ones():
    ids = [f"{number:032x}" for number in range(4000)]
    sampled = [each for each in ids if is_sampled(each, 0.1)]
    assert 300 < len(sampled) < 500
    assert sampled == [each for each in ids if is_sampled(each, 0.1)]
    assert not any(is_sampled(each, 0.0) for each in ids)
    assert all(is_sampled(each, 1.0) for each in ids)


@pytest.mark.parametrize(
    "wrong",
    [{"min_quality": 0}, {"min_quality": 1.1}, {"alpha": 0}, {"alpha": 1}, {"check_share": 2}],
)
def test_impossible_floors_are_refused(wrong):
    with pytest.raises(UsageError):
        Floor(**wrong)


def test_separate_answers_share_the_risk_between_both_bounds():
    candidate, reference = Tally(good=193), Tally(good=183, bad=10)
    floor = Floor(min_quality=0.97, alpha=0.05)
    assert judge_tallies(candidate, reference, floor).standing is Standing.OPEN
    twice = Floor(min_quality=0.97, alpha=0.1)  # each bound by itself at the whole risk
    assert judge_tallies(candidate, reference, twice).standing is Standing.SHOWN


def test_the_bound_of_the_reference_holds_with_half_of_the_risk_as_well():
    candidate = Tally(good=45_000, bad=5_000)
    assert judge_tallies(candidate, Tally(good=2_250, bad=250), FLOOR).standing is Standing.OPEN
    assert judge_tallies(candidate, Tally(good=2_376, bad=264), FLOOR).standing is Standing.SHOWN
