"""Take tasks to other trackers, and say what they cannot be told."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

from holdfast.errors import TaskNotFound
from holdfast.tasks.events import Created, encode_event
from holdfast.tasks.exchange.histories import FIELDS, HELD_KEY, LISTS, fingerprint, item_of, normal
from holdfast.tasks.exchange.importing import Advance, author_of, notes_of, nothing
from holdfast.tasks.exchange.luggage import luggage_of, seen_of, unpack
from holdfast.tasks.exchange.planning import each_at_once
from holdfast.tasks.exchange.seam import Format, Item, Raw, Target
from holdfast.tasks.reading import Happening
from holdfast.tasks.record import Task
from holdfast.tasks.requests import Filter
from holdfast.tasks.service import Tasks
from holdfast.tasks.state import TaskState

_PAGE = 500
_TIMES = frozenset({"created_at", "updated_at", "started_at", "ended_at"})
_WORDS = {
    "held": "state",
    "by": "who made it",
    "blocked_by": "blockers",
    "discovered_from": "what it was found from",
    "status_message": "status message",
    **{name: f"time: {name.removesuffix('_at')}" for name in _TIMES},
}
_MINUTE = 60_000
_PLAIN_EVENTS = frozenset(
    {
        *("created", "started", "noted", "completed", "failed", "cancelled", "updated"),
        *("dependency_added", "blocker_ended"),
    }
)


@dataclass(slots=True, kw_only=True)
class Exported:
    """What an export wrote; `left_out` counts, by its name, what the format has no place for."""

    tasks: int = 0
    left_out: Counter[str] = field(default_factory=Counter[str])


async def export_tasks(
    tasks: Tasks,
    form: Format,
    target: Target,
    *,
    wanted: Filter | None = None,
    advance: Advance = nothing,
) -> Exported:
    """Write the tasks that fit a filter, the oldest first. Runs of the engine are left out.

    Raises:
        UsageError: the format cannot go to the target, or a file is there already.
    """
    done = Exported()
    into = replace(target, left_out=partial(_leave_out, done, target))
    chosen = replace(wanted or Filter(), kind="task")
    if wanted is None or wanted.kind is None:
        runs = await tasks.stats()
        done.left_out += Counter({"runs of the engine": runs.runs} if runs.runs else {})
    names = await _name_all(tasks, form, [each async for each in _ids(tasks, chosen)])
    with form.write(into) as put:
        async for task, happened in _all(tasks, list(names)):
            raw = _whole(task, happened, into) if form.name == "holdfast" else None
            put(raw or await _told(tasks, form, task, happened, names, into))
            done.tasks += 1
            advance(done.tasks, len(names))
    return done


async def _ids(tasks: Tasks, wanted: Filter) -> AsyncIterator[str]:
    """Give the ids of the tasks, the newest first, as the index has them."""
    cursor = ""
    while True:
        page = await tasks.list(wanted, limit=_PAGE, cursor=cursor)
        for each in page.tasks:
            yield each.id
        if not page.cursor:
            return
        cursor = page.cursor


async def _all(tasks: Tasks, ids: Sequence[str]) -> AsyncIterator[tuple[Task, Sequence[Happening]]]:
    async def load(task_id: str) -> tuple[Task, Sequence[Happening]] | None:
        try:
            return await tasks.get(task_id), await tasks.history(task_id)
        except TaskNotFound:
            return None  # it has expired meanwhile

    for start in range(0, len(ids), _PAGE):
        for found in await each_at_once(ids[start : start + _PAGE], load):
            if found is not None:
                yield found


async def _name_all(tasks: Tasks, form: Format, newest: Sequence[str]) -> dict[str, str]:
    """Return the names of the tasks in the format, those that came from it under their old ones."""

    async def carried(task_id: str) -> str:
        return await _old_name(tasks, form, task_id)

    oldest = list(reversed(newest))
    kept = dict(zip(oldest, await each_at_once(oldest, carried), strict=True))
    taken: set[str] = set()
    names: dict[str, str] = {}
    for task_id, name in kept.items():
        if name and name not in taken:
            names[task_id] = name
            taken.add(name)
    for task_id in oldest:
        if task_id not in names:
            names[task_id] = form.name_task(task_id, taken.__contains__)
            taken.add(names[task_id])
    return {task_id: names[task_id] for task_id in oldest}


async def _old_name(tasks: Tasks, form: Format, task_id: str) -> str:
    try:
        carried = luggage_of(await tasks.get(task_id), form.name)
    except TaskNotFound:
        return ""
    return str(carried.get("id", ""))


async def _told(
    tasks: Tasks,
    form: Format,
    task: Task,
    happened: Sequence[Happening],
    names: dict[str, str],
    target: Target,
) -> Raw:
    """Return a task as the format has it, and count what that does not say."""
    known = dict(names)
    others = [*(each.on for each in task.dependencies), *([task.parent] if task.parent else [])]
    for other in others:
        if other not in known:
            known[other] = await _old_name(tasks, form, other)
        if not known[other]:
            target.left_out("dependencies on tasks that are not exported")
    item = item_of(
        task,
        notes_of(happened),
        name=names[task.id],
        names=lambda task_id: known.get(task_id, ""),
        by=author_of(happened),
    )
    carried = luggage_of(task, form.name)
    if carried and carried["id"] != item.id:
        target.left_out("ids that another exported task has too")
        carried = {}
    item = replace(item, space=str(carried.get("space", "")))
    raw = unpack(form, carried, item)
    for name in _not_told(form, raw, item, carried, task, happened):
        target.left_out(name)
    return raw


def _not_told(
    form: Format,
    raw: Raw,
    item: Item,
    carried: dict[str, Any],
    task: Task,
    happened: Sequence[Happening],
) -> Iterator[str]:
    """Give the names of what somebody who reads the task in the format would not know."""
    yield from _besides(form, task, happened)
    told = form.parse(raw, item.place, lambda _: None)
    if told is None:
        yield "tasks that the format would not take back"
        return
    seen = seen_of(carried)
    read = normal(told)
    for name in FIELDS:
        ours, theirs = getattr(item, name), getattr(read, name)
        if ours == theirs or seen.get(name) == _hashes(name, ours):
            continue
        if name in _TIMES and ours is not None and theirs is not None:
            close = abs(ours - theirs) < _MINUTE
            yield "fractions of times" if close else _WORDS[name]
        elif name == "notes":
            yield _notes_differ(item, read)
        else:
            yield _WORDS.get(name, name)


def _notes_differ(item: Item, read: Item) -> str:
    if [note.text for note in item.notes] != [note.text for note in read.notes]:
        return "texts of notes"
    if [note.by for note in item.notes] != [note.by for note in read.notes]:
        return "authors of notes"
    return "fractions of times"


def _besides(form: Format, task: Task, happened: Sequence[Happening]) -> Iterator[str]:
    """Give the names of what only Holdfast knows of."""
    present = {
        "variables": any(not each.deleted for each in task.variables.values()),
        "questions and answers": any(not key.startswith(HELD_KEY) for key in task.requests),
        "progress": task.progress is not None,
        "time-to-live": task.ttl_ms is not None,
        "lease": task.lease is not None,
        "a wish to cancel": task.cancel_requested and task.state is not TaskState.CANCELLED,
        "details of errors": task.error is not None and set(task.error) > {"message"},
        "results that are not text": task.result is not None and not isinstance(task.result, str),
        "history of changes": any(map(_is_more_than_plain, happened)),
    }
    yield from (name for name, is_there in present.items() if is_there)
    yield from (f"metadata: {name}" for name in task.metadata if name != form.name)


def _is_more_than_plain(happening: Happening) -> bool:
    """Return whether something happened that the fields of a task do not show, and not by an import."""
    via = str(getattr(happening.event, "via", ""))
    return happening.event.kind not in _PLAIN_EVENTS and not via.startswith("import ")


def _whole(task: Task, happened: Sequence[Happening], target: Target) -> Raw:
    """Return a task with its history; what a merge superseded means nothing and stays out."""
    events: list[object] = []
    for each in happened:
        if each.superseded:
            target.left_out("superseded events of merged stores")
            continue
        members: dict[str, object] = json.loads(encode_event(each.event, ""))
        del members["prev"]
        if isinstance(each.event, Created):
            members["owner"] = ""  # the tasks become those of whoever imports them
        events.append(members)
    return {"id": task.id, "events": events}


def _hashes(name: str, value: object) -> object:
    if name in LISTS:
        return [fingerprint(each) for each in cast("tuple[object, ...]", value)]
    return fingerprint(value)


def _leave_out(done: Exported, target: Target, name: str) -> None:
    done.left_out[name] += 1
    target.left_out(name)
