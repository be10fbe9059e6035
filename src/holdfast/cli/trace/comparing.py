"""`holdfast trace compare`: two runs, or two releases; a gate for CI."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from holdfast.cli.output import Output, count
from holdfast.cli.tables import print_sentence
from holdfast.cli.trace.desk import find_trace, traces_of
from holdfast.cli.trace.printing import SHORT, took
from holdfast.errors import UsageError
from holdfast.frozen import frozen, replace
from holdfast.tracing.digest import TraceDigest
from holdfast.tracing.store.seam import ANY, Query, TraceStore

if TYPE_CHECKING:
    from holdfast.tracing.comparing.gates import Gate, GateReport, Sample
    from holdfast.tracing.comparing.releases import NameComparison
    from holdfast.tracing.comparing.runs import Change

GATE_CODE = 1
"""The exit code when a gate failed."""

_PAGE = 500
_SEED = 20_261_126
_SIDES = ("release", "workflow", "name", "session", "user")


@frozen
class _Side:
    """One side of a comparison: one trace, or all that a query means."""

    text: str
    trace_id: str = ""
    query: Query = ANY


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    del verb
    what = "a trace, or many: release=NAME, workflow=NAME, name=NAME, session=NAME, user=NAME"
    parser.add_argument("base", metavar="BASE", help=f"what it was: {what}")
    parser.add_argument("head", metavar="HEAD", help="what it is now, as BASE")
    parser.add_argument(
        "--fail-on", metavar="GATES",
        help="exit with 1 if HEAD is worse: p50, p95, p99, mean, errors, cost, tokens or count, such "
        "as 'p95>20%%' or 'search:p95>500ms', several with commas",
    )  # fmt: skip
    parser.add_argument(
        "--strict", action="store_true", help="too little data to tell fails a gate too"
    )
    parser.add_argument("--all", action="store_true", help="also names that did not change")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print how HEAD differs from BASE."""
    from holdfast.tracing.comparing.gates import parse_gates  # noqa: PLC0415 - only here

    gates = parse_gates(arguments.fail_on) if arguments.fail_on else ()
    with traces_of(arguments, output) as traces:
        base, head = _side(arguments.base, traces), _side(arguments.head, traces)
        if bool(base.trace_id) != bool(head.trace_id):
            raise UsageError("one trace cannot be compared with many", hint="name two of a kind")
        samples = _sample(traces, base), _sample(traces, head)
        data: dict[str, object] = {"base": base.text, "head": head.text}
        if base.trace_id:
            data |= _compare_runs(traces, base, head, output)
        else:
            data |= _compare_releases(samples, arguments, output)
    report = _check(gates, samples, arguments)
    if report is not None:
        data["gates"] = _gates_data(report)
        _print_gates(report, output)
    output.data(data)
    return GATE_CODE if report is not None and report.failed else 0


def _side(text: str, traces: TraceStore) -> _Side:
    kind, is_query, value = text.partition("=")
    if not is_query:
        return _Side(text=text, trace_id=find_trace(traces, text))
    if kind not in _SIDES or not value:
        listed = ", ".join(f"{each}=NAME" for each in _SIDES)
        raise UsageError(f"{text!r} says nothing to compare", hint=f"give an id, or {listed}")
    return _Side(text=text, query=replace(ANY, **{kind: value}))


def _sample(traces: TraceStore, side: _Side) -> Sample:
    from holdfast.tracing.comparing.gates import Sample  # noqa: PLC0415 - only here

    query = Query(trace_id=side.trace_id) if side.trace_id else side.query
    runs = _every(traces, query)
    if not runs:
        raise UsageError(f"no trace is {side.text!r}", hint="`holdfast trace list` shows them")
    names = traces.statistics(query, exact=True)
    durations = {each.name: traces.durations(each.name, query) for each in names}
    return Sample(runs=runs, durations=durations)


def _every(traces: TraceStore, query: Query) -> list[TraceDigest]:
    found: list[TraceDigest] = []
    cursor = ""
    while True:
        page = traces.traces(query, limit=_PAGE, cursor=cursor)
        found += page.traces
        cursor = page.cursor
        if not cursor:
            return found


def _compare_runs(
    traces: TraceStore, base: _Side, head: _Side, output: Output
) -> dict[str, object]:
    from holdfast.tracing.comparing.runs import compare_runs  # noqa: PLC0415 - only here

    found = compare_runs(traces.spans(base.trace_id), traces.spans(head.trace_id))
    print_sentence(
        f"{base.trace_id[:SHORT]} took {took(found.base_ns)}, {head.trace_id[:SHORT]} took "
        f"{took(found.head_ns)}; {count(found.matched, 'span')} in both",
        output,
    )
    if found.first_divergence is None:
        output.line("both did the same")
    else:
        print_sentence(f"first divergence: {found.first_divergence.text}", output, indent=4)
    for change in found.changes:
        because = "  (follows from another)" if change.is_consequence else ""
        print_sentence(f"  {change.text}{because}", output, indent=4)
    return {
        "base_ms": found.base_ns / 1e6,
        "head_ms": found.head_ns / 1e6,
        "matched": found.matched,
        "same": found.is_same,
        "first_divergence": _change_data(found.first_divergence),
        "changes": [_change_data(each) for each in found.changes],
    }


def _change_data(change: Change | None) -> dict[str, object] | None:
    if change is None:
        return None
    return {
        "what": change.what,
        "name": change.name,
        "text": change.text,
        "base_span": change.base_id or None,
        "head_span": change.head_id or None,
        "base_ms": change.base_ns / 1e6,
        "head_ms": change.head_ns / 1e6,
        "consequence": change.is_consequence,
    }


def _compare_releases(
    samples: tuple[Sample, Sample], arguments: argparse.Namespace, output: Output
) -> dict[str, object]:
    from random import Random  # noqa: PLC0415 - only here

    from holdfast.tracing.comparing.releases import compare_releases  # noqa: PLC0415 - as above

    base, head = samples
    found = compare_releases(
        base.durations,
        head.durations,
        random=Random(_SEED),  # noqa: S311 - the same answer each time, no secret
        base_runs=len(base.runs),
        head_runs=len(head.runs),
    )
    output.line(f"{count(found.base_runs, 'run')} before, {count(found.head_runs, 'run')} now")
    shown = [each for each in found.names if arguments.all or each.finding != "same"]
    for each in shown:
        print_sentence(f"  {each.text}", output, indent=4)
    if len(shown) < len(found.names):
        output.line(f"  {count(len(found.names) - len(shown), 'name')} did not change")
    return {
        "base_runs": found.base_runs,
        "head_runs": found.head_runs,
        "names": [_name_data(each) for each in found.names],
    }


def _name_data(each: NameComparison) -> dict[str, object]:
    return {
        "name": each.name,
        "finding": each.finding,
        "ratio": each.ratio,
        "p": each.p,
        "text": each.text,
    }


def _check(
    gates: Sequence[Gate], samples: tuple[Sample, Sample], arguments: argparse.Namespace
) -> GateReport | None:
    if not gates:
        return None
    from random import Random  # noqa: PLC0415 - only here

    from holdfast.tracing.comparing.gates import check_gates  # noqa: PLC0415 - as above

    return check_gates(
        gates,
        *samples,
        random=Random(_SEED),  # noqa: S311 - as above
        strict=arguments.strict,
    )


def _gates_data(report: GateReport) -> list[dict[str, object]]:
    return [
        {
            "gate": each.gate.text,
            "name": each.name,
            "outcome": each.outcome,
            "reason": each.reason,
            "change": each.change,
            "low": each.low,
            "high": each.high,
        }
        for each in report.results
    ]


def _print_gates(report: GateReport, output: Output) -> None:
    for each in report.results:
        print_sentence(f"gate {each.outcome}: {each.reason}", output, indent=4)
    output.note(_gates_said(report))


def _gates_said(report: GateReport) -> str:
    if report.failed:
        return "the gates failed"
    unsure = sum(each.outcome == "unsure" for each in report.results)
    if unsure:
        unsure_said = f"{unsure} of {count(len(report.results), 'gate')}"
        return f"no gate failed, but {unsure_said} had too little data to tell; --strict fails then"
    return "the gates passed"
