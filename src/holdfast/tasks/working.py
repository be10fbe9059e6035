"""What is done with a task between its creation and its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.errors import InputError, TaskConflict
from holdfast.tasks.checks import check_changes, check_message, check_text
from holdfast.tasks.codec import to_json
from holdfast.tasks.events import (
    InputAnswered,
    InputRequested,
    Noted,
    Progressed,
    Started,
    Updated,
)
from holdfast.tasks.leasing import require_holder
from holdfast.tasks.record import Task
from holdfast.tasks.requests import Changes
from holdfast.tasks.schemas import check_schema, check_value
from holdfast.tasks.unit import Unit

_FIELDS = ("name", "description", "session", "priority", "status_message", "metadata")


async def update(unit: Unit, task_id: str, changes: Changes, *, fence: int | None) -> Task:
    """Change what a task says about itself; nothing is written if it says so already."""
    check_changes(changes)
    task = await unit.load(task_id)
    if fence is not None:
        require_holder(unit, task, fence)
    given = {name: getattr(changes, name) for name in _FIELDS}
    wanted: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if (tags := _tags(task, changes)) is not None:
        wanted["tags"] = tags
    different = {name: value for name, value in wanted.items() if value != _current(task, name)}
    if not different:
        _refuse_ended(task)
        return task
    return unit.add(task_id, Updated(**unit.stamp, changes=different))


async def start(unit: Unit, task_id: str, message: str, *, fence: int | None) -> Task:
    """Begin with a task, or go on with it."""
    check_message(message)
    task = await unit.load(task_id)
    require_holder(unit, task, fence)
    return unit.add(task_id, Started(**unit.stamp, message=message))


async def progress(
    unit: Unit,
    task_id: str,
    done: float,
    *,
    total: float | None,
    message: str,
    fence: int | None,
) -> Task:
    """Say how far the work has come."""
    check_message(message)
    if not 0 <= done < float("inf") or (total is not None and not 0 <= total < float("inf")):
        raise InputError("progress is a number from 0 on", hint="leave out an unknown total")
    task = await unit.load(task_id)
    require_holder(unit, task, fence)
    return unit.add(task_id, Progressed(**unit.stamp, done=done, total=total, message=message))


async def note(unit: Unit, task_id: str, text: str) -> Task:
    """Write something down."""
    check_text(text, "the note")
    if not text.strip():
        raise InputError("the note is empty", hint="say something")
    await unit.load(task_id)
    return unit.add(task_id, Noted(**unit.stamp, text=text))


async def require_input(
    unit: Unit,
    task_id: str,
    key: str,
    prompt: str,
    *,
    schema: Mapping[str, object] | None,
    fence: int | None,
) -> Task:
    """Ask for something without which the task cannot go on."""
    check_text(prompt, "the prompt")
    if not key or len(key.encode("utf-8", "surrogatepass")) > 256:
        raise InputError(f"{key[:40]!r} cannot be a key", hint="a key has 1 to 256 bytes")
    if schema:
        to_json(dict(schema), what="the schema")
        check_schema(schema, what=f"the schema of {key!r}")
    task = await unit.load(task_id)
    require_holder(unit, task, fence)
    event = InputRequested(**unit.stamp, key=key, prompt=prompt, schema=dict(schema or {}))
    return unit.add(task_id, event)


async def block(unit: Unit, task_id: str, reason: str, *, fence: int | None) -> Task:
    """Say what keeps the task from going on, under a key that nobody has to think of."""
    if not reason.strip():
        raise InputError("the reason is empty", hint="say what the task waits for")
    task = await unit.load(task_id)
    number = 1 + sum(key.startswith("blocked-") for key in task.requests)
    while f"blocked-{number}" in task.requests:
        number += 1
    key = f"blocked-{number}"
    return await require_input(unit, task_id, key, reason, schema=None, fence=fence)


async def answer(unit: Unit, task_id: str, key: str, value: object) -> Task:
    """Answer what the task asked for."""
    to_json(value, what="the answer")
    task = await unit.load(task_id)
    request = task.open_requests.get(key)
    if request is not None and request.schema and not task.has_ended:
        check_value(value, request.schema, what=f"the answer to {key!r}")
    return unit.add(task_id, InputAnswered(**unit.stamp, key=key, answer=value))


def _tags(task: Task, changes: Changes) -> list[str] | None:
    if changes.tags is not None:
        return list(dict.fromkeys(changes.tags))
    if not changes.add_tags and not changes.remove_tags:
        return None
    kept = [tag for tag in task.tags if tag not in changes.remove_tags]
    return list(dict.fromkeys([*kept, *changes.add_tags]))


def _current(task: Task, name: str) -> object:
    value: object = getattr(task, name)
    return list(task.tags) if name == "tags" else value


def _refuse_ended(task: Task) -> None:
    if task.has_ended:
        raise TaskConflict(
            f"task {task.id} has ended ({task.state}) and never changes",
            hint="create a new one that relates to it",
        )
