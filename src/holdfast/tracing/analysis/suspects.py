"""Rank the spans of a trace by how likely they are what went wrong. No model, no other runs.

The order, from the strongest evidence down:

1. what came before the failure that ended the run and explains it: an answer cut off or broken
   before something could not read it, a loop before a limit of turns, nothing found before a
   missing value;
2. where the failure that ended the run began; of a timeout, what was still running;
3. when the run ended well: storms, loops, failures that went unnoticed, answers cut off, a slow
   branch, empty results, failures that a later try made good;
4. what takes most of the critical path.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from holdfast.frozen import frozen
from holdfast.tracing.analysis.classes import ErrorClass
from holdfast.tracing.analysis.errors import Failure, failures_of
from holdfast.tracing.analysis.patterns import Finding, findings_of
from holdfast.tracing.analysis.times import Times, times_of
from holdfast.tracing.analysis.trace import Trace, call_name, read_trace
from holdfast.tracing.analysis.words import percent
from holdfast.tracing.span import Span

_C = ErrorClass
_SILENT = {
    _C.RETRY_STORM: 70.0, _C.LOOP: 68.0, _C.CUT_OFF: 64.0, _C.REFUSED: 64.0,
    _C.INVALID_OUTPUT: 63.0, _C.SLOW: 58.0, _C.EMPTY_RESULT: 50.0,
}  # fmt: skip
_SWALLOWED, _CALLED_OFF, _ABSENT, _MENDED = 66.0, 43.0, 42.0, 40.0
SUSPICIOUS = 40.0
"""A lower score says only that a span is much of the critical path."""

_HALF = 0.5
_FATAL, _BEFORE = 100.0, 110.0
_UNREADABLE = frozenset({_C.INVALID_OUTPUT, _C.VALIDATION, _C.PROGRAM, _C.OTHER, _C.TOOL})
_MISSING = frozenset({_C.PROGRAM, _C.VALIDATION, _C.NOT_FOUND, _C.OTHER, _C.INVALID_OUTPUT})
_SPENT = frozenset({_C.LOOP, _C.BUDGET, _C.CONTEXT_OVERFLOW, _C.TIMEOUT, _C.RATE_LIMIT})
_EXPLAINS = {
    _C.CUT_OFF: _UNREADABLE, _C.INVALID_OUTPUT: _UNREADABLE, _C.REFUSED: _UNREADABLE,
    _C.EMPTY_RESULT: _MISSING, _C.LOOP: _SPENT,
}  # fmt: skip
_STILL = frozenset({"cancelled", "open", "lost"})


@frozen
class Suspect:
    """A span that may be what went wrong, and why in one sentence. More `score` is more likely."""

    number: int
    span_id: str
    score: float
    error_class: ErrorClass
    sentence: str


@frozen
class Case:
    """All that is known of what went wrong in a trace."""

    trace: Trace
    times: Times
    failures: Sequence[Failure]
    findings: Sequence[Finding]
    suspects: Sequence[Suspect]
    fatal: Sequence[Failure]
    """The failures that ended the run, where they began; the first to end first."""


def rank_suspects(spans: Sequence[Span]) -> Sequence[Suspect]:
    """Return the spans that may be what went wrong in a trace, the most likely first."""
    return case_of(read_trace(spans)).suspects


def case_of(trace: Trace) -> Case:
    """Return all that is known of what went wrong in a trace."""
    times = times_of(trace)
    failures, findings = failures_of(trace), findings_of(trace, times)
    fatal = _fatal_ones(trace, failures)
    found: dict[int, Suspect] = {}
    for suspect in _all(trace, times, failures, findings, fatal):
        known = found.get(suspect.number)
        if known is None or known.score < suspect.score:
            found[suspect.number] = suspect
    return Case(
        trace=trace,
        times=times,
        failures=failures,
        findings=findings,
        suspects=sorted(found.values(), key=lambda each: (-each.score, each.number)),
        fatal=fatal,
    )


def _fatal_ones(trace: Trace, failures: Sequence[Failure]) -> Sequence[Failure]:
    """Return the failures that began where they are and went up to the top of the trace."""
    found = [each for each in failures if each.is_fatal]
    return sorted(found, key=lambda each: (trace.tree.ends[each.number], each.number))


def _all(
    trace: Trace,
    times: Times,
    failures: Sequence[Failure],
    findings: Sequence[Finding],
    fatal: Sequence[Failure],
) -> Iterator[Suspect]:
    ended_it = {failure.number for failure in fatal}
    for place, failure in enumerate(fatal):
        yield from _fatal(trace, failure, place)
    for failure in failures:
        if failure.origin and failure.number not in ended_it:
            yield _unnoticed(trace, failure, fatal)
    for finding in findings:
        yield from _silent(trace, finding, fatal)
    yield from _slowest(trace, times)


def _fatal(trace: Trace, failure: Failure, place: int) -> Iterator[Suspect]:
    score = _FATAL - min(place, 9) / 10
    told = f"{failure.kind}: {failure.message}" if failure.kind else failure.message
    yield _suspect(trace, failure.number, score, failure.error_class, told)
    if failure.error_class in {_C.TIMEOUT, _C.CANCELLED}:
        running = _running_at_end(trace, failure.number)
        if running != failure.number:
            sentence = f"{call_name(trace, running)} was still running when the time was up"
            yield _suspect(trace, running, score + 5, failure.error_class, sentence)


def _running_at_end(trace: Trace, number: int) -> int:
    """Return the deepest span that had to be stopped when a span ended."""
    tree = trace.tree
    while True:
        since = tree.ends[number] - (tree.ends[number] - tree.begins[number]) // 64
        stopped = [
            child for child in tree.children[number]
            if tree.spans[child].status in _STILL and tree.ends[child] >= since
        ]  # fmt: skip
        if not stopped:
            return number
        number = min(stopped, key=lambda child: (tree.begins[child], child))


def _unnoticed(trace: Trace, failure: Failure, fatal: Sequence[Failure]) -> Suspect:
    name = call_name(trace, failure.number)
    told = f"{failure.kind}: {failure.message}" if failure.kind else failure.message
    if failure.recovered:
        sentence = f"{name} failed and worked at a later try ({told})"
        return _suspect(trace, failure.number, _MENDED, failure.error_class, sentence)
    if trace.span(failure.number).status == "cancelled":
        sentence = f"{name} was called off and the run went on"
        return _suspect(trace, failure.number, _CALLED_OFF, failure.error_class, sentence)
    # That something is not there is often an answer and no fault: a cache, a first visit.
    score = _ABSENT if failure.error_class is _C.NOT_FOUND else _SWALLOWED
    if (
        failure.swallowed
        and score == _SWALLOWED
        and any(
            each.error_class in {_C.PROGRAM, _C.VALIDATION, _C.INVALID_OUTPUT}
            and trace.tree.ends[failure.number] <= trace.tree.ends[each.number]
            for each in fatal
        )
    ):
        score = _FATAL + 4
    return _suspect(
        trace, failure.number, score, failure.error_class,
        f"{name} failed and the run went on ({told})",
    )  # fmt: skip


def _silent(trace: Trace, finding: Finding, fatal: Sequence[Failure]) -> Iterator[Suspect]:
    base = _SILENT[finding.error_class] + min(finding.weight, 20.0) / 20
    explained = _EXPLAINS.get(finding.error_class, frozenset[ErrorClass]())
    for place, number in enumerate(finding.numbers):
        score = base - min(place, 99) / 100
        ended = trace.tree.ends[number]
        later = [
            each for each in fatal
            if each.error_class in explained and ended <= trace.tree.ends[each.number]
        ]  # fmt: skip
        if later:
            # The last thing that went wrong in silence before the failure explains it best.
            latest = max(trace.tree.ends[each.number] for each in later)
            whole = max(1, latest - trace.tree.begin)
            score = _BEFORE - min(place, 99) / 100 - (latest - ended) / whole
        yield _suspect(trace, number, score, finding.error_class, finding.sentence)


def _slowest(trace: Trace, times: Times) -> Iterator[Suspect]:
    if not times.total_ns:
        return
    for number, share in enumerate(times.path_own_ns):
        if share * 20 > times.total_ns and not trace.is_wait(number):
            part = share / times.total_ns
            name, whole = trace.span(number).name, percent(share, times.total_ns)
            sentence = f"{name} is {whole} of the critical path"
            score = (39 if part > _HALF else 10) + 10 * part
            yield _suspect(trace, number, score, _C.SLOW, sentence)


def _suspect(
    trace: Trace, number: int, score: float, error_class: ErrorClass, sentence: str
) -> Suspect:
    return Suspect(
        number=number,
        span_id=trace.span(number).span_id,
        score=score,
        error_class=error_class,
        sentence=sentence,
    )
