"""Let a pipeline fail when a release became worse: parse and check `--fail-on 'p95>20%'`.

A gate is `[NAME:]METRIC>LIMIT`, and several are joined by commas. Without a name it is about whole
runs; `*` stands for every name of a span.

======================== =====================================================================
metric                   what is compared
======================== =====================================================================
p50, p95, p99, mean      how long runs, or the spans of the name, took
count                    calls a run (with a name only)
errors                   the share of runs that failed; `2%` are percentage points
cost, tokens             what a run cost, and its tokens in and out together
======================== =====================================================================

`20%` is how much more than the base is too much; `2s` or `500ms` is what no time may pass, whatever
it was before; a bare number is how many runs may fail. A relative gate fails when the change is above
the limit and is no chance.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from math import sqrt
from random import Random
from statistics import NormalDist, fmean, variance
from typing import Literal, cast

from holdfast.errors import UsageError
from holdfast.frozen import frozen
from holdfast.tracing.analysis.words import took
from holdfast.tracing.comparing.ranks import quantile, rank_test, ratio_interval
from holdfast.tracing.comparing.releases import ALPHA, Durations, groups_of, ordered_values
from holdfast.tracing.digest import TraceDigest

Metric = Literal["p50", "p95", "p99", "mean", "errors", "cost", "tokens", "count"]
Unit = Literal["%", "ns", ""]
Outcome = Literal["passed", "failed", "unsure"]
"""`unsure`: there is too little data to tell."""

EVERY = "*"
_GATE = re.compile(
    r"\s*(?:(?P<quoted>\"[^\"]+\")|(?P<name>[^\",]*?))?(?P<colon>:)?\s*"
    r"(?P<metric>p50|p95|p99|mean|errors|cost|tokens|count)\s*>\s*"
    r"(?P<limit>\d+(?:\.\d+)?)\s*(?P<unit>%|us|ms|s|m)?\s*(?:,|$)"
)
_TIMES: Mapping[str, float] = {"us": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9}
_SHARES: Mapping[str, float] = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_OF_TIMES = frozenset({"p50", "p95", "p99", "mean"})
_OF_RUNS = frozenset({"errors", "cost", "tokens"})
_LEAST = 5
_BEYOND = 3
"""So many independent values must lie beyond a quantile to tell where it is."""

_DRAWS = 4000
_HINT = "write for instance 'p95>20%', 'search:p50>500ms', 'errors>0', or several with commas"


@frozen
class Gate:
    """What may not happen. `limit` is a share (0.2) with the unit `%`, else in nanoseconds or runs."""

    metric: Metric
    limit: float
    unit: Unit
    name: str = ""
    text: str


@frozen
class Sample:
    """The runs of one side, and how long their spans took by name and trace."""

    runs: Sequence[TraceDigest]
    durations: Durations


@frozen
class GateResult:
    """What came of a gate for one name, and why in one sentence.

    `change` is what the limit is compared with, between `low` and `high` as far as the data tell.
    """

    gate: Gate
    name: str
    outcome: Outcome
    reason: str
    change: float | None = None
    low: float | None = None
    high: float | None = None


@frozen
class GateReport:
    """What came of all gates."""

    results: Sequence[GateResult]
    failed: bool

    @property
    def reasons(self) -> Sequence[str]:
        """Why it failed, or what is unsure: a sentence each."""
        return [each.reason for each in self.results if each.outcome != "passed"]


class _Estimate:
    __slots__ = ("change", "high", "low", "values")

    def __init__(self, change: float, low: float, high: float, values: tuple[str, str]) -> None:
        self.change, self.low, self.high, self.values = change, low, high, values


def parse_gates(text: str) -> Sequence[Gate]:
    """Return the gates that a text asks for.

    Raises:
        UsageError: it is none; the message says which part.
    """
    gates: list[Gate] = []
    at = 0
    while at < len(text):
        match = _GATE.match(text, at)
        if match is None or bool(match["quoted"] or match["name"]) != bool(match["colon"]):
            raise UsageError(f"{text[at:].strip()!r} is no gate", hint=_HINT)
        gates.append(_gate(match))
        at = match.end()
    if not gates:
        raise UsageError("there is no gate", hint=_HINT)
    return gates


def _gate(match: re.Match[str]) -> Gate:
    metric = cast("Metric", match["metric"])
    name = (match["quoted"] or match["name"] or "").strip().strip('"')
    written = match.group().strip().rstrip(",").strip()
    limit, unit = float(match["limit"]), match["unit"] or ""
    if name and metric in _OF_RUNS:
        raise UsageError(f"{written!r}: {metric} is of a run, not of a name", hint=_HINT)
    if metric == "count" and not name:
        raise UsageError(f"{written!r}: count is of a name", hint="write 'search:count>10%'")
    if unit == "%":
        return Gate(metric=metric, limit=limit / 100, unit="%", name=name, text=written)
    if unit and metric in _OF_TIMES:
        return Gate(metric=metric, limit=limit * _TIMES[unit], unit="ns", name=name, text=written)
    if not unit and metric == "errors":
        return Gate(metric=metric, limit=limit, unit="", name=name, text=written)
    wanted = "a length of time or %" if metric in _OF_TIMES else "%"
    raise UsageError(f"{written!r}: the limit of {metric} is {wanted}", hint=_HINT)


def check_gates(
    gates: Sequence[Gate], base: Sample, head: Sample, *, random: Random, strict: bool = False
) -> GateReport:
    """Return what comes of gates for two releases.

    Of two equal releases at most one comparison in a hundred fails by chance, however many gates
    there are. With `strict` the report fails also where there is too little data.
    """
    asked = [(gate, name) for gate in gates for name in _names(gate, base, head)]
    alpha = ALPHA / max(1, len(asked))
    results = [_check(gate, name, base, head, random, alpha) for gate, name in asked]
    bad = {"failed", "unsure"} if strict else {"failed"}
    return GateReport(results=results, failed=any(each.outcome in bad for each in results))


def _names(gate: Gate, base: Sample, head: Sample) -> Sequence[str]:
    if gate.name != EVERY:
        return [gate.name]
    return sorted(set(base.durations) | set(head.durations))


def _check(
    gate: Gate, name: str, base: Sample, head: Sample, random: Random, alpha: float
) -> GateResult:
    if gate.unit != "%":
        return _check_absolute(gate, name, head)
    estimate = _estimate(gate.metric, name, (base, head), random, alpha)
    if isinstance(estimate, str):
        return GateResult(
            gate=gate, name=name, outcome="unsure", reason=f"{_title(gate, name)}: {estimate}"
        )
    outcome: Outcome = "passed"
    if estimate.change > gate.limit:
        outcome = "failed" if estimate.low > 0 else "unsure"
    elif estimate.high > gate.limit:
        outcome = "unsure"
    return GateResult(
        gate=gate, name=name, outcome=outcome, reason=_reason(gate, name, estimate, outcome),
        change=estimate.change, low=estimate.low, high=estimate.high,
    )  # fmt: skip


def _title(gate: Gate, name: str) -> str:
    return f"{gate.metric} of {name}" if name else f"{gate.metric} of runs"


def _reason(gate: Gate, name: str, estimate: _Estimate, outcome: Outcome) -> str:
    points = " points" if gate.metric == "errors" else ""
    change = f"{estimate.change * 100:+.0f} %{points}"
    said = f"{_title(gate, name)} {change} ({estimate.values[0]}, now {estimate.values[1]})"
    limit = f"{gate.limit * 100:g} %"
    if outcome == "failed":
        return f"{said}, over {limit}"
    if outcome == "passed":
        return f"{said}, within {limit}"
    if estimate.change > gate.limit:
        return f"{said}, over {limit}, but that may be chance: not enough data"
    return f"{said}: not enough data to rule out {limit}"


def _check_absolute(gate: Gate, name: str, head: Sample) -> GateResult:
    if gate.metric == "errors":
        value = float(sum(_is_failed(run) for run in head.runs))
        said, limit, enough = f"{value:.0f}", f"{gate.limit:g}", bool(head.runs)
    else:
        values = _values(gate.metric, name, head)
        enough = len(values) >= _LEAST
        value = _figure(gate.metric, values) if values else 0.0
        said, limit = took(value), took(gate.limit)
    title = _title(gate, name)
    if not enough:
        return GateResult(
            gate=gate, name=name, outcome="unsure", reason=f"{title}: not enough data"
        )
    over = value > gate.limit
    return GateResult(
        gate=gate, name=name, outcome="failed" if over else "passed", change=value,
        reason=f"{title} {said}, {'over' if over else 'within'} {limit}",
    )  # fmt: skip


def _is_failed(run: TraceDigest) -> bool:
    return run.status in {"error", "lost"}


def _estimate(
    metric: Metric, name: str, sides: tuple[Sample, Sample], random: Random, alpha: float
) -> _Estimate | str:
    """Return the change of a metric and its bounds, or why there is none."""
    if metric == "errors":
        return _error_shares(sides, random, alpha)
    base, head = (_values(metric, name, side) for side in sides)
    missing = sum(len(side.runs) for side in sides) - len(base) - len(head)
    if metric in {"cost", "tokens"} and missing:
        return f"unknown of {missing} runs"
    if min(len(base), len(head)) < _LEAST:
        return f"not enough data ({len(base)} and {len(head)} values)"
    if metric not in _SHARES:
        return _means(metric, base, head, alpha)
    share, design = _SHARES[metric], _design(name, sides)
    if min(len(base), len(head)) / design * (1 - share) < _BEYOND:
        return f"not enough data for {metric} ({len(base)} and {len(head)} values)"
    low, high = ratio_interval(
        base, head, share, confidence=1 - 2 * alpha, random=random, design=design
    )
    before, after = quantile(base, share), quantile(head, share)
    values = took(before), took(after)
    return _Estimate(after / max(1.0, before) - 1, low - 1, high - 1, values)


def _design(name: str, sides: tuple[Sample, Sample]) -> float:
    if not name:
        return 1.0
    groups = [groups_of(side.durations.get(name, {})) for side in sides]
    return rank_test(*groups).design


def _values(metric: Metric, name: str, side: Sample) -> Sequence[float]:
    """Return the values of a metric on one side, ordered; those of runs that are known."""
    if metric == "cost":
        return sorted(_costs(side.runs))
    if metric == "tokens":
        return sorted(_tokens(side.runs))
    if metric == "count":
        counts = [float(len(each)) for each in side.durations.get(name, {}).values()]
        return sorted([*counts, *([0.0] * (len(side.runs) - len(counts)))])
    if name:
        return ordered_values(side.durations.get(name, {}))
    return sorted(float(run.duration_ns) for run in side.runs)


def _costs(runs: Sequence[TraceDigest]) -> Iterator[float]:
    in_msat = all(run.cost_msat is not None for run in runs)
    for run in runs:
        amount = run.cost_msat if in_msat else run.cost_micros
        if amount is not None and run.cost_known:
            yield float(amount)


def _tokens(runs: Sequence[TraceDigest]) -> Iterator[float]:
    for run in runs:
        inward, outward = run.usage.total_input, run.usage.total_output
        if inward is not None or outward is not None:
            yield float((inward or 0) + (outward or 0))


def _figure(metric: Metric, values: Sequence[float]) -> float:
    return quantile(values, _SHARES[metric]) if metric in _SHARES else fmean(values)


def _means(metric: Metric, base: Sequence[float], head: Sequence[float], alpha: float) -> _Estimate:
    before, after = fmean(base), fmean(head)
    said = (took(before), took(after)) if metric == "mean" else (f"{before:,.1f}", f"{after:,.1f}")
    if before <= 0:
        change = 0.0 if after <= 0 else float("inf")
        return _Estimate(change, change, change, said)
    ratio = after / before
    errors = [
        variance(side) / len(side) / fmean(side) ** 2 if any(side) else 0.0 for side in (base, head)
    ]
    width = NormalDist().inv_cdf(1 - alpha) * ratio * sqrt(sum(errors))
    return _Estimate(ratio - 1, ratio - 1 - width, ratio - 1 + width, said)


def _error_shares(sides: tuple[Sample, Sample], random: Random, alpha: float) -> _Estimate | str:
    sizes = [len(side.runs) for side in sides]
    if min(sizes) < _LEAST:
        return f"not enough data ({sizes[0]} and {sizes[1]} runs)"
    failed = [sum(_is_failed(run) for run in side.runs) for side in sides]
    before, after = (count / size for count, size in zip(failed, sizes, strict=True))
    # Jeffreys' prior: what the shares may be, having seen so many of so many.
    draws = sorted(
        random.betavariate(failed[1] + 0.5, sizes[1] - failed[1] + 0.5)
        - random.betavariate(failed[0] + 0.5, sizes[0] - failed[0] + 0.5)
        for _ in range(_DRAWS)
    )
    values = f"{failed[0]} of {sizes[0]}", f"{failed[1]} of {sizes[1]}"
    return _Estimate(after - before, quantile(draws, alpha), quantile(draws, 1 - alpha), values)
