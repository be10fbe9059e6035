"""Find out what an import will do, without doing it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from holdfast.errors import HoldfastError, TaskNotFound
from holdfast.ids import ID_LENGTH, new_run_id, normalise_prefix
from holdfast.tasks.checks import (
    check_metadata,
    check_session,
    check_tags,
    check_task_name,
    check_text,
)
from holdfast.tasks.exchange.edges import drop_begun, drop_missing, put_in_order
from holdfast.tasks.exchange.histories import normal
from holdfast.tasks.exchange.luggage import digest_of, luggage_of, pack
from holdfast.tasks.exchange.seam import Finding, Format, Item, Report
from holdfast.tasks.record import Task
from holdfast.tasks.service import Tasks
from holdfast.tasks.state import TaskState

_AT_ONCE = 100
T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A task to make or to bring up to date: `task` is what is there, None for a new one."""

    item: Item
    wanted: Item
    task_id: str
    task: Task | None
    luggage: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an import will do; `ids` are ours of all ids of the other tracker that are known."""

    read: int
    work: Sequence[Planned]
    same: int
    ids: dict[str, str]


def request_key_of(form: Format, space: str, name: str) -> str:
    """Return the key of the request that makes a task of another tracker."""
    digest = hashlib.sha256(f"{space}\0{name}".encode("utf-8", "surrogatepass")).hexdigest()
    return f"import {form.name} {digest[:32]}"


async def plan_import(
    tasks: Tasks, form: Format, path: Path, *, space: str | None, now: int, report: Report
) -> Plan:
    """Read all of a file or folder, and return what is to be done.

    All items are held in memory: what comes first depends on all of them.
    """
    read = _read(form, path, space, report)
    known = await _known_tasks(tasks, form, read)
    outside = {other for item in read for other in _others(item)} - {item.id for item in read}
    spaces = {item.space for item in read}
    found = await _known_ids(tasks, form, spaces, outside)
    elsewhere = {name: task for name, task in found.items() if task is not None}
    ids = {name: task.id for name, task in {**elsewhere, **known}.items()}
    good = [_dated(each, known, now) for each in read]
    there = {*(each.id for each in good), *elsewhere}
    items = [drop_missing(each, there.__contains__, report) for each in good]
    items = put_in_order(items, report)
    ended = {item.id for item in items if item.state in _FREEING}
    ended |= {name for name, task in elsewhere.items() if task.state in _FREEING}
    work: list[Planned] = []
    same = 0
    gone: set[str] = set()
    for each in items:
        item = drop_missing(each, lambda name: name not in gone, report)
        item = drop_begun(item, ended.__contains__, report)
        if _is_same(form, item, known.get(item.id)):
            same += 1
            continue
        planned = plan_one(form, item, known.get(item.id), report)
        if planned is None:
            gone.add(item.id)
            continue
        ids.setdefault(item.id, planned.task_id)
        work.append(planned)
    return Plan(read=len(read), work=work, same=same, ids=ids)


async def each_at_once(values: Iterable[T], function: Callable[[T], Awaitable[U]]) -> list[U]:
    """Return what a function gives for each value, a hundred under way at a time."""
    waiting, found = list(values), list[U]()
    for start in range(0, len(waiting), _AT_ONCE):
        found += await asyncio.gather(*map(function, waiting[start : start + _AT_ONCE]))
    return found


_FREEING = frozenset({TaskState.COMPLETED, TaskState.CANCELLED})


def _read(form: Format, path: Path, space: str | None, report: Report) -> list[Item]:
    """Return the items of a file, the first of those that have one id."""
    found: dict[str, Item] = {}
    for item in form.read(path, report):
        if item.id in found:
            first = found[item.id].place
            what = f"the id is there twice: the first is in {first}; this one was left out"
            report(problem(item, what, "give it another id and import once more"))
        else:
            found[item.id] = item if space is None else replace(item, space=space)
    return list(found.values())


async def _known_tasks(tasks: Tasks, form: Format, items: Sequence[Item]) -> dict[str, Task]:
    async def find(item: Item) -> Task | None:
        return await _find(tasks, form, item.space, item.id)

    found = await each_at_once(items, find)
    return {item.id: task for item, task in zip(items, found, strict=True) if task is not None}


async def _known_ids(
    tasks: Tasks, form: Format, spaces: Iterable[str], names: Iterable[str]
) -> dict[str, Task | None]:
    """Return the tasks that are not in the file and that its tasks name."""
    space = next(iter(spaces), "")
    wanted = list(names)
    found = await each_at_once(wanted, lambda name: _find(tasks, form, space, name))
    return dict(zip(wanted, found, strict=True))


async def _find(tasks: Tasks, form: Format, space: str, name: str) -> Task | None:
    """Return the task that was imported under an id, or that has it and went out under it."""
    task_id = await tasks.made_by(request_key_of(form, space, name))
    if task_id is None and form.ids_are_unique:
        task_id = normalise_prefix(name)
    if task_id is None or len(task_id) != ID_LENGTH:
        return None
    try:
        return await tasks.get(task_id)
    except TaskNotFound:
        return None


def plan_one(form: Format, item: Item, task: Task | None, report: Report) -> Planned | None:
    """Return what to do with an item; None, after a report, if it cannot be taken in."""
    if task is not None and not _is_same_task(form, item, task):
        space = luggage_of(task, form.name).get("space") or "the other one"
        what = (
            f"a task that was imported under this id is another one ({task.name!r}, from {space})"
        )
        report(problem(item, what, "tell the two projects apart: --namespace NAME"))
        return None
    try:
        wanted = normal(item)
        luggage = pack(form, item, wanted)
        _check(item, {form.name: luggage})
    except HoldfastError as error:
        what = f"{error.message}; it was left out"
        report(problem(item, what, error.hint or "mend it and import once more"))
        return None
    task_id = new_run_id() if task is None else task.id
    return Planned(item=item, wanted=wanted, task_id=task_id, task=task, luggage=luggage)


def _check(item: Item, metadata: dict[str, object]) -> None:
    """Refuse what Holdfast would not let anybody write."""
    check_task_name(item.name)
    check_text(item.description, "the description")
    check_text(item.status_message, "the status message")
    check_session(item.session)
    check_tags(item.tags)
    check_metadata(metadata)
    for note in item.notes:
        check_text(note.text, "a note")


def _is_same(form: Format, item: Item, task: Task | None) -> bool:
    """Return whether a task is here as the file has it, or was when it was imported."""
    if task is None or not _is_same_task(form, item, task):
        return False
    return luggage_of(task, form.name).get("digest") == digest_of(form, item)


def _is_same_task(form: Format, item: Item, task: Task) -> bool:
    return form.ids_are_unique or task.created_at == item.created_at


def _dated(item: Item, known: dict[str, Task], now: int) -> Item:
    """Return the item with a time of creation that can be listed by.

    One that has none was made when it was imported, one before 1970 at the beginning of that.
    """
    if item.created_at:
        return replace(item, created_at=max(1, item.created_at))
    task = known.get(item.id)
    return replace(item, created_at=task.created_at if task else now)


def _others(item: Item) -> list[str]:
    parent = [item.parent] if item.parent else []
    return [*item.blocked_by, *parent, *item.relates, *item.discovered_from]


def problem(item: Item, what: str, remedy: str) -> Finding:
    """Return what is said of a task that could not be taken in as it stands."""
    return Finding(weight="problem", place=item.place, item=item.id, what=what, remedy=remedy)
