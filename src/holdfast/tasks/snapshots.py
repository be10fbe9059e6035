"""Keep the record of a task as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from holdfast.errors import StorageCorrupt, StorageTooNew
from holdfast.tasks.codec import from_bytes, plain, plain_all, to_bytes
from holdfast.tasks.record import (
    Dependency,
    InputRequest,
    Lease,
    Progress,
    Relation,
    RunDetails,
    Snapshot,
    Task,
    Variable,
    Visibility,
)
from holdfast.tasks.state import TaskState

FORMAT = 1
_NEWER = "upgrade Holdfast"


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """Return the record as one JSON object; members that have their default are left out."""
    task = snapshot.task
    members = plain(task)
    if task.variables:
        members["variables"] = plain_all(task.variables)
    if task.requests:
        members["requests"] = plain_all(task.requests)
    if task.dependencies:
        members["dependencies"] = [plain(each) for each in task.dependencies]
    for name in ("progress", "lease", "run"):
        if name in members:
            members[name] = plain(members[name])
    data: dict[str, object] = {"format": FORMAT, "tail": snapshot.tail, "heads": snapshot.heads}
    if snapshot.superseded:
        data["superseded"] = snapshot.superseded
    return to_bytes({**data, "task": members}, what=f"the task {task.id}")


def decode_snapshot(data: bytes) -> Snapshot:
    """Return the record that `encode_snapshot` wrote.

    Raises:
        StorageTooNew: a newer version wrote it.
        StorageCorrupt: it is no record of a task.
    """
    members = from_bytes(data, what="the record of a task")
    try:
        _check_format(members["format"])
        return Snapshot(
            task=_task(members["task"]),
            tail=members["tail"],
            heads=tuple(members["heads"]),
            superseded=tuple(members.get("superseded", ())),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StorageCorrupt(
            f"the record of a task cannot be read: {error!r}",
            hint="`holdfast task repair` makes it again from the log",
        ) from error


def _check_format(version: object) -> None:
    if version != FORMAT:
        raise StorageTooNew(
            f"a task is stored in the format {version!r}; this version knows {FORMAT}",
            hint=_NEWER,
        )


def _task(members: dict[str, Any]) -> Task:
    members["state"] = TaskState(members.get("state", TaskState.PENDING))
    for name, make in _PARTS.items():
        if name in members:
            members[name] = make(members[name])
    return Task(**members)


def _variable(members: dict[str, Any]) -> Variable:
    members["visibility"] = Visibility(members.get("visibility", Visibility.WRITE))
    return Variable(**members)


def _dependency(members: dict[str, Any]) -> Dependency:
    members["kind"] = Relation(members["kind"])
    return Dependency(**members)


def _each(make: Callable[[dict[str, Any]], object]) -> Callable[[Any], object]:
    def build(members: Mapping[str, dict[str, Any]]) -> dict[str, object]:
        return {name: make(each) for name, each in members.items()}

    return cast("Callable[[Any], object]", build)


_PARTS: dict[str, Callable[[Any], object]] = {
    "tags": tuple,
    "progress": lambda each: Progress(**each),
    "lease": lambda each: Lease(**each),
    "run": lambda each: RunDetails(**each),
    "variables": _each(_variable),
    "requests": _each(lambda each: InputRequest(**each)),
    "dependencies": lambda each: tuple(map(_dependency, each)),
}
