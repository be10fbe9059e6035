"""The rank test of Mann and Whitney, its power, and intervals for quantiles. Pure Python.

Sources: Mann and Whitney 1947 (U), with the correction for ties and the normal approximation as in
Lehmann, "Nonparametrics"; Holm 1979 (many tests at once); Hodges and Lehmann 1956 for the efficiency
3/pi behind the power; Donner and Klar for the design effect of clustered samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log, pi, sqrt
from random import Random
from statistics import NormalDist, fmean, pvariance

from holdfast.frozen import frozen

_NORMAL = NormalDist()
_EFFICIENCY = 3 / pi
Groups = Sequence[Sequence[float]]
"""The values of one side by run: those of one run are alike and count as less than so many."""


@frozen
class RankTest:
    """How likely two sides are the same.

    `p` is two-sided. `delta` is Cliff's: the chance that a value of the second side is larger, minus
    that it is smaller, from -1 to 1. `design` is by how much runs that are alike inside widen it: 1 if
    all values are independent.
    """

    p: float
    delta: float
    design: float


def rank_test(base: Groups, head: Groups) -> RankTest:
    """Compare two sides, each of at least one value."""
    left = [value for group in base for value in group]
    right = [value for group in head for value in group]
    ranks, ties = _ranks([*left, *right])
    n, m = len(left), len(right)
    total = n + m
    larger = sum(ranks[n:]) - m * (m + 1) / 2
    design = max(_design(base, ranks[:n]), _design(head, ranks[n:]))
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)) if total > 1 else 0.0)
    delta = 2 * larger / (n * m) - 1
    if variance <= 0:
        return RankTest(p=1.0, delta=0.0, design=design)
    distance = max(0.0, abs(larger - n * m / 2) - 0.5)
    z = distance / sqrt(variance * design)
    return RankTest(p=min(1.0, 2 * (1 - _NORMAL.cdf(z))), delta=delta, design=design)


def _ranks(values: Sequence[float]) -> tuple[list[float], float]:
    """Return the rank of each value, equal ones sharing theirs, and the sum of t^3 - t over ties."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    ties = 0.0
    place = 0
    while place < len(order):
        until = place + 1
        while until < len(order) and values[order[until]] == values[order[place]]:
            until += 1
        shared = (place + until + 1) / 2
        for each in order[place:until]:
            ranks[each] = shared
        size = until - place
        ties += size**3 - size
        place = until
    return ranks, ties


def _design(groups: Groups, ranks: Sequence[float]) -> float:
    """Return the design effect: 1 + (values a run - 1) x how alike values of a run are."""
    sizes = [len(group) for group in groups if group]
    count, total = len(sizes), sum(sizes)
    if count < 2 or total == count:
        return 1.0
    mean, at = fmean(ranks), 0
    between = within = 0.0
    for size in sizes:
        part = ranks[at : at + size]
        at += size
        own = fmean(part)
        between += size * (own - mean) ** 2
        within += sum((rank - own) ** 2 for rank in part)
    between /= count - 1
    within /= total - count
    usual = (total - sum(size * size for size in sizes) / total) / (count - 1)
    alike = (between - within) / (between + (usual - 1) * within) if between > 0 else 0.0
    weighted = sum(size * size for size in sizes) / total
    return max(1.0, 1 + (weighted - 1) * max(0.0, alike))


def holm(chances: Sequence[float]) -> list[float]:
    """Return the chances of several tests, each corrected for there being all of them."""
    order = sorted(range(len(chances)), key=chances.__getitem__)
    corrected = [0.0] * len(chances)
    most = 0.0
    for place, number in enumerate(order):
        most = max(most, min(1.0, (len(chances) - place) * chances[number]))
        corrected[number] = most
    return corrected


def least_change(
    base: Sequence[float], head: Sequence[float], *, alpha: float, design: float = 1.0,
    power: float = 0.8,
) -> float:  # fmt: skip
    """Return the smallest slowdown that would be seen with this power: 0.2 stands for 20 %.

    Infinite if there are too few values to see any. Values are taken to vary as logarithms do.
    """
    if not base or not head:
        return float("inf")
    z = -_NORMAL.inv_cdf(alpha / 2) + _NORMAL.inv_cdf(power)
    shift = z * sqrt(design * (1 / len(base) + 1 / len(head)) / _EFFICIENCY)
    exponent = shift * spread(base, head)
    return exp(exponent) - 1 if exponent < 50 else float("inf")


def spread(*sides: Sequence[float]) -> float:
    """Return the standard deviation of the logarithms of values within their sides."""
    parts = [[log(value) for value in side if value > 0] for side in sides]
    counted = [part for part in parts if len(part) > 1]
    total = sum(len(part) for part in counted)
    if not total:
        return 0.0
    return sqrt(sum(pvariance(part) * len(part) for part in counted) / total)


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return a quantile of ordered values, between two of them where it lies there."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def ratio_interval(
    base: Sequence[float],
    head: Sequence[float],
    share: float,
    *,
    confidence: float,
    random: Random,
    design: float = 1.0,
    draws: int = 2000,
) -> tuple[float, float]:
    """Return between which bounds the ratio of two quantiles lies: a bootstrap interval.

    Both sides are ordered. A quantile of a bootstrap sample is an order statistic of the values,
    whose place is a beta variate; so a draw costs two numbers and no sample.
    """
    ratios = sorted(
        _drawn(head, share, random, design) / max(1e-9, _drawn(base, share, random, design))
        for _ in range(draws)
    )
    tail = (1 - confidence) / 2
    return quantile(ratios, tail), quantile(ratios, 1 - tail)


def _drawn(ordered: Sequence[float], share: float, random: Random, design: float) -> float:
    independent = max(1.0, len(ordered) / design)
    rank = min(independent, max(1.0, share * independent + 0.5))
    place = random.betavariate(rank, independent + 1 - rank)
    return ordered[min(len(ordered) - 1, int(place * len(ordered)))]
