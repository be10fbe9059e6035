"""What is learned from judged answers, and what is predicted from it."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.routing.quality.choosing import ChoicePolicy, Facts, ModelOption, choose_model
from holdfast.routing.quality.embedding import HashedWords
from holdfast.routing.quality.evidence import Contest, Outcome
from holdfast.routing.quality.floor import Pairs
from holdfast.routing.quality.learning import Learned
from holdfast.routing.quality.neighbours import Neighbours
from holdfast.routing.quality.similarity import NumberIndex, WordIndex

SUMS = "Add the numbers {} and {} and give the total"
POEMS = "Write a verse about the {} of the {} sea in autumn"
CONTEST = Contest(candidate="small", reference="large", segment="learned")
VECTOR = st.dictionaries(st.integers(0, 12), st.floats(0.5, 3), min_size=1)


def made(**settings) -> Neighbours:
    return Neighbours(random=Random(1), **settings)


def taught(count: int = 60, **settings) -> Neighbours:
    """Return what has seen a small model that can do sums and no poems, and a large that can all."""
    known = made(**settings)
    for number in range(count):
        for text, can in ((SUMS, True), (POEMS, False)):
            said = text.format(number, number + 1)
            known.learn(Outcome(text=said, model="small", good=can, cost_msat=10, at=number))
            known.learn(Outcome(text=said, model="large", good=True, at=number))
    return known


def test_a_model_is_predicted_by_how_it_did_on_requests_of_the_kind():
    known = taught()
    sums, poems = known.predict(SUMS.format(901, 77)), known.predict(POEMS.format("wind", "north"))
    assert sums["small"].quality > 0.9
    assert poems["small"].quality < 0.1
    assert sums["large"].quality > 0.9
    assert (sums["small"].evidence, sums["small"].cost_msat) == (40, 10)
    assert sums["large"].cost_msat is None


def test_nothing_is_predicted_before_anything_is_learned():
    assert made().predict("anything") == {}
    assert taught().predict("qqq zzz") == {}


def test_more_answers_on_the_same_text_add_to_the_evidence():
    known = made()
    for good in (True, True, False):
        known.learn(Outcome(text="the same text", model="small", good=good))
    assert len(known) == 1
    assert known.predict("the same text")["small"].evidence == 3
    assert known.predict("the same text")["small"].quality == pytest.approx(2 / 3)


def test_memory_is_bounded_and_every_text_has_the_same_chance_to_stay():
    kept_early = 0
    for seed in range(60):
        known = Neighbours(random=Random(seed), capacity=10)
        for number in range(40):
            known.learn(Outcome(text=f"text {number} alone", model="m", good=True, at=number))
        assert len(known) == 10
        kept_early += known.forget(before=20)
    assert abs(kept_early / 600 - 0.5) < 0.1


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("xy"), st.booleans())))
def test_a_prediction_is_a_probability_after_any_answers(answers):
    known = made(capacity=3)
    for text, model, good in answers:
        known.learn(Outcome(text=f"{text} text", model=model, good=good))
    for found in known.predict("a text").values():
        assert 0 <= found.quality <= 1
        assert found.evidence >= 1


def test_old_texts_can_be_forgotten():
    known = taught(20)
    assert known.forget(before=15) == 30
    assert len(known) == 10
    assert known.predict(SUMS.format(1, 2))["small"].evidence <= 10


def test_room_for_nothing_is_refused():
    with pytest.raises(UsageError):
        made(capacity=0)


class TwoNumbers:
    """An embedder of the kind that a trained model is: sums lie one way, all else the other."""

    def embed(self, texts):
        return [[1.0, 0.1] if "numbers" in text else [0.1, 1.0] for text in texts]


def test_an_embedder_of_ones_own_takes_the_place_of_the_words():
    known = taught(embedder=TwoNumbers(), nearest=20)
    assert known.predict("numbers of any kind")["small"].quality > 0.9
    assert known.predict("something else")["small"].quality < 0.1


@given(st.text())
def test_words_are_counted_the_same_every_time_and_never_below_one(text):
    first, second = HashedWords().embed([text, text])
    assert first == second
    assert all(weight >= 1 for weight in first.values())


def test_a_giant_text_keeps_a_bounded_vector():
    [vector] = HashedWords(most_features=50).embed([" ".join(map(str, range(100_000)))])
    assert len(vector) <= 50


@given(st.lists(VECTOR, min_size=1, max_size=8), VECTOR, st.data())
def test_the_index_of_words_ranks_as_plain_cosine_does(vectors, asked, data):
    index = WordIndex()
    for slot, vector in enumerate(vectors):
        index.add(slot, vector)
    gone = data.draw(st.sets(st.sampled_from(range(len(vectors)))))
    for slot in gone:
        index.remove(slot)
    for slot in gone:
        index.add(slot, vectors[slot])
    ranked = index.rank(asked)
    assert all(similarity > 0 for similarity, _ in ranked)
    assert {slot for _, slot in ranked} == {
        slot for slot, vector in enumerate(vectors) if vector.keys() & asked.keys()
    }


def test_one_rare_feature_weighs_more_than_two_that_many_have():
    index = WordIndex()
    for slot in range(40):
        index.add(slot, {1: 1.0, 2: 1.0, 100 + slot: 1.0})
    for slot in range(40, 80):
        index.add(slot, {100 + slot: 1.0, 200 + slot: 1.0, 300 + slot: 1.0})
    assert index.rank({1: 1.0, 2: 1.0, 150: 1.0})[0][1] == 50


def test_the_index_of_numbers_is_cosine():
    index = NumberIndex()
    index.add(0, [1.0, 0.0])
    index.add(1, [1.0, 1.0])
    index.add(2, [0.0, 0.0])
    assert index.rank([2.0, 0.0]) == [
        (pytest.approx(1.0), 0),
        (pytest.approx(math.sqrt(0.5)), 1),
        (0.0, 2),
    ]


def test_what_was_learned_decides_the_choice():
    learned = Learned(taught())
    learned.counted = {CONTEST: Pairs(both=300)}
    options = [
        ModelOption(model="small", cost_msat=10),
        ModelOption(model="large", tier="frontier", cost_msat=1000),
    ]
    policy = ChoicePolicy(strategy="learned")
    assert choose_model(Facts(text=SUMS.format(901, 77)), options, learned, policy).model == "small"
    poem = choose_model(Facts(text=POEMS.format("foam", "black")), options, learned, policy)
    assert poem.model == "large"
    learned.counted = {}
    assert choose_model(Facts(text=SUMS.format(901, 77)), options, learned, policy).model == "large"
