"""What failed in a trace, where it began, and what went unnoticed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from holdfast.frozen import frozen
from holdfast.tracing.analysis.classes import ErrorClass, class_of
from holdfast.tracing.analysis.exceptions import Cause, Frame, Told, told_by
from holdfast.tracing.analysis.fingerprints import fingerprint_of
from holdfast.tracing.analysis.text import one_line
from holdfast.tracing.analysis.trace import Trace, arguments_hash, call_name, is_unloaded, lives_of

_PASSED = 100
_VAGUE = frozenset(
    {ErrorClass.OTHER, ErrorClass.PROGRAM, ErrorClass.TOOL, ErrorClass.MODEL, ErrorClass.NETWORK}
)
"""Classes that say little of a failure which began elsewhere."""


@frozen
class Failure:
    """One span that failed.

    `origin` is true where the failure began: no failed span below explains it. `swallowed`: the
    span above went on as if nothing had been. `recovered`: the same call worked later, or the run
    was taken up again. `passed` are the spans above that failed with it, the nearest first, up to
    100. `is_fatal`: it began here and ended the run.
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
    is_fatal: bool = False


def failures_of(trace: Trace) -> Sequence[Failure]:
    """Return a failure for each span that failed, in the order of the tree.

    Cancelled spans count where nothing above them failed: then somebody called the work off.
    """
    ended = {root for lives in lives_of(trace) for root in lives[:-1]}
    numbers = _failed_numbers(trace, ended)
    told = {number: told_by(trace.span(number)) for number in numbers}
    recovered = _recovered(trace, numbers)
    explained = _explained(trace, told, recovered)
    classes = _classes(trace, told, explained)
    mended = recovered | _below(trace, ended, numbers)
    to_top: set[int] = set()
    for number in numbers:
        parent = trace.tree.parents[number]
        if parent < 0 or (parent in to_top and number in explained.get(parent, ())):
            to_top.add(number)
    return [
        _failure(trace, number, told[number], classes[number], (mended, explained, to_top))
        for number in numbers
    ]


def _failed_numbers(trace: Trace, ended: set[int]) -> list[int]:
    """Return what failed, and what was called off; not what an earlier life was doing at its end."""
    numbers: list[int] = []
    excused: list[bool] = []
    for number, parent in enumerate(trace.tree.parents):
        if parent < 0:
            above = number in ended or is_unloaded(trace.span(number))
        else:
            above = excused[parent] or trace.failed(parent)
        excused.append(above)
        called_off = trace.span(number).status == "cancelled" and not above
        if called_off or trace.failed(number):
            numbers.append(number)
    return numbers


def _below(trace: Trace, roots: set[int], numbers: Sequence[int]) -> frozenset[int]:
    """Return the spans that lie below some roots, and these."""
    inside = [range(root, trace.tree.stops[root]) for root in roots]
    return frozenset(number for number in numbers if any(number in each for each in inside))


def _failure(
    trace: Trace,
    number: int,
    what: Told,
    error_class: ErrorClass,
    known: tuple[frozenset[int], Mapping[int, frozenset[int]], set[int]],
) -> Failure:
    span, (recovered, explained, to_top) = trace.span(number), known
    passed: list[str] = []
    parent, at = trace.tree.parents[number], number
    while at in explained.get(above := trace.tree.parents[at], ()) and len(passed) < _PASSED:
        passed.append(trace.span(above).span_id)
        at = above
    return Failure(
        number=number,
        span_id=span.span_id,
        kind=what.kind,
        message=what.message or one_line(span.error) or _untold(span.status),
        error_class=error_class,
        fingerprint=fingerprint_of(what, place=f"{span.status} {span.name}"),
        causes=what.causes,
        frames=[frame for frame in what.frames if frame.in_app],
        origin=number not in explained,
        swallowed=parent >= 0 and trace.span(parent).status in {"ok", "unset"},
        recovered=number in recovered,
        passed=passed,
        is_fatal=number in to_top and number not in explained and number not in recovered,
    )


def _classes(
    trace: Trace, told: Mapping[int, Told], explained: Mapping[int, frozenset[int]]
) -> Mapping[int, ErrorClass]:
    """Return the class of each failure; one that says little has that of what it passed on."""
    classes: dict[int, ErrorClass] = {}
    for number in sorted(told, reverse=True):
        own = class_of(trace.span(number), trace.meanings[number].role, told[number])
        below = explained.get(number)
        classes[number] = classes[min(below)] if below and own in _VAGUE else own
    return classes


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


def _explained(
    trace: Trace, told: Mapping[int, Told], recovered: frozenset[int]
) -> Mapping[int, frozenset[int]]:
    """Return for each failed span the children whose failure it passed on, if there are any."""
    numbers = trace.tree.numbers()
    explained: dict[int, frozenset[int]] = {}
    for number, what in told.items():
        origin = numbers.get(what.origin, -1)
        if number < origin < trace.tree.stops[number]:
            explained[number] = frozenset({_child_above(trace, number, origin)})
            continue
        failed = [
            child for child in trace.tree.children[number]
            if child in told and child not in recovered and _may_explain(trace, number, child)
        ]  # fmt: skip
        if failed:
            found = _of_same_telling(trace, number, failed, told)
            if found:
                explained[number] = found
    return explained


def _child_above(trace: Trace, number: int, below: int) -> int:
    """Return the child of a span in which another span lies."""
    children = trace.tree.children[number]
    return children[bisect_right(children, below) - 1]


def _may_explain(trace: Trace, number: int, child: int) -> bool:
    """Tell whether a child could have ended its parent: who died or was cancelled did not fail."""
    above = trace.span(number).status
    return above == "error" or above == trace.span(child).status


def _of_same_telling(
    trace: Trace, number: int, failed: Sequence[int], told: Mapping[int, Told]
) -> frozenset[int]:
    """Return the children that a span tells of; else the last, if nothing else was done after it."""
    what = told[number]
    alike = frozenset(child for child in failed if _tells_of(what, told[child]))
    if alike:
        return alike
    last = max(failed, key=trace.tree.ends.__getitem__)
    return frozenset({last}) if not what.causes or _is_last(trace, number, last) else frozenset()


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
