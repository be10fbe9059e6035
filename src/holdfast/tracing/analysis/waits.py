"""Tell waiting apart from work: in a queue, for a person, between two tries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from holdfast.tracing.analysis.trace import Trace, arguments_hash, call_name

Why = Literal["human", "queue", "retry", "unloaded"]
"""What was waited for: a person; a turn or a timer; the next try; or a run that nobody worked on."""

Pause = tuple[Why, int, int]
"""What was waited for, from when to when."""


def pauses_of(trace: Trace) -> Mapping[int, Sequence[Pause]]:
    """Return when spans waited in their own time, by number.

    A span that waits does so from its begin to its end. A span with children waits between a try
    that failed and the next one of the same call.
    """
    tree = trace.tree
    found: dict[int, list[Pause]] = {}
    for number in range(len(tree.spans)):
        if trace.is_wait(number):
            pause: Pause = (why_waits(trace, number), tree.begins[number], tree.ends[number])
            found.setdefault(number, []).append(pause)
        if len(tree.children[number]) > 1:
            between = _between_tries(trace, tree.children[number])
            if between:
                found.setdefault(number, []).extend(between)
    return found


def why_waits(trace: Trace, number: int) -> Why:
    """Return what a span that waits is waiting for."""
    span = trace.span(number)
    words = f"{span.kind} {span.name} {span.attributes.get('wait.for', '')}".lower()
    if any(word in words for word in ("human", "approval", "input", "person", "review")):
        return "human"
    return "retry" if any(word in words for word in ("backoff", "retry")) else "queue"


def _between_tries(trace: Trace, children: Sequence[int]) -> Sequence[Pause]:
    tree = trace.tree
    failed: dict[tuple[str, str], int] = {}
    pauses: list[Pause] = []
    for child in children:
        if not failed and not trace.failed(child):
            continue
        call = call_name(trace, child), arguments_hash(trace, child)
        ended = failed.pop(call, None)
        if ended is not None and tree.begins[child] > ended:
            pauses.append(("retry", ended, tree.begins[child]))
        if trace.failed(child):
            failed[call] = tree.ends[child]
    return pauses
