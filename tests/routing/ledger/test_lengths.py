"""How long answers will be is learned from alike ones, within bounds, also across a restart."""

from __future__ import annotations

import random
from statistics import median

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.routing.ledger.entries import OK, Attempt, RequestEnd
from holdfast.routing.ledger.ledger import Ledger
from holdfast.routing.ledger.lengths import DEFAULT, Lengths, Sample, predict_cost
from holdfast.routing.seam import Price, Usage
from tests.routing.ledger.kit import start

ENOUGH, KEPT = 8, 256

LENGTH = st.integers(0, 100_000)


@given(st.lists(LENGTH, min_size=ENOUGH, max_size=2 * KEPT))
@example([*range(KEPT + 1)])
def test_a_sample_is_the_last_lengths_in_order(lengths):
    learned = Lengths()
    for each in lengths:
        learned.learn("p", "m", "c", each)
    sample = learned.sample("p", "m", "c")
    assert sample == Sample(lengths=tuple(sorted(lengths[-KEPT:])), source="request")


@given(st.lists(LENGTH, min_size=1, max_size=300), st.floats(0, 1))
def test_a_quantile_covers_its_part_of_the_lengths_and_no_smaller_one_does(lengths, part):
    sample = Sample(lengths=tuple(sorted(lengths)), source="request")
    found = sample.quantile(part)
    assert sum(each <= found for each in lengths) >= part * len(lengths) * (1 - 1e-12)
    assert found == min(lengths) or sum(each < found for each in lengths) < part * len(lengths)


def test_what_is_unknown_falls_back_to_the_model_then_to_all_then_to_a_default():
    learned = Lengths()
    assert learned.sample("p", "m", "c") == DEFAULT
    for _ in range(ENOUGH):
        learned.learn("p", "m", "c", 10)
    assert learned.sample("p", "m", "c").source == "request"
    assert learned.sample("p", "m", "other").source == "model"
    assert learned.sample("other", "m2", "c").source == "all"


def test_kinds_that_nobody_asks_for_any_more_are_forgotten():
    learned = Lengths()
    for number in range(10_000):
        learned.learn("p", f"m{number}", "c", number)
    assert len(learned._kinds) <= 2048
    assert learned.sample("p", "m9999", "c").source == "all"


def test_an_answer_that_was_cut_off_counts_as_longer_than_it_was():
    learned = Lengths()
    for _ in range(ENOUGH):
        learned.learn("p", "m", "c", 100, cut_off=True)
    assert learned.sample("p", "m", "c").quantile(0.95) == 200


@pytest.mark.parametrize("seed", range(5))
def test_costs_are_predicted_within_a_quarter_after_two_hundred_requests(seed):
    """Lengths are log-normal (sigma 0.4) about a middle of their own for each class and model."""
    chance = random.Random(seed)
    price = Price(input_msat_per_million=3_000_000, output_msat_per_million=15_000_000)
    middles = {(m, c): chance.uniform(100, 2000) for m in ("a", "b") for c in ("chat", "code")}
    learned, errors = Lengths(), []
    for number in range(1200):
        (model, kind), middle = chance.choice(list(middles.items()))
        sent, length = chance.randrange(100, 2000), round(middle * chance.lognormvariate(0, 0.4))
        told = predict_cost(price, sent, learned.sample("p", model, kind))
        cost = predict_cost(price, sent, Sample(lengths=(length,), source="request"))
        if number >= 200:
            errors.append(abs(told - cost) / cost)
        learned.learn("p", model, kind, length)
    assert median(errors) <= 0.25


@pytest.mark.anyio
async def test_what_was_learned_is_there_when_the_ledger_is_opened_again(tmp_path):
    async with await Ledger.open(tmp_path / "ledger.db") as ledger:
        for tokens in range(ENOUGH + 1):  # an embedding has none
            held = await ledger.reserve(start(policy="p", request_class="c"), 9)
            used = Usage(input_tokens=1, output_tokens=tokens)
            call = Attempt(provider="n", model="m", outcome=OK, charged_msat=1, usage=used)
            told = RequestEnd(outcome=OK, attempts=(call,), model="m", cut_off=tokens == 7)
            await ledger.settle(held, told)
        sample = ledger.lengths.sample("p", "m", "c")
    async with await Ledger.open(tmp_path / "ledger.db") as again:
        assert again.lengths.sample("p", "m", "c") == sample
        assert sample == Sample(lengths=(1, 2, 3, 4, 5, 6, 8, 14), source="request")
