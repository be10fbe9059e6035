"""Which event may follow on which record. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from holdfast.tasks.events import (
    BlockerEnded,
    Cancelled,
    CancelRequested,
    Claimed,
    Completed,
    Created,
    DependencyAdded,
    DependencyRemoved,
    Event,
    Failed,
    InputAnswered,
    InputRequested,
    Noted,
    Progressed,
    Released,
    Renewed,
    Started,
    TaskEvent,
    Updated,
    VariablesChanged,
)
from holdfast.tasks.record import Dependency, Relation, Task
from holdfast.tasks.state import TRANSITIONS, TaskState


def refuse(task: Task | None, event: TaskEvent) -> str | None:
    """Return why the event may not follow, or None if it may."""
    if isinstance(event, Created):
        return None if task is None else "it exists already"
    if task is None:
        return "there is no task yet"
    if task.has_ended:
        return _ended(task, event)
    rule = _RULES[type(event)]
    return rule(task, event) if rule else None


def refuse_state(task: Task, wanted: TaskState) -> str | None:
    """Return why the task may not go to the state `wanted`: from, to, and what is allowed."""
    allowed = TRANSITIONS[task.state]
    if wanted in allowed or (wanted is task.state and allowed):
        return None
    choices = ", ".join(sorted(allowed)) or "nothing: it has ended"
    return f"a task cannot go from {task.state} to {wanted}; allowed: {choices}"


def find_dependency(task: Task, relation: str, on: str) -> Dependency | None:
    """Return what the task has to do with another one in this way, if anything."""
    for each in task.dependencies:
        if each.kind == relation and each.on == on:
            return each
    return None


def _ended(task: Task, event: TaskEvent) -> str:
    wanted = _WANTED.get(type(event))
    reason = refuse_state(task, wanted) if wanted else None
    return reason or f"it has ended ({task.state}) and never changes"


def _starts(task: Task, event: Started) -> str | None:  # noqa: ARG001 - a rule among others
    if task.state is TaskState.PENDING and task.blockers:
        return _held_up(task)
    if task.state is TaskState.INPUT_REQUIRED:
        return f"it waits for an answer to {', '.join(map(repr, task.open_requests))}"
    return refuse_state(task, TaskState.WORKING)


def _claims(task: Task, event: Claimed) -> str | None:
    if event.fence <= task.fence:
        return f"the number {event.fence} of the claim is not above {task.fence}"
    if task.state is TaskState.PENDING and task.blockers:
        return _held_up(task)
    return None


def _renews(task: Task, event: Renewed) -> str | None:
    if task.lease is None or task.lease.fence != event.fence:
        return f"the claim with the number {event.fence} is not the newest"
    return None


def _asks(task: Task, event: InputRequested) -> str | None:
    if event.key in task.requests:
        return f"the key {event.key!r} was used before"
    return refuse_state(task, TaskState.INPUT_REQUIRED)


def _answers(task: Task, event: InputAnswered) -> str | None:
    if event.key in task.open_requests:
        return None
    asked = "was answered already" if event.key in task.requests else "was never asked"
    waits = ", ".join(map(repr, task.open_requests)) or "nothing"
    return f"{event.key!r} {asked}; it waits for {waits}"


def _depends(task: Task, event: DependencyAdded) -> str | None:
    if event.on == task.id:
        return "a task cannot depend on itself"
    if event.relation == Relation.PARENT:
        return f"it has the parent {task.parent}" if task.parent else None
    if find_dependency(task, event.relation, event.on):
        return f"it has {event.relation} {event.on} already"
    if (
        event.relation == Relation.BLOCKS
        and task.state is not TaskState.PENDING
        and not event.ended
    ):
        return f"it has begun ({task.state}), so nothing can keep it from beginning"
    return None


def _undepends(task: Task, event: DependencyRemoved) -> str | None:
    if event.relation == Relation.PARENT:
        return None if task.parent == event.on else f"its parent is not {event.on}"
    if not find_dependency(task, event.relation, event.on):
        return f"it has no {event.relation} {event.on}"
    return None


def _frees(task: Task, event: BlockerEnded) -> str | None:
    blocker = find_dependency(task, Relation.BLOCKS, event.on)
    if blocker is None or blocker.ended:
        return f"it does not wait for {event.on}"
    return None


def _completes(task: Task, event: Completed) -> str | None:  # noqa: ARG001 - a rule among others
    return refuse_state(task, TaskState.COMPLETED)


def _fails(task: Task, event: Failed) -> str | None:  # noqa: ARG001 - a rule among others
    return refuse_state(task, TaskState.FAILED)


def _cancels(task: Task, event: Cancelled) -> str | None:  # noqa: ARG001 - a rule among others
    return refuse_state(task, TaskState.CANCELLED)


def _held_up(task: Task) -> str:
    waits = ", ".join(each.on for each in task.dependencies if each.holds_up)
    failed = " (failed ones block until `undepend`)" if task.failed_blockers else ""
    return f"it is blocked by {waits}{failed}"


_RULES: dict[type[Event], Callable[[Task, Any], str | None] | None] = {
    Updated: None,
    Started: _starts,
    Claimed: _claims,
    Renewed: _renews,
    Released: None,
    Progressed: None,
    Noted: None,
    VariablesChanged: None,
    InputRequested: _asks,
    InputAnswered: _answers,
    DependencyAdded: _depends,
    DependencyRemoved: _undepends,
    BlockerEnded: _frees,
    CancelRequested: None,
    Completed: _completes,
    Failed: _fails,
    Cancelled: _cancels,
}
_WANTED: dict[type[Event], TaskState] = {
    Started: TaskState.WORKING,
    Claimed: TaskState.WORKING,
    InputRequested: TaskState.INPUT_REQUIRED,
    InputAnswered: TaskState.WORKING,
    Completed: TaskState.COMPLETED,
    Failed: TaskState.FAILED,
    Cancelled: TaskState.CANCELLED,
}
