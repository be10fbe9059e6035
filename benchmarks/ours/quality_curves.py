"""How much of the strong model's advantage a router keeps for how many of its calls.

A router gives each prompt a score; the prompts with the highest go to the strong model. PGR is the
share of the gap between the two models that is recovered, APGR its mean over all shares of strong
calls, CPT(p) the share of strong calls that recovers p (Ong et al., "RouteLLM", 2024, section 2).

A cascade pays the weak call even where it escalates. Its share of strong calls x costs as much as
the share x / (1 - w) of a router that asks one model only, `w` being what a weak call costs of a
strong one; it is counted as that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from random import Random

from benchmarks.ours.quality_data import Row

Point = tuple[float, float]
"""A share of strong calls (or what costs the same), and the share of good answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A row, what a router says of it, and the threshold that other rows chose."""

    row: Row
    score: float
    threshold: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What a router reached. `low` and `high` hold APGR with 95 % (bootstrap over prompts).

    `chosen_calls` and `chosen_gap` are what thresholds gave that were chosen on other prompts to
    recover 80 % of the gap.
    """

    apgr: float
    low: float
    high: float
    cpt50: float | None
    cpt80: float | None
    chosen_calls: float
    chosen_gap: float


def curve(scored: Sequence[Scored], charge: float = 0.0) -> list[Point]:
    """Return the way from no strong call to all; prompts of one score move together."""
    ranked = sorted(scored, key=lambda each: -each.score)
    good = sum(each.row.weak for each in ranked)
    points, asked = [(0.0, good / len(ranked))], 0
    for _, tied in groupby(ranked, key=lambda each: each.score):
        for each in tied:
            good += each.row.strong - each.row.weak
            asked += 1
        points.append((asked / len(ranked) / (1 - charge), good / len(ranked)))
    return points


def area(points: Sequence[Point]) -> float:
    """Return APGR: the mean share of the gap that is recovered, over shares of calls up to 1."""
    weak, strong = points[0][1], points[-1][1]
    whole = 0.0
    for (left, low), (right, high) in pairwise(points):
        if left >= 1:
            break
        end = min(right, 1.0)
        at_end = low + (high - low) * (end - left) / (right - left)
        whole += (end - left) * ((low + at_end) / 2 - weak)
    return whole / (strong - weak) if strong != weak else 0.0


def calls_for(points: Sequence[Point], gap: float) -> float | None:
    """Return the least share of strong calls that recovers `gap` of the advantage."""
    wanted = points[0][1] + gap * (points[-1][1] - points[0][1])
    for (left, low), (right, high) in pairwise(points):
        if high >= wanted > low:
            return left + (right - left) * (wanted - low) / (high - low)
    return None


def threshold_for(scored: Sequence[Scored], gap: float) -> float:
    """Return the highest threshold at which these rows recover `gap` of the advantage."""
    points = curve(scored)
    thresholds = sorted({each.score for each in scored}, reverse=True)
    wanted = points[0][1] + gap * (points[-1][1] - points[0][1])
    for threshold, (_, good) in zip(thresholds, points[1:], strict=True):
        if good >= wanted:
            return threshold
    return thresholds[-1]


def mark(scored: Sequence[Scored], random: Random, rounds: int, charge: float = 0.0) -> Marks:
    """Return what a router reached on prompts that it was not taught on."""
    points = curve(scored, charge)
    again = sorted(
        area(curve(random.choices(scored, k=len(scored)), charge)) for _ in range(rounds)
    )
    edge = int(0.025 * rounds)
    asked = [each for each in scored if each.score >= each.threshold]
    weak, strong = points[0][1], points[-1][1]
    gained = sum(each.row.strong - each.row.weak for each in asked) / len(scored)
    return Marks(
        apgr=area(points),
        low=again[edge],
        high=again[-1 - edge],
        cpt50=calls_for(points, 0.5),
        cpt80=calls_for(points, 0.8),
        chosen_calls=len(asked) / len(scored) / (1 - charge),
        chosen_gap=gained / (strong - weak) if strong != weak else 0.0,
    )
