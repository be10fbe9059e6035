"""What went wrong without anybody saying so: storms, loops, answers cut off, nothing found.

Each finding names the spans that show it, the most telling first. None of them needs a span that is
marked as failed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import cast

from holdfast.frozen import frozen
from holdfast.tracing.analysis.classes import ErrorClass
from holdfast.tracing.analysis.text import first_number, text_of_value
from holdfast.tracing.analysis.times import Times
from holdfast.tracing.analysis.trace import Trace, arguments_hash, call_name, output_hash
from holdfast.tracing.payload import MARK

STORM = 4
"""So many tries of one call, all but the last failed, are a storm."""

LOOP = 4
"""So many calls with the same arguments that work are a loop."""

SLOW = 4
"""So many times the median of its like, or more, is slow."""

_LIKE = 3
_PATH_SHARE = 0.2
_NOTHING_NS = 1_000_000
_LENGTH = frozenset(
    {"length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded",
     "max_completion_tokens", "incomplete", "token_limit", "max_length"}
)  # fmt: skip
_FILTERED = frozenset(
    {"content_filter", "content_filtered", "safety", "recitation", "blocklist",
     "prohibited_content", "spii", "refusal", "guardrail_intervened", "error_toxic", "blocked"}
)  # fmt: skip
_ATTEMPTS = ("attempts", "holdfast.attempts", "http.request.resend_count", "retry_count", "retries")
_COUNTED = frozenset(_ATTEMPTS)
_LOOPING = frozenset({"tool", "retrieval", "model", "agent", "step", "memory"})
_EMPTY = frozenset({"", "[]", "{}", "null", "none", "()", '""', "''", "[[]]"})
_TEXTS = ("content", "text", "parts", "message", "choices")
_DEEPEST = 20
_CONTENTS = (
    "results",
    "documents",
    "items",
    "matches",
    "hits",
    "rows",
    "data",
    "output",
    "content",
)


@frozen
class Finding:
    """Something wrong: its class, what is told of it, and its spans by number.

    `weight` says how strongly the spans speak for it: for a storm or a loop how many calls, for a
    slow branch how many times its like.
    """

    error_class: ErrorClass
    sentence: str
    numbers: Sequence[int]
    weight: float = 1.0


def findings_of(trace: Trace, times: Times) -> Sequence[Finding]:
    """Return all that is wrong in a trace without being marked as failed, by class."""
    return [
        *storms_in(trace),
        *loops_in(trace),
        *answers_in(trace),
        *empty_results_in(trace),
        *slow_in(trace, times),
    ]


def storms_in(trace: Trace) -> Iterator[Finding]:
    """Yield calls that were tried again and again below one span, and attempts that spans count."""
    for numbers in _siblings(trace):
        calls: dict[tuple[str, str], list[int]] = {}
        for number in numbers:
            calls.setdefault((call_name(trace, number), arguments_hash(trace, number)), []).append(
                number
            )
        for (name, _), tries in calls.items():
            failed = [number for number in tries if trace.failed(number)]
            if len(tries) >= STORM and len(failed) >= len(tries) - 1:
                yield _storm(name, len(tries), failed)
    for number, span in enumerate(trace.tree.spans):
        if _COUNTED.isdisjoint(span.attributes):
            continue
        attempts = first_number(span.attributes, _ATTEMPTS)
        if attempts is not None and STORM <= attempts < 1_000_000:
            yield _storm(call_name(trace, number), attempts, [number])


def _storm(name: str, count: int, numbers: Sequence[int]) -> Finding:
    return Finding(
        error_class=ErrorClass.RETRY_STORM,
        sentence=f"{name} was tried {count} times",
        numbers=numbers,
        weight=count,
    )


def _siblings(trace: Trace) -> Iterator[Sequence[int]]:
    """Yield the children of each span that has enough of them for a storm, some failed."""
    for numbers in (trace.tree.roots, *trace.tree.children):
        if len(numbers) >= STORM and any(trace.failed(number) for number in numbers):
            yield numbers


def loops_in(trace: Trace) -> Iterator[Finding]:
    """Yield calls that were made with the same arguments again and again, whatever came out.

    Calls within calls that repeat are told once, as the outer ones. Tries that failed are none.
    """
    calls: dict[tuple[str, str], list[int]] = {}
    for number, meaning in enumerate(trace.meanings):
        if meaning.role not in _LOOPING or trace.failed(number):
            continue
        arguments = arguments_hash(trace, number)
        if arguments:
            calls.setdefault((call_name(trace, number), arguments), []).append(number)
    repeated = {call: numbers for call, numbers in calls.items() if len(numbers) >= LOOP}
    inside = _below(trace, {number for numbers in repeated.values() for number in numbers})
    for (name, _), numbers in repeated.items():
        if all(inside[number] for number in numbers[:LOOP]):
            continue
        outputs = {output_hash(trace, number) for number in numbers}
        same = " and had the same result" if len(outputs) == 1 and "" not in outputs else ""
        yield Finding(
            error_class=ErrorClass.LOOP,
            sentence=f"{name} was called {len(numbers)} times with the same arguments{same}",
            numbers=numbers,
            weight=len(numbers) * (2 if same else 1),
        )


def _below(trace: Trace, numbers: set[int]) -> Sequence[bool]:
    """Return for each span whether it lies below one of some spans."""
    below: list[bool] = []
    for parent in trace.tree.parents:
        below.append(parent >= 0 and (below[parent] or parent in numbers))
    return below


def answers_in(trace: Trace) -> Iterator[Finding]:
    """Yield answers of models that were cut off, filtered, or are broken JSON."""
    for number, meaning in enumerate(trace.meanings):
        if meaning.model is None or not meaning.count_usage:
            continue
        name = trace.span(number).name
        reasons = {reason.lower().rpartition(".")[2] for reason in meaning.model.finish_reasons}
        if reasons & _LENGTH:
            yield Finding(
                error_class=ErrorClass.CUT_OFF,
                sentence=f"the answer of {name} ended at its limit of tokens",
                numbers=(number,),
            )
        elif reasons & _FILTERED:
            yield Finding(
                error_class=ErrorClass.REFUSED,
                sentence=f"the answer of {name} was withheld: {', '.join(sorted(reasons & _FILTERED))}",
                numbers=(number,),
            )
        elif _is_broken_json(_answer(meaning.output)):
            yield Finding(
                error_class=ErrorClass.INVALID_OUTPUT,
                sentence=f"the answer of {name} begins like JSON and is none",
                numbers=(number,),
            )


def _answer(output: object) -> str:
    """Return the last text in an output: of messages that of the last one."""
    for _ in range(_DEEPEST):
        if isinstance(output, Mapping):
            fields = cast("Mapping[str, object]", output)
            if MARK in fields:
                return ""  # only the beginning of it is here
            output = next((fields[key] for key in _TEXTS if key in fields), "")
        elif isinstance(output, list | tuple):
            output = cast("Sequence[object]", output)[-1] if output else ""
        else:
            messages = _messages(text_of_value(output).strip())
            if messages is None:
                break
            output = messages
    return text_of_value(output).strip()


def _messages(text: str) -> object | None:
    """Return the messages that a text in JSON holds, None if it is no such text."""
    if not text.startswith(('[{"', '{"role"', '{"choices"')) or '"content"' not in text:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _is_broken_json(text: str) -> bool:
    if text.startswith("```json"):
        text = text.removeprefix("```json").rpartition("```")[0].strip()
    if not text.startswith(('{"', "[{", '["', "{\n")):
        return False
    try:
        json.loads(text)
    except RecursionError:
        return False
    except ValueError:
        return True
    return False


def empty_results_in(trace: Trace) -> Iterator[Finding]:
    """Yield tools and searches that worked and gave nothing."""
    for number, meaning in enumerate(trace.meanings):
        if meaning.role not in {"tool", "retrieval", "memory"} or meaning.output is None:
            continue
        if trace.span(number).status in {"ok", "unset"} and _is_empty(meaning.output):
            yield Finding(
                error_class=ErrorClass.EMPTY_RESULT,
                sentence=f"{call_name(trace, number)} gave nothing",
                numbers=(number,),
            )


def _is_empty(output: object) -> bool:
    text = text_of_value(output).strip()
    if text.lower() in _EMPTY:
        return True
    if len(text) > 1000 or not text.startswith("{"):
        return False
    try:
        found: object = json.loads(text)
    except ValueError:
        return False
    if not isinstance(found, dict):
        return False
    fields = cast("dict[str, object]", found)
    contents = [fields[key] for key in _CONTENTS if key in fields]
    return bool(contents) and not any(contents)


def slow_in(trace: Trace, times: Times) -> Iterator[Finding]:
    """Yield spans that took far longer than their like and are much of the critical path."""
    like: dict[tuple[str, str], list[int]] = {}
    for number, span in enumerate(trace.tree.spans):
        like.setdefault((span.kind, span.name), []).append(number)
    for (_, name), numbers in like.items():
        if len(numbers) <= _LIKE:
            continue
        usual = median(times.own_ns[number] for number in numbers)
        slowest = max(numbers, key=times.own_ns.__getitem__)
        took, share = times.own_ns[slowest], times.path_own_ns[slowest]
        if trace.is_wait(slowest) or share < _PATH_SHARE * times.total_ns:
            continue
        ratio = took / max(usual, _NOTHING_NS)
        if ratio < SLOW:
            continue
        yield Finding(
            error_class=ErrorClass.SLOW,
            sentence=f"{name} took {_times(ratio)} as long as its like",
            numbers=(slowest,),
            weight=ratio,
        )


def _times(ratio: float) -> str:
    return f"{ratio:.0f} times" if ratio < 1000 else "over 1,000 times"
