"""Compare two releases over many runs, name by name: what became slower, and how sure that is.

Time a call and calls a run are told apart: a run that takes longer because it searches twice is
another finding than a search that takes longer (Sambasivan and others, NSDI 2011).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Literal

from holdfast.frozen import frozen
from holdfast.tracing.comparing.ranks import (
    Groups,
    RankTest,
    holm,
    least_change,
    quantile,
    rank_test,
    ratio_interval,
)

Durations = Mapping[str, Mapping[str, Sequence[int]]]
"""How long spans took in nanoseconds, by their name and by the trace that they are of."""

Values = Mapping[str, Sequence[int]]
"""The same of one name."""

Finding = Literal["slower", "faster", "same", "unsure"]
"""`same`: no difference was seen, and one of `SEEN` would have been. `unsure`: too little data."""

ALPHA = 0.01
"""How often a comparison of two equal releases may say of any name that it changed."""

SEEN = 0.2
_LEAST = 5
_CONFIDENCE = 0.95


@frozen
class Side:
    """One side of a comparison: how many runs and calls, and percentiles in nanoseconds."""

    runs: int
    calls: int
    p50_ns: float
    p95_ns: float
    p99_ns: float
    mean_ns: float
    calls_a_run: float


@frozen
class NameComparison:
    """How the spans of one name changed between two releases.

    `ratio` is the median of the second side over that of the first, within `interval` with 95 %
    confidence. `p` and `count_p` are corrected for the number of names. `least_change` is what
    would have been seen in four of five cases: 0.3 stands for 30 %. `counts` says the same of calls
    a run as `finding` of the time a call.
    """

    name: str
    base: Side
    head: Side
    finding: Finding
    ratio: float
    interval: tuple[float, float]
    delta: float
    p: float
    least_change: float
    counts: Literal["more", "fewer", "same", "unsure"]
    count_p: float

    @property
    def text(self) -> str:
        """Return the comparison in words."""
        change = f"{abs(self.ratio - 1):.0%}".replace("%", " %")
        match self.finding:
            case "slower" | "faster":
                said = f"{self.name} is {change} {self.finding}"
                if (self.ratio - 1) * self.delta <= 0:  # some calls did, but not the usual one
                    said = f"{self.name} is {self.finding}, though not in the median"
            case "same":
                said = f"{self.name} takes as long as before"
            case "unsure":
                said = f"{self.name}: {not_enough(self.least_change)}"
        if self.counts in {"more", "fewer"}:
            said += (
                f", called {self.head.calls_a_run:.1f} times a run instead of "
                f"{self.base.calls_a_run:.1f}"
            )
        return said


def not_enough(least: float) -> str:
    """Say how small a change could not have been seen."""
    if least > 10:
        return "not enough data to see a change"
    return f"not enough data to see less than {least * 100:.0f} %"


@frozen
class ReleaseComparison:
    """Two releases side by side, what became slower first."""

    base_runs: int
    head_runs: int
    names: Sequence[NameComparison]


def compare_releases(
    base: Durations,
    head: Durations,
    *,
    random: Random,
    base_runs: int | None = None,
    head_runs: int | None = None,
    alpha: float = ALPHA,
) -> ReleaseComparison:
    """Return how the spans of each name changed.

    `base_runs` and `head_runs` count all runs, also those without any span of a name; without them
    they are those that any name has. Runs whose spans are alike count as fewer. `random` is for the
    intervals: the same seed gives the same answer.
    """
    runs = base_runs or _runs(base), head_runs or _runs(head)
    names = sorted(set(base) | set(head))
    times = {name: _test(base.get(name, {}), head.get(name, {})) for name in names}
    counts = {name: _test_counts(base.get(name, {}), head.get(name, {}), runs) for name in names}
    corrected = dict(zip(names, holm([times[name].p for name in names]), strict=True))
    corrected_counts = dict(zip(names, holm([counts[name].p for name in names]), strict=True))
    found = [
        _compare(
            name, (base.get(name, {}), head.get(name, {})), runs,
            _Tests(times[name], corrected[name], counts[name], corrected_counts[name], len(names)),
            random, alpha,
        )
        for name in names
    ]  # fmt: skip
    found.sort(key=lambda each: (_ORDER[each.finding], each.p, -each.ratio, each.name))
    return ReleaseComparison(base_runs=runs[0], head_runs=runs[1], names=found)


_ORDER: Mapping[Finding, int] = {"slower": 0, "faster": 1, "unsure": 2, "same": 3}


class _Tests:
    __slots__ = ("count_p", "counts", "names", "p", "times")

    def __init__(
        self, times: RankTest, p: float, counts: RankTest, count_p: float, names: int
    ) -> None:
        self.times, self.p, self.counts, self.count_p = times, p, counts, count_p
        self.names = names


def _runs(side: Durations) -> int:
    return len({trace for traces in side.values() for trace in traces})


def groups_of(side: Values) -> Groups:
    """Return the values of one side by run."""
    return [[float(value) for value in values] for values in side.values() if values]


def _test(base: Values, head: Values) -> RankTest:
    left, right = groups_of(base), groups_of(head)
    if not left or not right:
        return RankTest(p=1.0, delta=0.0, design=1.0)
    return rank_test(left, right)


def _test_counts(base: Values, head: Values, runs: tuple[int, int]) -> RankTest:
    left, right = _counts(base, runs[0]), _counts(head, runs[1])
    if not left or not right:
        return RankTest(p=1.0, delta=0.0, design=1.0)
    return rank_test([[value] for value in left], [[value] for value in right])


def _counts(side: Values, runs: int) -> Sequence[float]:
    counts = [float(len(values)) for values in side.values()]
    return [*counts, *([0.0] * max(0, runs - len(counts)))]


def _compare(
    name: str,
    sides: tuple[Values, Values],
    runs: tuple[int, int],
    tests: _Tests,
    random: Random,
    alpha: float,
) -> NameComparison:
    left, right = (ordered_values(side) for side in sides)
    least = least_change(left, right, alpha=alpha / tests.names, design=tests.times.design)
    ratio, interval = 1.0, (0.0, float("inf"))
    if left and right:
        ratio = quantile(right, 0.5) / max(1.0, quantile(left, 0.5))
        interval = ratio_interval(
            left, right, 0.5, confidence=_CONFIDENCE, random=random, design=tests.times.design
        )
    return NameComparison(
        name=name,
        base=_side(sides[0], left, runs[0]),
        head=_side(sides[1], right, runs[1]),
        finding=_finding(tests, least, min(len(left), len(right)), alpha),
        ratio=ratio,
        interval=interval,
        delta=tests.times.delta,
        p=tests.p,
        least_change=least if min(len(left), len(right)) >= _LEAST else float("inf"),
        counts=_count_finding(tests, runs, alpha),
        count_p=tests.count_p,
    )


def ordered_values(side: Values) -> Sequence[float]:
    """Return all values of one side, the smallest first."""
    return sorted(float(value) for values in side.values() for value in values)


def _finding(tests: _Tests, least: float, size: int, alpha: float) -> Finding:
    if size >= _LEAST and tests.p < alpha:
        return "slower" if tests.times.delta > 0 else "faster"
    return "same" if size >= _LEAST and least <= SEEN else "unsure"


def _count_finding(
    tests: _Tests, runs: tuple[int, int], alpha: float
) -> Literal["more", "fewer", "same", "unsure"]:
    if min(runs) < _LEAST:
        return "unsure"
    if tests.count_p >= alpha:
        return "same"
    return "more" if tests.counts.delta > 0 else "fewer"


def _side(side: Values, ordered: Sequence[float], runs: int) -> Side:
    empty = not ordered
    return Side(
        runs=sum(1 for values in side.values() if values),
        calls=len(ordered),
        p50_ns=0.0 if empty else quantile(ordered, 0.5),
        p95_ns=0.0 if empty else quantile(ordered, 0.95),
        p99_ns=0.0 if empty else quantile(ordered, 0.99),
        mean_ns=0.0 if empty else sum(ordered) / len(ordered),
        calls_a_run=len(ordered) / runs if runs else 0.0,
    )
