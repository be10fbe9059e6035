"""What failed in a trace, where it began, and what went unnoticed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from holdfast.frozen import frozen
from holdfast.tracing.analysis.classes import ErrorClass, class_of
from holdfast.tracing.analysis.exceptions import Cause, Frame, Told, told_by
from holdfast.tracing.analysis.fingerprints import fingerprint_of
from holdfast.tracing.analysis.text import one_line
from holdfast.tracing.analysis.trace import Trace, arguments_hash, call_name

_PASSED = 100


@frozen
class Failure:
    """One span that failed.

    `origin` is true where the failure began: no failed span below explains it. `swallowed`: the
    span above went on as if nothing had been. `recovered`: the same call worked later. `passed`
    are the spans above that failed with it, the nearest first, up to 100.
    """

    number: int
    span_id: str
    kind: str
    message: str
    error_class: ErrorClass
    fingerprint: str
    causes: Sequence[Cause]
    frames: Sequence[Frame]
    """The calls in the application, the innermost last."""
    origin: bool
    swallowed: bool
    recovered: bool
    passed: Sequence[str] = ()


def failures_of(trace: Trace) -> Sequence[Failure]:
    """Return a failure for each span that failed, in the order of the tree.

    Cancelled spans count when nothing failed: then somebody called the work off.
    """
    tree = trace.tree
    numbers = [number for number in range(len(tree.spans)) if trace.failed(number)]
    if not numbers:
        numbers = [number for number, span in enumerate(tree.spans) if span.status == "cancelled"]
    told = {number: told_by(trace.span(number)) for number in numbers}
    recovered = _recovered(trace, numbers)
    began_below = _explained(trace, told, recovered)
    return [_failure(trace, number, told, recovered, began_below) for number in numbers]


def _failure(
    trace: Trace,
    number: int,
    told: Mapping[int, Told],
    recovered: frozenset[int],
    began_below: frozenset[int],
) -> Failure:
    span, what = trace.span(number), told[number]
    passed: list[str] = []
    parent = above = trace.tree.parents[number]
    while above in told and above in began_below and len(passed) < _PASSED:
        passed.append(trace.span(above).span_id)
        above = trace.tree.parents[above]
    return Failure(
        number=number,
        span_id=span.span_id,
        kind=what.kind,
        message=what.message or one_line(span.error) or _untold(span.status),
        error_class=class_of(span, trace.meanings[number].role, what),
        fingerprint=fingerprint_of(what, place=f"{span.status} {span.name}"),
        causes=what.causes,
        frames=[frame for frame in what.frames if frame.in_app],
        origin=number not in began_below,
        swallowed=parent >= 0 and trace.span(parent).status in {"ok", "unset"},
        recovered=number in recovered,
        passed=passed,
    )


def _untold(status: str) -> str:
    return {"lost": "its process died", "cancelled": "it was called off"}.get(status, "it failed")


def _recovered(trace: Trace, numbers: Sequence[int]) -> frozenset[int]:
    """Return the failed spans of which a later sibling is the same call and did work."""
    worked: dict[tuple[int, str], dict[str, int]] = {}
    parents = {trace.tree.parents[number] for number in numbers}
    for parent in parents:
        for child in trace.tree.roots if parent < 0 else trace.tree.children[parent]:
            if trace.span(child).status in {"ok", "unset"}:
                calls = worked.setdefault((parent, call_name(trace, child)), {})
                calls[arguments_hash(trace, child)] = child
    found: set[int] = set()
    for number in numbers:
        calls = worked.get((trace.tree.parents[number], call_name(trace, number)), {})
        arguments = arguments_hash(trace, number)
        last = calls.get(arguments, -1) if arguments else max(calls.values(), default=-1)
        if last > number:
            found.add(number)
    return frozenset(found)


def _explained(trace: Trace, told: Mapping[int, Told], recovered: frozenset[int]) -> frozenset[int]:
    """Return the failed spans whose failure began in a span below them.

    A failed child explains its parent, unless the same call worked later, or unless the parent
    tells of something else and other work came between.
    """
    numbers = trace.tree.numbers()
    explained: set[int] = set()
    for number, what in told.items():
        origin = numbers.get(what.origin, -1)
        if number < origin < trace.tree.stops[number]:
            explained.add(number)
            continue
        own = bool(what.causes) and bool(what.frames)
        for child in trace.tree.children[number]:
            if child not in told or child in recovered:
                continue
            if not own or _tells_of(what, told[child]) or _is_last(trace, number, child):
                explained.add(number)
    return frozenset(explained)


def _tells_of(above: Told, below: Told) -> bool:
    """Tell whether a failure names another one: as its cause, or in its message."""
    kinds = {cause.kind.rpartition(".")[2] for cause in above.causes}
    said = " ".join(cause.message for cause in above.causes)
    return below.kind in kinds or bool(below.message and below.message[:80] in said)


def _is_last(trace: Trace, number: int, child: int) -> bool:
    """Tell whether nothing else worked in a span after its child had failed."""
    ended = trace.tree.ends[child]
    return all(
        trace.tree.begins[other] < ended or trace.failed(other)
        for other in trace.tree.children[number]
        if other != child
    )
