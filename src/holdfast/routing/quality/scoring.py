"""How good an answer looks: ten cheap features of it, and a scorer that is learned from outcomes.

The scorer is a logistic regression, fitted by Newton's method with a small ridge (Hastie,
Tibshirani and Friedman, "The Elements of Statistical Learning", section 4.4.1).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from holdfast.errors import StorageCorrupt, UsageError
from holdfast.routing.quality.checks import Check, Verdict, agrees, equations

Features = tuple[float, ...]

FEATURES: Final = (
    "answer length",
    "prompt length",
    "answer ends like a finished one",
    "numbers in the answer",
    "equations in the answer",
    "share of equations that are wrong",
    "the last number was a result before",
    "numbers of the prompt that the answer uses",
    "words of doubt",
    "repeated lines",
)
_NUMBER = re.compile(r"-?\d[\d,]{0,30}(?:\.\d{1,15})?")
_DOUBT = re.compile(
    r"\b(?:sorry|unfortunately|cannot|can't|unclear|not sure|unable|assume|approximately|however"
    r"|impossible|not possible|wait)\b",
    re.IGNORECASE,
)
_LONGEST = 50_000  # characters that are read
_STEPS = 25


def describe(prompt: str, answer: str) -> Features:
    """Return the ten features of an answer, in the order of `FEATURES`."""
    prompt, answer = prompt[:_LONGEST], answer[:_LONGEST]
    stripped = answer.rstrip()
    numbers, asked = _numbers(answer), set(_numbers(prompt))
    sums = list(equations(answer))
    wrong = sum(not agrees(left, right) for left, right in sums)
    lines = [line for line in answer.splitlines() if line.strip()]
    results = {right for _, right in sums}
    return (
        math.log1p(len(answer)),
        math.log1p(len(prompt)),
        float(_looks_finished(stripped)),
        math.log1p(len(numbers)),
        math.log1p(len(sums)),
        wrong / len(sums) if sums else 0.0,
        float(bool(numbers) and numbers[-1] in results),
        len(asked & set(numbers)) / len(asked) if asked else 1.0,
        math.log1p(len(_DOUBT.findall(answer))),
        1 - len(set(lines)) / len(lines) if lines else 1.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """The probability that an answer is good, from its features.

    `centre` and `spread` are the means and deviations that features are put on one scale by;
    `weights` begins with the constant.
    """

    centre: tuple[float, ...]
    spread: tuple[float, ...]
    weights: tuple[float, ...]

    def score(self, features: Features) -> float:
        """Return the probability, from 0 to 1."""
        return _logistic(_dot(self.weights, _scale(features, self.centre, self.spread)))

    def check(self, threshold: float) -> Check:
        """Return a check that passes answers of at least this probability."""

        async def check(prompt: str, answer: str) -> Verdict:
            score = self.score(describe(prompt, answer))
            sign = ">=" if score >= threshold else "<"
            return Verdict(passed=score >= threshold, why=f"score {score:.2f} {sign} {threshold:g}")

        return check

    def dump(self) -> bytes:
        """Return the scorer as JSON."""
        plain = {"centre": self.centre, "spread": self.spread, "weights": self.weights}
        return json.dumps(plain).encode()


def load_scorer(data: bytes) -> Scorer:
    """Return what `Scorer.dump` wrote.

    Raises:
        StorageCorrupt: the bytes are no scorer.
    """
    try:
        plain = cast("dict[str, list[float]]", json.loads(data))
        centre, spread, weights = (
            tuple(float(number) for number in plain[name])
            for name in ("centre", "spread", "weights")
        )
        if not len(centre) == len(spread) == len(weights) - 1 or not all(spread):
            raise ValueError("the numbers do not belong together")
    except (ValueError, KeyError, TypeError) as error:
        raise StorageCorrupt(
            f"the scorer of answers cannot be read: {error!r}",
            hint="delete it: it is learned again from judged answers",
        ) from error
    return Scorer(centre=centre, spread=spread, weights=weights)


def learn_scorer(answers: Sequence[tuple[Features, bool]], *, ridge: float = 1.0) -> Scorer:
    """Return the scorer that fits judged answers best.

    `ridge` draws the weights towards zero: the smaller the number of answers, the more it does.

    Raises:
        UsageError: fewer than ten answers, or all of them good, or none.
    """
    good = sum(is_good for _, is_good in answers)
    if len(answers) < 10 or not 0 < good < len(answers):
        raise UsageError(
            f"a scorer cannot be learned from {len(answers)} answers of which {good} are good",
            hint="give at least ten judged answers, good ones and bad ones",
        )
    columns = list(zip(*(features for features, _ in answers), strict=True))
    centre = tuple(math.fsum(column) / len(column) for column in columns)
    spread = tuple(
        math.sqrt(math.fsum((value - middle) ** 2 for value in column) / len(column)) or 1.0
        for column, middle in zip(columns, centre, strict=True)
    )
    rows = [_scale(features, centre, spread) for features, _ in answers]
    weights = _fit(rows, [float(is_good) for _, is_good in answers], ridge)
    return Scorer(centre=centre, spread=spread, weights=weights)


def _scale(
    features: Features, centre: Sequence[float], spread: Sequence[float]
) -> tuple[float, ...]:
    scaled = zip(features, centre, spread, strict=True)
    return (1.0, *((value - middle) / width for value, middle, width in scaled))


def _fit(
    rows: Sequence[tuple[float, ...]], goals: Sequence[float], ridge: float
) -> tuple[float, ...]:
    size = len(rows[0])
    weights = [0.0] * size
    for _ in range(_STEPS):
        slope = [-ridge * weight if place else 0.0 for place, weight in enumerate(weights)]
        bend = [[ridge * (i == j and i > 0) for j in range(size)] for i in range(size)]
        for row, goal in zip(rows, goals, strict=True):
            _add(row, goal, _logistic(_dot(weights, row)), slope, bend)
        step = _solve(bend, slope)
        weights = [weight + change for weight, change in zip(weights, step, strict=True)]
        if max(map(abs, step)) < 1e-6:
            break
    return tuple(weights)


def _add(
    row: Sequence[float], goal: float, expected: float, slope: list[float], bend: list[list[float]]
) -> None:
    """Add what one answer says to the slope and to the lower half of the curvature."""
    doubt = max(expected * (1 - expected), 1e-6)
    for i, value in enumerate(row):
        slope[i] += (goal - expected) * value
        scaled = doubt * value
        for j in range(i + 1):
            bend[i][j] += scaled * row[j]


def _solve(lower: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """Return x of `A x = right`; `lower` is the lower half of A, which is positive definite."""
    size = len(right)
    root = [[0.0] * size for _ in range(size)]
    for i in range(size):
        for j in range(i + 1):
            rest = lower[i][j] - sum(root[i][k] * root[j][k] for k in range(j))
            root[i][j] = math.sqrt(max(rest, 1e-12)) if i == j else rest / root[j][j]
    half: list[float] = []
    for i in range(size):
        half.append((right[i] - sum(root[i][k] * half[k] for k in range(i))) / root[i][i])
    found = [0.0] * size
    for i in reversed(range(size)):
        rest = half[i] - sum(root[k][i] * found[k] for k in range(i + 1, size))
        found[i] = rest / root[i][i]
    return found


def _numbers(text: str) -> list[float]:
    return [float(found.replace(",", "")) for found in _NUMBER.findall(text)]


def _looks_finished(stripped: str) -> bool:
    last_line = stripped.rsplit("\n", 1)[-1]
    return stripped.endswith((".", "!", "?", "`", "}", "]", ")")) or last_line.startswith("####")


def _dot(first: Sequence[float], second: Sequence[float]) -> float:
    return sum(one * other for one, other in zip(first, second, strict=True))


def _logistic(x: float) -> float:
    if x >= 0:
        return 1 / (1 + math.exp(-x))
    grown = math.exp(max(x, -700.0))
    return grown / (1 + grown)
