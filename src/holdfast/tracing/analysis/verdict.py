"""Say in one line what became of a run and why, and support it, by fixed templates.

Each sentence names the spans that it is about, so that every word can be looked up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from holdfast.frozen import frozen
from holdfast.tracing.analysis.classes import ErrorClass
from holdfast.tracing.analysis.errors import Failure
from holdfast.tracing.analysis.exceptions import Cause
from holdfast.tracing.analysis.replay import savings_of
from holdfast.tracing.analysis.suspects import SUSPICIOUS, Case, Suspect, case_of
from holdfast.tracing.analysis.text import one_line
from holdfast.tracing.analysis.times import names_of
from holdfast.tracing.analysis.trace import RELEASED, Trace, is_unloaded, lives_of, read_trace
from holdfast.tracing.analysis.waits import Why
from holdfast.tracing.analysis.words import count_of, listed, percent, took
from holdfast.tracing.span import Span

Outcome = Literal[
    "failed", "lost", "cancelled", "open", "stopped", "doubtful", "waited", "slow", "empty"
]
"""What the line is about. `doubtful`: it ended well, but something in it went wrong unnoticed;
`slow`: it ended well, and the line says what it took its time for."""

_FOR: Mapping[Why, str] = {
    "human": "for a person", "queue": "in a queue or for a timer", "retry": "between two tries",
    "unloaded": "while nobody worked on it",
}  # fmt: skip
_DOUBT = 50.0
_SENTENCES = 12


@frozen
class Sentence:
    """One sentence, and the ids of the spans that it is about."""

    text: str
    span_ids: Sequence[str] = ()


@frozen
class Verdict:
    """What became of a run: one line, and the sentences that support it."""

    outcome: Outcome
    line: Sentence
    support: Sequence[Sentence] = ()


def verdict_of(spans: Sequence[Span]) -> Verdict:
    """Return the verdict on a trace."""
    return judge(case_of(read_trace(spans)))


def judge(case: Case) -> Verdict:
    """Return the verdict on a trace of which all is known."""
    if not case.trace.tree.spans:
        return Verdict(outcome="empty", line=Sentence(text="there are no spans"))
    outcome, line = _line(case)
    support = [*_about_failures(case), *_about_doubts(case, line), *_about_time(case, line),
               *_about_the_record(case.trace)]  # fmt: skip
    return Verdict(outcome=outcome, line=line, support=support[:_SENTENCES])


def _line(case: Case) -> tuple[Outcome, Sentence]:
    last = [case.trace.span(lives[-1]) for lives in lives_of(case.trace)]
    statuses = {span.status for span in last}
    first = case.suspects[0] if case.suspects else None
    if "error" in statuses and case.fatal and first is not None:
        return "failed", _failed(case, first)
    if "lost" in statuses:
        return "lost", _stopped(case, "lost", "its process died")
    if "open" in statuses:
        return "open", _stopped(case, "open", "still running")
    if "cancelled" in statuses and "ok" not in statuses:
        return "cancelled", _stopped(case, "cancelled", "called off")
    if "error" in statuses:
        failed = next(span for span in last if span.status == "error")
        return "failed", Sentence(text="failed, and nothing says why", span_ids=(failed.span_id,))
    if any(span.attributes.get("stopped") == RELEASED for span in last):
        return "stopped", _stopped(case, "cancelled", "its process was stopped")
    if any(map(is_unloaded, last)):
        return "waited", Sentence(
            text="waits: it goes on when what it waits for is there",
            span_ids=tuple(span.span_id for span in last if is_unloaded(span)),
        )
    return _of_success(case, first)


def _failed(case: Case, first: Suspect) -> Sentence:
    trace = case.trace
    failure = _failure_behind(case, first)
    where = _place(trace, failure.number)
    why = one_line(_told(failure))
    if first.number != failure.number:
        why = f"{one_line(first.sentence)}, then: {why}"
    ids = dict.fromkeys((first.span_id, failure.span_id))
    return Sentence(text=f"failed at {where} because {why}", span_ids=tuple(ids))


def _failure_behind(case: Case, suspect: Suspect) -> Failure:
    """Return the failure that ended the run: the suspect itself, or the last that it explains."""
    own = [failure for failure in case.fatal if failure.number == suspect.number]
    return (own or case.fatal)[0]


def _told(failure: Failure) -> str:
    return f"{failure.kind}: {failure.message}" if failure.kind else failure.message


def _place(trace: Trace, number: int) -> str:
    """Return the name of a span, and of the step around it."""
    name = trace.span(number).name
    for above in trace.tree.way_up(number):
        if trace.meanings[above].role == "step":
            return f"{trace.span(above).name} ({name})"
    return name


def _stopped(case: Case, status: str, what: str) -> Sentence:
    """Say which spans were under way: those of a status that have none of it below them."""
    trace = case.trace
    deepest = [
        number for number, span in enumerate(trace.tree.spans)
        if span.status == status
        and not any(trace.span(child).status == status for child in trace.tree.children[number])
    ]  # fmt: skip
    if not deepest:
        top = trace.span(trace.tree.roots[0])
        return Sentence(text=f"{what} between two steps", span_ids=(top.span_id,))
    names = listed([_place(trace, number) for number in deepest])
    since = _since(trace.span(deepest[0]))
    ids = tuple(trace.span(number).span_id for number in deepest)
    return Sentence(text=f"{what}: {names} was under way{since}", span_ids=ids)


def _since(span: Span) -> str:
    """Say how long a span was under way; of a lost one only the last that its process told is known."""
    if span.status != "lost":
        return f" for {took(span.duration_ns)}"
    return f" for at least {took(span.duration_ns)}" if span.duration_ns else ""


def _of_success(case: Case, first: Suspect | None) -> tuple[Outcome, Sentence]:
    times = case.times
    if first is not None and first.score >= _DOUBT:
        text = f"ended well, but {one_line(first.sentence)}"
        return "doubtful", Sentence(text=text, span_ids=(first.span_id,))
    if times.waiting_ns * 2 > times.total_ns:
        why = max(times.waits, key=lambda each: times.waits[each])
        text = f"waited {percent(times.waiting_ns, times.total_ns)} of its time, mostly {_FOR[why]}"
        return "waited", Sentence(text=text, span_ids=_waiting(case.trace))
    return "slow", _slowest(case)


def _waiting(trace: Trace) -> Sequence[str]:
    return [span.span_id for number, span in enumerate(trace.tree.spans) if trace.is_wait(number)][
        :8
    ]


def _slowest(case: Case) -> Sentence:
    names = [each for each in names_of(case.trace, case.times) if each.path_ns]
    if not names:
        return Sentence(text="took no time")
    top = names[0]
    ids = [span.span_id for span in case.trace.tree.spans if span.name == top.name][:8]
    share = percent(top.path_ns, case.times.total_ns)
    calls = f" in {count_of(top.count, 'call')}" if top.count > 1 else ""
    text = f"{top.name} is {share} of the critical path ({took(top.path_ns)}{calls})"
    return Sentence(text=text, span_ids=ids)


def _about_failures(case: Case) -> Iterator[Sentence]:
    for failure in case.fatal[:2]:
        where = ""
        if failure.frames:
            call = failure.frames[-1]
            at = f", line {call.line}" if call.line is not None else ""
            where = f", in {call.module}.{call.function}{at}"
        name = case.trace.span(failure.number).name
        yield Sentence(
            text=f"it began in {name} [{failure.error_class}]{where}", span_ids=(failure.span_id,)
        )
        for cause in failure.causes[1:3]:
            yield Sentence(
                text=f"behind it: {one_line(_cause(cause))}", span_ids=(failure.span_id,)
            )
        if failure.passed:
            numbers = case.trace.tree.numbers()
            names = [case.trace.span(numbers[each]).name for each in failure.passed]
            yield Sentence(text=f"it passed through {listed(names)}", span_ids=failure.passed)


def _cause(cause: Cause) -> str:
    return f"{cause.kind}: {cause.message}" if cause.kind else cause.message


def _about_doubts(case: Case, line: Sentence) -> Iterator[Sentence]:
    fatal = {failure.number for failure in case.fatal}
    seen: set[tuple[ErrorClass, str]] = set()
    for suspect in case.suspects:
        key = suspect.error_class, suspect.sentence
        if suspect.score < SUSPICIOUS or suspect.number in fatal or key in seen:
            continue
        if suspect.error_class is ErrorClass.SLOW and suspect.score < _DOUBT:
            continue  # that much is said of the time
        seen.add(key)
        if one_line(suspect.sentence) not in line.text:
            yield Sentence(text=one_line(suspect.sentence), span_ids=(suspect.span_id,))
        if len(seen) == 4:
            return


def _about_time(case: Case, line: Sentence) -> Iterator[Sentence]:
    times = case.times
    slowest = _slowest(case)
    if slowest.text != line.text:
        yield slowest
    if times.waiting_ns * 20 > times.total_ns and "waited" not in line.text:
        parts = ", ".join(f"{took(length)} {_FOR[why]}" for why, length in times.waits.items())
        share = percent(times.waiting_ns, times.total_ns)
        yield Sentence(text=f"waited {share} of its time: {parts}", span_ids=_waiting(case.trace))
    if times.unaccounted_ns * 10 > times.total_ns:
        share = percent(times.unaccounted_ns, times.total_ns)
        yield Sentence(text=f"{share} of its time ({took(times.unaccounted_ns)}) no span explains")
    for saving in savings_of(case.trace, times, most=3)[:1]:
        if saving.share >= 0.01:
            faster = f"{1 - saving.factor:.0%}".replace("%", " %")
            text = f"{faster} faster {saving.name} saves {percent(saving.share, 1)} of the run"
            yield Sentence(text=text)


def _about_the_record(trace: Trace) -> Iterator[Sentence]:
    tree = trace.tree
    times = max((len(lives) for lives in lives_of(trace)), default=1)
    if times > 1:
        yield Sentence(text=f"it was taken up again {count_of(times - 1, 'time')}")
    linked = tree.linked()
    if linked:
        text = f"it is linked to {count_of(len(linked), 'trace')}: {listed([*linked])}"
        ids = [span.span_id for span in tree.spans if span.links][:8]
        yield Sentence(text=text, span_ids=ids)
    if tree.orphans:
        text = f"the parent of {count_of(len(tree.orphans), 'span')} is not here"
        yield Sentence(text=text, span_ids=tree.orphans[:8])
    if tree.shifts:
        most = max(tree.shifts.values(), key=abs)
        text = f"clocks were set right in {count_of(len(tree.shifts), 'span')}, by up to {took(abs(most))}"
        yield Sentence(text=text, span_ids=list(tree.shifts)[:8])
    if tree.cut:
        yield Sentence(text="spans lay in a circle, which was cut", span_ids=tree.cut)
