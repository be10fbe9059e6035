"""What an event makes of a record. Pure, and total: `holdfast.tasks.rules` says what is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never, cast

from holdfast.errors import StorageCorrupt
from holdfast.frozen import replace
from holdfast.tasks.events import (
    BlockerEnded,
    Cancelled,
    CancelRequested,
    Claimed,
    Completed,
    Created,
    DependencyAdded,
    DependencyRemoved,
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
from holdfast.tasks.record import (
    Dependency,
    Ended,
    InputRequest,
    Lease,
    Progress,
    Relation,
    RunDetails,
    Task,
    Variable,
    Visibility,
)
from holdfast.tasks.state import TaskState


def born(event: TaskEvent) -> Task:
    """Return the task that its first event makes."""
    if not isinstance(event, Created):
        raise StorageCorrupt(
            "the log of a task does not begin with its creation",
            hint="restore the store from a backup",
        )
    return Task(
        id=event.id,
        owner=event.owner,
        name=event.name,
        description=event.description,
        parent=event.parent,
        session=event.session,
        priority=event.priority,
        tags=tuple(event.tags),
        created_at=event.at,
        updated_at=event.at,
        variables={name: _variable(each) for name, each in event.variables.items()},
        dependencies=tuple(_dependency(each) for each in event.dependencies),
        ttl_ms=event.ttl_ms,
        expires_at=None if event.ttl_ms is None else event.at + event.ttl_ms,
        metadata=event.metadata,
        run=RunDetails(**cast("Any", event.run)) if event.run is not None else None,
    )


def follow(task: Task, event: TaskEvent) -> Task:  # noqa: C901, PLR0911, PLR0912 - a case an event
    """Return the task after the next event."""
    if isinstance(event, Claimed):
        # Whoever held it before may have died long ago: that time was not worked.
        task = replace(task, working_since=None)
    task = pass_time(task, event.at)
    match event:
        case Created():
            return task
        case Updated():
            return _update(task, event.changes)
        case Started():
            return _start(task, event)
        case Claimed():
            return _claim(task, event)
        case Renewed():
            lease = Lease(holder=_holder(task), fence=event.fence, until=event.until)
            return replace(task, lease=lease, free_from=event.until)
        case Released():
            return replace(task, lease=None, working_since=None, free_from=event.at)
        case Progressed(done=done, total=total, message=message):
            return replace(task, progress=Progress(done=done, total=total, message=message))
        case Noted():
            return replace(task, notes=task.notes + 1)
        case VariablesChanged():
            return replace(task, variables=merge_variables(task.variables, event))
        case InputRequested():
            request = InputRequest(prompt=event.prompt, at=event.at, schema=event.schema)
            requests = {**task.requests, event.key: request}
            return replace(task, requests=requests, state=TaskState.INPUT_REQUIRED)
        case InputAnswered():
            return _answer(task, event)
        case DependencyAdded(relation=relation, on=on, ended=ended):
            return _depend(task, Relation(relation), on, cast("Ended", ended))
        case DependencyRemoved(relation=relation, on=on):
            return _undepend(task, Relation(relation), on)
        case BlockerEnded(on=on, ended=ended):
            return _free(task, on, cast("Ended", ended))
        case CancelRequested():
            return replace(task, cancel_requested=True)
        case Completed(at=at, result=result):
            return replace(_end(task, TaskState.COMPLETED, at), result=result)
        case Failed(at=at, error=error):
            return replace(_end(task, TaskState.FAILED, at), error=error)
        case Cancelled(at=at, reason=reason):
            ended = _end(task, TaskState.CANCELLED, at)
            return replace(ended, status_message=reason or task.status_message)
        case _:
            assert_never(event)


def pass_time(task: Task, at: int) -> Task:
    """Return the task at a later time, which counts as worked if somebody holds the task."""
    updated = max(task.updated_at, at)
    if task.working_since is None:
        return replace(task, updated_at=updated)
    worked = task.worked_ms + max(0, at - task.working_since)
    since = max(at, task.working_since)
    return replace(task, updated_at=updated, worked_ms=worked, working_since=since)


def merge_variables(
    variables: Mapping[str, Variable], event: VariablesChanged
) -> dict[str, Variable]:
    """Return the variables after a change: shallow, by name, each with its own version."""
    merged = dict(variables)
    for name in [*event.declared, *(name for name in event.values if name not in event.declared)]:
        old = merged.get(name, Variable(version=0, deleted=True))
        declared = event.declared.get(name, {})
        new = replace(
            old,
            version=old.version + 1,
            visibility=Visibility(cast("str", declared.get("visibility", old.visibility))),
            schema=cast("Mapping[str, object] | None", declared.get("schema", old.schema)),
        )
        if name in event.values:
            value = event.values[name]
            new = replace(new, value=value, deleted=value is None)
        merged[name] = new
    return merged


def _update(task: Task, changes: Mapping[str, object]) -> Task:
    known = dict(changes)
    if "tags" in known:
        known["tags"] = tuple(cast("list[str]", known["tags"]))
    if "metadata" in known:
        merged = {**task.metadata, **cast("Mapping[str, object]", known["metadata"])}
        known["metadata"] = {name: value for name, value in merged.items() if value is not None}
    return replace(task, **cast("Any", known))


def _start(task: Task, event: Started) -> Task:
    return replace(
        task,
        state=TaskState.WORKING,
        started_at=task.started_at if task.started_at is not None else event.at,
        working_since=task.working_since if task.working_since is not None else event.at,
        status_message=event.message or task.status_message,
        free_from=None if task.lease is None else task.free_from,
    )


def _claim(task: Task, event: Claimed) -> Task:
    return replace(
        task,
        state=TaskState.INPUT_REQUIRED if task.open_requests else TaskState.WORKING,
        lease=Lease(holder=event.holder, fence=event.fence, until=event.until),
        fence=event.fence,
        started_at=task.started_at if task.started_at is not None else event.at,
        working_since=event.at,
        free_from=event.until,
    )


def _holder(task: Task) -> str:
    return task.lease.holder if task.lease else ""


def _answer(task: Task, event: InputAnswered) -> Task:
    request = replace(
        task.requests[event.key],
        answered_at=event.at,
        answered_by=event.by,
        answer=event.answer,
    )
    task = replace(task, requests={**task.requests, event.key: request})
    if task.state is TaskState.INPUT_REQUIRED and not task.open_requests:
        return replace(task, state=TaskState.WORKING)
    return task


def _depend(task: Task, relation: Relation, on: str, ended: Ended) -> Task:
    if relation is Relation.PARENT:
        return replace(task, parent=on)
    added = Dependency(kind=relation, on=on, ended=ended)
    return replace(task, dependencies=(*task.dependencies, added))


def _undepend(task: Task, relation: Relation, on: str) -> Task:
    if relation is Relation.PARENT:
        return replace(task, parent="")
    kept = (each for each in task.dependencies if (each.kind, each.on) != (relation, on))
    return replace(task, dependencies=tuple(kept))


def _free(task: Task, on: str, ended: Ended) -> Task:
    freed = (
        replace(each, ended=ended) if (each.kind, each.on) == (Relation.BLOCKS, on) else each
        for each in task.dependencies
    )
    return replace(task, dependencies=tuple(freed))


def _end(task: Task, state: TaskState, at: int) -> Task:
    return replace(task, state=state, lease=None, working_since=None, free_from=None, ended_at=at)


def _variable(members: Mapping[str, object]) -> Variable:
    known: dict[str, Any] = {"version": 1, **members}
    known["visibility"] = Visibility(known.get("visibility", Visibility.WRITE))
    return Variable(**known)


def _dependency(members: Mapping[str, object]) -> Dependency:
    known: dict[str, Any] = dict(members)
    known["kind"] = Relation(known["kind"])
    return Dependency(**known)
