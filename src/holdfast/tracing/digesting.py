"""Make the digest of a trace from its spans: the row of a list, its bill, its errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from holdfast.tracing.analysis.errors import Failure, failures_of
from holdfast.tracing.analysis.exceptions import Cause, Told
from holdfast.tracing.analysis.fingerprints import fingerprint_of
from holdfast.tracing.analysis.patterns import findings_of
from holdfast.tracing.analysis.text import one_line, text_of_value
from holdfast.tracing.analysis.times import times_of
from holdfast.tracing.analysis.trace import Trace, lives_of, read_trace
from holdfast.tracing.billing.bills import bill_of, calls_of
from holdfast.tracing.billing.money import Exchange
from holdfast.tracing.billing.prices import PriceBook
from holdfast.tracing.digest import Sighting, TraceDigest
from holdfast.tracing.span import Span, Status

_WORST: Sequence[Status] = ("error", "lost", "cancelled", "open", "ok", "unset")
_LABEL = "label."
_MOST_SIGHTINGS = 100
_MOST_MESSAGE = 500


def digest_of(
    spans: Sequence[Span], *, book: PriceBook | None = None, exchange: Exchange | None = None
) -> TraceDigest:
    """Return the digest of one trace from all its spans, in any order; never raises.

    `book` has prices for calls whose cost nobody told, `exchange` turns sats and a currency into one
    another.

    The status is the worst of the spans at the top, of a run that was taken up again that of its
    last life: a failure below a span that went on is in `errors`, and in `sightings` as swallowed.
    What cannot be read is listed with its times alone, and the label `unread` says why.
    """
    try:
        return _digest(read_trace(spans), book, exchange)
    except Exception as failure:  # noqa: BLE001 - a span must not keep others from being listed
        return _bare(spans, failure)


def _digest(trace: Trace, book: PriceBook | None, exchange: Exchange | None) -> TraceDigest:
    tree = trace.tree
    first = tree.spans[tree.roots[0]]
    failures = failures_of(trace)
    calls = calls_of(tree.spans, trace.meanings, book=book, exchange=exchange)
    bill = bill_of(calls)
    return TraceDigest(
        trace_id=first.trace_id,
        name=first.name,
        start_ns=tree.begin,
        duration_ns=tree.end - tree.begin,
        status=_status(trace),
        spans=len(tree.spans),
        errors=sum(trace.failed(number) for number in range(len(tree.spans))),
        workflow=_said(trace, "workflow"),
        session=_said(trace, "session"),
        user=_said(trace, "user"),
        release=_said(trace, "release"),
        usage=bill.usage,
        cost_msat=bill.msat,
        cost_micros=bill.micros,
        currency=bill.currency,
        cost_known=not bill.unknown,
        error=_error(trace, failures),
        calls=calls,
        sightings=[*map(_sighting, failures), *_silent(trace)][:_MOST_SIGHTINGS],
        labels=_labels(first),
    )


def _status(trace: Trace) -> Status:
    found = {trace.span(lives[-1]).status for lives in lives_of(trace)}
    worst: Status = next(each for each in _WORST if each in found)
    return "ok" if worst == "unset" else worst


def _said(trace: Trace, name: str) -> str:
    """Return what the span nearest to the top says of the whole trace."""
    for meaning in trace.meanings:
        found = str(getattr(meaning, name))
        if found:
            return found
    return ""


def _error(trace: Trace, failures: Sequence[Failure]) -> str:
    failed = [failure for failure in failures if failure.origin and not failure.recovered]
    if not failed or _status(trace) == "ok":
        return ""
    first = failed[0]
    return one_line(f"{first.kind}: {first.message}" if first.kind else first.message)


def _sighting(failure: Failure) -> Sighting:
    return Sighting(
        span_id=failure.span_id,
        fingerprint=failure.fingerprint,
        error_class=failure.error_class.value,
        kind=failure.kind,
        message=failure.message[:_MOST_MESSAGE],
        origin=failure.origin,
        swallowed=failure.swallowed,
    )


def _silent(trace: Trace) -> Iterator[Sighting]:
    """Yield what is wrong in a trace without any span that failed: it has no type, but a class."""
    for finding in findings_of(trace, times_of(trace)):
        told = Told(causes=(Cause(kind=finding.error_class.value, message=finding.sentence),))
        yield Sighting(
            span_id=trace.span(finding.numbers[0]).span_id,
            fingerprint=fingerprint_of(told, place=""),
            error_class=finding.error_class.value,
            kind="",
            message=finding.sentence,
            origin=True,
        )


def _labels(root: Span) -> Mapping[str, str]:
    return {
        name.removeprefix(_LABEL): text_of_value(value)[:200]
        for name, value in root.attributes.items()
        if name.startswith(_LABEL)
    }


def _bare(spans: Sequence[Span], failure: Exception) -> TraceDigest:
    begin = min(span.start_ns for span in spans)
    first = spans[0]
    return TraceDigest(
        trace_id=first.trace_id,
        name=first.name,
        start_ns=begin,
        duration_ns=max(span.end_ns for span in spans) - begin,
        status=first.status,
        spans=len(spans),
        errors=sum(span.status == "error" for span in spans),
        cost_known=False,
        error=first.error,
        labels={"unread": f"{type(failure).__name__}: {failure}"[:200]},
    )
