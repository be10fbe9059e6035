"""The routers that are compared: each is taught rows, and then scores prompts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from random import Random
from zlib import crc32

from benchmarks.ours.quality_curves import Scored, threshold_for
from benchmarks.ours.quality_data import STRONG, WEAK, Row
from holdfast.routing.quality.complexity import ComplexityRules, measure_complexity
from holdfast.routing.quality.embedding import HashedWords
from holdfast.routing.quality.evidence import Outcome
from holdfast.routing.quality.neighbours import Neighbours
from holdfast.routing.quality.scoring import describe, learn_scorer

Score = Callable[[Row], float]
"""How much a row needs the strong model: only the order of the numbers counts."""
Teach = Callable[[Sequence[Row]], Score]

FOLDS = 5
_EPOCHS = 4


def teach_random(_: Sequence[Row]) -> Score:
    """Score by chance."""
    return lambda row: crc32(f"chance {row.prompt}".encode())


def teach_length(_: Sequence[Row]) -> Score:
    """Score by the length of the prompt."""
    return lambda row: len(row.prompt)


def teach_signals(_: Sequence[Row]) -> Score:
    """Score by the five signals of the strategy `complexity`."""
    rules = ComplexityRules()
    return lambda row: measure_complexity(row.prompt, 1, rules).score


def teach_linear(rows: Sequence[Row]) -> Score:
    """Regress the strong model's advantage on the built-in embedder (least squares, Adagrad)."""
    embedder, random = HashedWords(), Random(1)
    weights: dict[int, float] = {}
    seen: dict[int, float] = {}
    mean = sum(row.strong - row.weak for row in rows) / len(rows)
    known = [
        (_unit(vector), row.strong - row.weak - mean)
        for row, vector in zip(rows, embedder.embed([row.prompt for row in rows]), strict=True)
    ]
    for _ in range(_EPOCHS):
        random.shuffle(known)
        for vector, goal in known:
            error = goal - sum(value * weights.get(place, 0.0) for place, value in vector.items())
            for place, value in vector.items():
                weight = weights.get(place, 0.0)
                slope = error * value - 1e-4 * weight
                seen[place] = seen.get(place, 1e-6) + slope * slope
                weights[place] = weight + 0.05 * slope / math.sqrt(seen[place])

    def score(row: Row) -> float:
        [vector] = embedder.embed([row.prompt])
        return sum(value * weights.get(place, 0.0) for place, value in _unit(vector).items())

    return score


def teach_neighbours(rows: Sequence[Row]) -> Score:
    """Score by the predictions of the strategy `learned`, with its bounded memory as it is."""
    known = Neighbours(random=Random(1))
    for row in rows:
        known.learn(Outcome(text=row.prompt, model=WEAK, good=row.weak))
        known.learn(Outcome(text=row.prompt, model=STRONG, good=row.strong))

    def score(row: Row) -> float:
        found = known.predict(row.prompt)
        if WEAK not in found or STRONG not in found:
            return 0.0
        return found[STRONG].quality - found[WEAK].quality

    return score


def teach_subject(rows: Sequence[Row]) -> Score:
    """Score by the strong model's mean advantage on the subject, which a router is not told."""
    sums: dict[str, tuple[int, int]] = {}
    for row in rows:
        gained, count = sums.get(row.subject, (0, 0))
        sums[row.subject] = gained + row.strong - row.weak, count + 1
    means = {subject: gained / count for subject, (gained, count) in sums.items()}
    return lambda row: means.get(row.subject, 0.0)


def teach_cascade(rows: Sequence[Row]) -> Score:
    """Score by how bad the weak model's answer looks: what a cascade sees."""
    scorer = learn_scorer([(describe(row.prompt, row.answer or ""), row.weak) for row in rows])
    return lambda row: 1 - scorer.score(describe(row.prompt, row.answer or ""))


def teach_perfect(_: Sequence[Row]) -> Score:
    """Score by the truth."""
    return lambda row: row.strong - row.weak


ROUTERS: Mapping[str, Teach] = {
    "random": teach_random,
    "length": teach_length,
    "five signals": teach_signals,
    "linear": teach_linear,
    "neighbours": teach_neighbours,
    "subject": teach_subject,
    "cascade": teach_cascade,
    "perfect": teach_perfect,
}
LEARNERS = ("linear", "neighbours")
"""Those that can be taught on one data set and tried on another."""


def try_in_folds(rows: Sequence[Row], teach: Teach) -> list[Scored]:
    """Return each row's score by a router taught on three fifths of the others.

    Another fifth chooses the threshold that recovers 80 % of the gap.
    """
    scored: list[Scored] = []
    for fold in range(FOLDS):
        parts = [rows[place::FOLDS] for place in range(FOLDS)]
        tried, choosing = parts.pop(fold), parts.pop(fold % (FOLDS - 1))
        score = teach([row for part in parts for row in part])
        scored += _scored(tried, score, _threshold(choosing, score))
    return scored


def try_elsewhere(taught: Sequence[Row], rows: Sequence[Row], teach: Teach) -> list[Scored]:
    """Return each row's score by a router that was taught, and tuned, on another data set."""
    learning = [row for place, row in enumerate(taught) if place % FOLDS]
    score = teach(learning)
    return _scored(rows, score, _threshold(taught[::FOLDS], score))


def _threshold(rows: Sequence[Row], score: Score) -> float:
    return threshold_for([Scored(row=row, score=score(row)) for row in rows], 0.8)


def _scored(rows: Sequence[Row], score: Score, threshold: float) -> list[Scored]:
    return [Scored(row=row, score=score(row), threshold=threshold) for row in rows]


def _unit(vector: Mapping[int, float]) -> Mapping[int, float]:
    length = math.sqrt(sum(value * value for value in vector.values())) or 1.0
    return {place: value / length for place, value in vector.items()}
