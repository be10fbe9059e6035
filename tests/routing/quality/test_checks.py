"""Cheap answers that are checked, and dear ones where the check fails."""

from __future__ import annotations

import asyncio
import json
import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import ModelOutputError, StorageCorrupt, UsageError
from holdfast.routing.quality.checks import (
    all_of,
    check_arithmetic,
    check_not_empty,
    equations,
    evaluate,
    fits,
    plain_check,
)
from holdfast.routing.quality.scoring import FEATURES, describe, learn_scorer, load_scorer
from holdfast.routing.seam import OutputContract

IS_SHORT = plain_check(lambda _, answer: len(answer) < 6, "short")


def verdict(check, answer: str, prompt: str = "the request"):
    return asyncio.run(check(prompt, answer))


def test_a_contract_is_a_check():
    def parse(text: str) -> object:
        if json.loads(text) != {"a": 1}:
            raise ModelOutputError("a is missing")
        return text

    check = fits(OutputContract(name="thing", schema={}, parse=parse))
    assert verdict(check, 'here:\n```json\n{"a": 1}\n```').passed
    assert verdict(check, "{}").why == "does not fit 'thing': a is missing"
    assert not verdict(check, "[]").passed


def test_all_of_several_checks_must_pass_and_the_first_failure_speaks():
    check = all_of(check_not_empty, IS_SHORT)
    assert verdict(check, "yes").passed
    assert verdict(check, " \n…").why == "the answer is empty"
    assert verdict(check, "long answer").why == "short: no"


@pytest.mark.parametrize(
    ("answer", "passed"),
    [
        ("9 * $2 = $<<9*2=18>>18", True),
        ("so 16 - 3 - 4 = 9 eggs", True),
        ("so 16 - 3 - 4 = 8 eggs", False),
        ("1,000 + 500 = 1,500", True),
        ("200 / 3 = 66.67", True),
        ("x = 3 and n/0 = 1, 5 / 0 = 7", True),
        ("(2 + 3) * 4 = 21", False),
        ("2 \u00d7 3 = 6 and 8 \u00f7 2 = 5", False),
        ("no sums here", True),
    ],
)
def test_sums_in_an_answer_must_be_right(answer, passed):
    assert verdict(check_arithmetic, answer).passed is passed


@given(st.integers(0, 999), st.integers(1, 999), st.sampled_from("+-*/"))
def test_what_is_evaluated_is_what_python_says(a, b, sign):
    expected = {"+": a + b, "-": a - b, "*": a * b, "/": a / b}[sign]
    assert evaluate(f"{a} {sign} {b}") == pytest.approx(expected)


@given(st.text("0123456789+-*/().=, $\u00d7\u00f7\n", max_size=300))
def test_any_heap_of_signs_is_read_without_an_error(text):
    list(equations(text))
    assert len(describe(text, text)) == len(FEATURES)


@given(st.text(), st.text())
def test_there_are_ten_features_of_any_answer_and_all_are_finite(prompt, answer):
    features = describe(prompt, answer)
    assert len(features) == len(FEATURES) == 10
    assert all(abs(value) < 1e6 for value in features)


def test_the_features_say_what_their_names_say():
    answer = "Sorry, 4 + 5 = 9\n3 + 3 = 7\n3 + 3 = 7\nso 7"
    found = dict(zip(FEATURES, describe("What of 4 and 8?", answer), strict=True))
    assert found == {
        "answer length": pytest.approx(math.log1p(len(answer))),
        "prompt length": pytest.approx(math.log1p(16)),
        "answer ends like a finished one": 0.0,
        "numbers in the answer": pytest.approx(math.log1p(10)),
        "equations in the answer": pytest.approx(math.log1p(3)),
        "share of equations that are wrong": pytest.approx(2 / 3),
        "the last number was a result before": 1.0,
        "numbers of the prompt that the answer uses": 0.5,
        "words of doubt": pytest.approx(math.log1p(1)),
        "repeated lines": 0.25,
    }


def test_code_is_never_run_by_the_check_of_sums():
    assert evaluate("__import__('os').getpid() + 1") is None
    assert evaluate("9**9**9") is None
    assert evaluate("(" * 200) is None


def labelled(count: int, seed: int):
    """Return features and labels: answers are good if they are finished and their sums right."""
    random = Random(seed)
    for _ in range(count):
        a, b, is_right, is_whole = (
            random.randrange(99),
            random.randrange(99),
            random.random() < 0.7,
            random.random() < 0.8,
        )
        answer = f"We add {a} + {b} = {a + b + (not is_right) * 7}"
        answer += f"\n#### {a + b}" if is_whole else " and th"
        yield describe(f"What is {a} and {b}?", answer), is_right and is_whole


def test_a_scorer_learns_what_good_answers_look_like():
    scorer = learn_scorer(list(labelled(200, 1)))
    fresh = list(labelled(200, 2))
    right = sum((scorer.score(features) > 0.5) == good for features, good in fresh)
    assert right >= 190


def test_a_scorer_is_a_check_with_a_threshold():
    scorer = learn_scorer(list(labelled(200, 1)))
    prompt = "What is 4 and 5?"
    assert verdict(scorer.check(0.5), "We add 4 + 5 = 9\n#### 9", prompt).passed
    failed = verdict(scorer.check(0.5), "We add 4 + 5 = 16 and th", prompt)
    assert not failed.passed
    assert "< 0.5" in failed.why


def test_a_scorer_comes_back_from_its_bytes():
    scorer = learn_scorer(list(labelled(50, 1)))
    assert load_scorer(scorer.dump()) == scorer
    for damaged in (b"", b"{}", b'{"centre":[1],"spread":[0],"weights":[1,2]}'):
        with pytest.raises(StorageCorrupt):
            load_scorer(damaged)


@pytest.mark.parametrize("answers", [[], [((1.0,), True)] * 20, [((1.0,), False)] * 20])
def test_a_scorer_is_not_learned_from_answers_of_one_kind(answers):
    with pytest.raises(UsageError, match="cannot be learned"):
        learn_scorer(answers)


def test_answers_that_differ_in_nothing_are_scored_by_how_many_were_good():
    answers = [((1.0, 2.0), number < 15) for number in range(20)]
    assert learn_scorer(answers).score((1.0, 2.0)) == pytest.approx(0.75, abs=1e-3)
