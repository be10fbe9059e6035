"""The states of a task and the one table of what may follow what.

A run of the engine is a task: there is no second table. Terminal states never change.
"""

from __future__ import annotations

from enum import StrEnum

from holdfast.errors import RunConflict


class TaskState(StrEnum):
    """Where a task stands."""

    PENDING = "pending"
    """Created, and nobody has begun to work on it."""
    WORKING = "working"
    """Someone works on it, or did until their process died."""
    INPUT_REQUIRED = "input_required"
    """It cannot go on until a person or a program answers."""
    COMPLETED = "completed"
    """It ended with a result."""
    FAILED = "failed"
    """It ended with an error."""
    CANCELLED = "cancelled"
    """It was called off."""


TRANSITIONS: dict[TaskState, frozenset[TaskState]] = {
    TaskState.PENDING: frozenset({TaskState.WORKING, TaskState.FAILED, TaskState.CANCELLED}),
    TaskState.WORKING: frozenset(
        {TaskState.INPUT_REQUIRED, TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED}
    ),
    TaskState.INPUT_REQUIRED: frozenset(
        {TaskState.WORKING, TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED}
    ),
    TaskState.COMPLETED: frozenset(),
    TaskState.FAILED: frozenset(),
    TaskState.CANCELLED: frozenset(),
}


def is_terminal(state: TaskState) -> bool:
    """Whether a task in `state` can never change again."""
    return not TRANSITIONS[state]


def advance(current: TaskState, wanted: TaskState) -> TaskState:
    """Return `wanted` if a task in `current` may go there (or is there and not terminal).

    Raises:
        RunConflict: it may not; the message says from, to and what is allowed.
    """
    allowed = TRANSITIONS[current]
    if wanted in allowed or (wanted is current and allowed):
        return wanted
    choices = ", ".join(sorted(allowed)) or "nothing: it has ended"
    raise RunConflict(f"a task cannot go from {current} to {wanted}; allowed: {choices}")
