"""Turn an item into the events that make the task, and a task back into an item. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypedDict, cast

from holdfast.tasks.codec import to_bytes
from holdfast.tasks.events import (
    Cancelled,
    Completed,
    Created,
    Event,
    Failed,
    InputRequested,
    Noted,
    Started,
    Updated,
)
from holdfast.tasks.exchange.seam import Comment, Item
from holdfast.tasks.fold import apply
from holdfast.tasks.record import Relation, Task
from holdfast.tasks.state import TaskState, is_terminal

HELD_KEY = "imported"
"""The key of the question that holds up a task nobody may begin with."""

FIELDS = (
    *("name", "description", "state", "held", "status_message", "priority", "tags", "session"),
    *("created_at", "updated_at", "started_at", "ended_at", "by", "notes", "blocked_by", "parent"),
    *("relates", "discovered_from", "result", "error"),
)
"""What an item and a task both say."""

LISTS = frozenset({"tags", "notes", "blocked_by", "relates", "discovered_from"})
"""Those whose elements come and go one by one."""

Names = Callable[[str], str]


class Importer(TypedDict):
    """Who imports, and from where: members of events."""

    by: str
    via: str


_NOBODY = Importer(by="", via="")


def events_of(
    item: Item, *, stamp: Importer, ids: Names, metadata: Mapping[str, object]
) -> list[Event]:
    """Return the history of a task that an item is; `ids` tells ours of the other tracker's ids.

    Who made the task and who wrote the notes is what the item says; the rest the importer did.
    """
    via = stamp["via"]
    birth = Created(
        at=item.created_at,
        by=item.by,
        via=via,
        id=ids(item.id),
        owner="",
        name=item.name,
        description=item.description,
        parent=ids(item.parent) if item.parent else "",
        session=item.session,
        priority=item.priority,
        tags=list(item.tags),
        dependencies=[_edge(item, relation, ids(on)) for relation, on in dependencies_of(item)],
        metadata=metadata,
    )
    notes = [Noted(at=each.at, by=each.by, via=via, text=each.text) for each in item.notes]
    events: list[Event] = [birth, *notes, *_way(item, stamp)]
    if is_terminal(item.state):
        return events
    at = item.updated_at if item.updated_at is not None else item.created_at
    changes = {"status_message": item.status_message} if item.status_message else {}
    if changes or at > max(each.at for each in events):
        events.append(Updated(at=at, **stamp, changes=changes))
    return events


def has_begun(item: Item) -> bool:
    """Return whether the history of the item has a beginning of the work."""
    if item.state in (TaskState.FAILED, TaskState.CANCELLED):
        return item.started_at is not None
    return item.state is not TaskState.PENDING


def _edge(item: Item, relation: Relation, on: str) -> dict[str, object]:
    """Return a dependency. What begins has no blocker that is open: the importer sees to that."""
    is_over = relation is Relation.BLOCKS and has_begun(item)
    ended = {"ended": TaskState.COMPLETED.value} if is_over else {}
    return {"kind": relation.value, "on": on, **ended}


def dependencies_of(item: Item) -> list[tuple[Relation, str]]:
    """Return what the item has to do with others, but for its parent."""
    found = [(Relation.BLOCKS, on) for on in item.blocked_by]
    found += [(Relation.RELATES, on) for on in item.relates]
    return found + [(Relation.DISCOVERED_FROM, on) for on in item.discovered_from]


def item_of(task: Task, notes: Sequence[Comment], *, name: str, names: Names, by: str) -> Item:
    """Return a task as an item; what `names` has no name for is left out."""
    state = _apparent(task)
    return Item(
        id=name,
        name=task.name,
        description=task.description,
        state=state,
        held="; ".join(ask.prompt for ask in task.open_requests.values())
        if state is TaskState.INPUT_REQUIRED
        else "",
        status_message=task.status_message,
        priority=task.priority,
        tags=task.tags,
        session=task.session,
        created_at=task.created_at,
        updated_at=task.updated_at,
        started_at=None if state is TaskState.PENDING else task.started_at,
        ended_at=task.ended_at,
        by=by,
        notes=tuple(notes),
        blocked_by=_named(task, Relation.BLOCKS, names),
        parent=names(task.parent) if task.parent else "",
        relates=_named(task, Relation.RELATES, names),
        discovered_from=_named(task, Relation.DISCOVERED_FROM, names),
        result=task.result,
        error=str(task.error.get("message", "")) if task.error else "",
    )


def normal(item: Item) -> Item:
    """Return what an item is after it was imported, nobody having touched it."""
    task: Task | None = None
    for event in events_of(item, stamp=_NOBODY, ids=_itself, metadata={}):
        task = apply(task, event)
    assert task is not None
    found = item_of(task, item.notes, name=item.id, names=_itself, by=item.by)
    return replace(found, space=item.space, place=item.place, raw=item.raw)


def fingerprint(value: object) -> str:
    """Return a short hash of a value of an item."""
    return hashlib.sha256(to_bytes(_plain(value), what="an item")).hexdigest()[:12]


def fingerprints(item: Item) -> dict[str, str | list[str]]:
    """Return a hash of each field of an item, for lists a hash of each element."""
    found: dict[str, str | list[str]] = {}
    for name in FIELDS:
        value: object = getattr(item, name)
        if name in LISTS:
            found[name] = [fingerprint(each) for each in cast("tuple[object, ...]", value)]
        else:
            found[name] = fingerprint(value)
    return found


def _way(item: Item, stamp: Importer) -> list[Event]:
    """Return the events that lead from a new task to the state of the item."""
    ended = item.ended_at
    if ended is None:
        ended = item.updated_at if item.updated_at is not None else item.created_at
    begun = item.started_at if item.started_at is not None else item.created_at
    began = Started(at=begun, **stamp)
    match item.state:
        case TaskState.PENDING:
            return []
        case TaskState.WORKING:
            return [began]
        case TaskState.INPUT_REQUIRED:
            asked = InputRequested(at=begun, **stamp, key=HELD_KEY, prompt=item.held or "held")
            return [began, asked]
        case TaskState.COMPLETED:
            begun = item.started_at if item.started_at is not None else ended
            return [
                Started(at=begun, **stamp, message=item.status_message),
                Completed(at=ended, **stamp, result=item.result),
            ]
        case TaskState.FAILED:
            before = [began] if item.started_at is not None else []
            return [
                *before,
                Failed(at=ended, **stamp, error={"message": item.error or "it failed"}),
            ]
        case TaskState.CANCELLED:
            before = [began] if item.started_at is not None else []
            return [*before, Cancelled(at=ended, **stamp, reason=item.status_message)]


def _apparent(task: Task) -> TaskState:
    """Return the state as other trackers see it: what was let go of waits to be begun again."""
    is_free = task.lease is None and task.free_from is not None
    return TaskState.PENDING if task.state is TaskState.WORKING and is_free else task.state


def _named(task: Task, relation: Relation, names: Names) -> tuple[str, ...]:
    found = (names(each.on) for each in task.dependencies if each.kind is relation)
    return tuple(name for name in found if name)


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(each) for each in cast("tuple[object, ...]", value)]
    if isinstance(value, Comment):
        return [value.at, value.text, value.by]
    return value


def _itself(name: str) -> str:
    return name
