"""The five signals of a request, their mean, and the tier it asks for."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.routing.quality.complexity import (
    ComplexityRules,
    Signals,
    measure_complexity,
    tier_of,
)

RULES = ComplexityRules()
ONLY = {
    name: Signals(**{other: float(other == name) for other in Signals.__slots__})
    for name in Signals.__slots__
}


def only(signal: str, text: str, messages: int = 1, *keywords: str) -> float:
    rules = ComplexityRules(weights=ONLY[signal], extra_keywords=keywords)
    return measure_complexity(text, messages, rules).score


@given(st.text(max_size=400), st.integers(0, 10**6), st.lists(st.floats(0, 50), min_size=5))
def test_a_score_lies_between_nought_and_one_and_names_its_tier(text, messages, weights):
    rules = ComplexityRules(weights=Signals(**dict(zip(Signals.__slots__, weights, strict=False))))
    found = measure_complexity(text, messages, rules)
    assert 0 <= found.score <= 1
    assert found.tier == tier_of(found.score, rules)


@pytest.mark.parametrize(("text", "messages"), [("", 1), ("too short", 1), ("long enough text", 0)])
def test_what_says_too_little_counts_as_hard(text, messages):
    found = measure_complexity(text, messages, RULES)
    assert (found.score, found.tier, found.signals) == (1.0, "frontier", None)


def test_length_is_a_sigmoid_over_a_quarter_of_the_characters():
    assert only("context_length", "x" * 4000) == 0.5
    assert only("context_length", "x" * 8000) == pytest.approx(1 / (1 + math.exp(-3)))


def test_depth_is_a_sigmoid_over_the_messages():
    assert only("conversation_depth", "x" * 40, 6) == 0.5
    assert only("conversation_depth", "x" * 40, 8) == pytest.approx(1 / (1 + math.exp(-1)))


@pytest.mark.parametrize(
    ("text", "third"),
    [
        ("nothing of the kind", 0),
        ("```python\nx\n``` and more", 1),
        ("a fence that is left open: ``` of code", 0),
        ("```a``` ```b``` ```c``` ```d```", 3),
    ],
)
def test_fenced_blocks_are_counted_up_to_three(text, third):
    assert only("code_blocks", text) == pytest.approx(third / 3)


@pytest.mark.parametrize(
    ("text", "third"),
    [
        ("no file is named here.", 0),
        ("the ending .py alone, twice: .py", 1),
        ("look at src/main.rs please", 2),  # the path and the ending
        ("src/main.rs and src/main.rs and lib/a.py", 3),
    ],
)
def test_different_files_and_endings_are_counted_up_to_three(text, third):
    assert only("multi_file", text) == pytest.approx(third / 3)


def test_a_giant_text_of_slashes_is_measured_at_once():
    assert measure_complexity("a/" * 200_000 + "a/./" * 50_000, 1, RULES).signals is not None


def test_words_of_reasoning_are_found_in_any_case_and_can_be_added():
    assert only("reasoning_keywords", "Compare these and REFACTOR") == pytest.approx(2 / 3)
    assert only("reasoning_keywords", "please frobnicate it", 1, "Frobnicate") == pytest.approx(
        1 / 3
    )


def test_three_words_of_reasoning_are_enough():
    three = "compare, refactor and debug"
    assert (
        only("reasoning_keywords", three) == only("reasoning_keywords", f"{three}, evaluate") == 1
    )


def test_one_strong_signal_alone_stays_in_the_lowest_tier():
    assert measure_complexity("```a``` " * 5, 1, RULES).tier == "local"


@pytest.mark.parametrize(
    ("score", "tier"),
    [(0.39, "local"), (0.4, "standard"), (0.7, "standard"), (0.71, "frontier")],
)
def test_both_thresholds_belong_to_the_middle_tier(score, tier):
    assert tier_of(score, RULES) == tier


def test_weights_of_nought_ask_for_the_strongest():
    rules = ComplexityRules(weights=Signals(**dict.fromkeys(Signals.__slots__, 0.0)))
    assert measure_complexity("a text that is long enough", 1, rules).tier == "frontier"


@pytest.mark.parametrize(
    "wrong",
    [{"low": 0.8}, {"high": 1.2}, {"weights": Signals(code_blocks=-1)}, {"low": math.nan}],
)
def test_impossible_rules_are_refused(wrong):
    with pytest.raises(UsageError):
        ComplexityRules(**wrong)
