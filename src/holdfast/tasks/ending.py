"""How a task ends, and what that means for those that wait for it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from holdfast.errors import InputError, TaskConflict
from holdfast.storage.seam import Bounded, Store, can_batch
from holdfast.tasks.codec import to_json
from holdfast.tasks.dependencies import dependents_of, waits_for
from holdfast.tasks.events import (
    BlockerEnded,
    Cancelled,
    CancelRequested,
    Completed,
    Failed,
    Started,
    TaskEvent,
)
from holdfast.tasks.leasing import require_holder
from holdfast.tasks.record import Relation, Task
from holdfast.tasks.state import TaskState
from holdfast.tasks.unit import Unit

RELEASED_AT_ONCE = 500
"""How many tasks at most are told in the batch in which the one that they wait for ends."""

_WRITES_EACH = 8
_WRITES_BESIDES = 20


async def complete(
    unit: Unit, task_id: str, result: object, *, fence: int | None, begin: bool
) -> Task:
    """End a task with a result."""
    to_json(result, what="the result")
    task = await unit.load(task_id)
    require_holder(unit, task, fence)
    if begin and task.state is TaskState.PENDING:
        unit.add(task_id, Started(**unit.stamp))
    return await end(unit, task_id, Completed(**unit.stamp, result=result))


async def fail(
    unit: Unit, task_id: str, error: str | Mapping[str, object], *, fence: int | None
) -> Task:
    """End a task with an error."""
    known: dict[str, Any] = {"message": error} if isinstance(error, str) else dict(error)
    if not isinstance(known.get("message"), str) or not known["message"]:
        raise InputError(
            "an error needs a message", hint="give a text, or a mapping with the member `message`"
        )
    to_json(known, what="the error")
    task = await unit.load(task_id)
    require_holder(unit, task, fence)
    return await end(unit, task_id, Failed(**unit.stamp, error=known))


async def cancel(unit: Unit, task_id: str, *, reason: str, request_only: bool) -> Task:
    """Call a task off, at once or by asking who works on it."""
    task = await unit.load(task_id)
    if task.state is TaskState.CANCELLED:
        return task
    if not request_only:
        return await end(unit, task_id, Cancelled(**unit.stamp, reason=reason))
    if task.cancel_requested and not task.has_ended:
        return task
    return unit.add(task_id, CancelRequested(**unit.stamp))


async def end(unit: Unit, task_id: str, event: TaskEvent) -> Task:
    """Let a task end, and tell those that wait for it in the same batch."""
    task = unit.add(task_id, event)
    await tell_dependents(unit, task)
    if not can_batch(unit.store):
        unit.afterwards.append(partial(_tell_if_ended, task_id=task_id))
    return task


def hold_open(unit: Unit, task_id: str) -> None:
    """Let the change be refused if this task, which was loaded and is open, ends meanwhile.

    Where the store cannot batch nothing can be refused by then: both sides look again behind
    their writes, so that one of them sees the other.
    """
    unit.touch(task_id)
    if not can_batch(unit.store):
        unit.afterwards.append(partial(_tell_if_ended, task_id=task_id))


async def _tell_if_ended(unit: Unit, task_id: str) -> None:
    task = await unit.peek(task_id)
    if task is not None and task.has_ended:
        await tell_dependents(unit, task)


async def tell_dependents(unit: Unit, task: Task) -> int:
    """Tell tasks that wait for one that it has ended; return how many were told."""
    if not task.has_ended:
        raise TaskConflict(f"task {task.id} has not ended", hint="end it first")
    return await release(unit, task.id, task.state.value)


async def release(unit: Unit, task_id: str, ended: str) -> int:
    """Tell the tasks that wait for one how it has ended, as many as go into one batch.

    The rest is told by changes that come afterwards.
    """
    told, most = 0, _most_at_once(unit.store)
    for _, dependent in await dependents_of(unit.store, unit.owner, task_id, Relation.BLOCKS):
        waiting = await unit.peek(dependent)
        if waiting is None or waiting.has_ended or not waits_for(waiting, task_id):
            continue
        if told == most:
            unit.afterwards.append(lambda later: release(later, task_id, ended))
            break
        unit.add(dependent, BlockerEnded(**unit.stamp, on=task_id, ended=ended))
        told += 1
    return told


def _most_at_once(store: Store) -> int:
    if not isinstance(store, Bounded):
        return RELEASED_AT_ONCE
    return max(1, (store.max_operations - _WRITES_BESIDES) // _WRITES_EACH)
