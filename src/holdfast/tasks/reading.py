"""Look at tasks without changing anything."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import cast

from holdfast.clock import Clock
from holdfast.errors import TaskNotFound
from holdfast.frozen import frozen, replace
from holdfast.ids import ID_LENGTH, normalise_prefix
from holdfast.storage.fallback import watch_changes
from holdfast.storage.seam import Store
from holdfast.tasks.events import Created, Event, VariablesChanged
from holdfast.tasks.fold import Fold
from holdfast.tasks.keys import task_key, task_log
from holdfast.tasks.loading import not_found, read_task
from holdfast.tasks.record import Task, Visibility
from holdfast.tasks.requests import Binding
from holdfast.tasks.variables import visible

_SHOWN = 5


@frozen
class Happening:
    """An entry of a task's log. `superseded` says why it counts for nothing, if it does."""

    number: int
    event: Event
    superseded: str = ""


async def read(store: Store, binding: Binding, task_id: str) -> Task:
    """Return a task as the actor may see it."""
    held = await read_task(store, binding.owner, task_id)
    if held is None:
        raise not_found(task_id)
    return shown(held.task, binding)


async def find(store: Store, owner: str, prefix: str) -> str:
    """Return the one id of the owner's tasks that begins with `prefix`."""
    wanted = normalise_prefix(prefix)
    if wanted is None:
        raise TaskNotFound(
            f"{prefix!r} is not the beginning of a task's id",
            hint="an id is made of the digits 0-9 and a-f; `holdfast task list` shows them",
        )
    if len(wanted) == ID_LENGTH:
        if await store.get(task_key(owner, wanted)) is None:
            raise not_found(prefix)
        return wanted
    after = task_key(owner, wanted)
    page = await store.scan(("task", owner), after=after, limit=_SHOWN + 1)
    ids = [record.key[2] for record in page if record.key[2].startswith(wanted)]
    if len(ids) == 1:
        return ids[0]
    if not ids:
        raise TaskNotFound(
            f"no task has an id that starts with {prefix!r}",
            hint="`holdfast task list` shows the tasks there are",
        )
    more = len(ids) > _SHOWN
    number = f"{_SHOWN} tasks and more" if more else f"{len(ids)} tasks"
    raise TaskNotFound(
        f"{number} have ids that start with {prefix!r}",
        hint="give more digits: " + ", ".join(ids[:_SHOWN]) + (", …" if more else ""),
    )


async def history(
    store: Store, binding: Binding, task_id: str, *, after: int = 0, limit: int | None = None
) -> Sequence[Happening]:
    """Return what happened to a task, oldest first."""
    task = await read_task(store, binding.owner, task_id)
    if task is None:
        raise not_found(task_id)
    fold = Fold(task_id)
    found: list[Happening] = []
    hidden: set[str] = set()
    for entry in await store.read(task_log(task_id)):
        event, reason = fold.take(entry.value)
        if binding.actor.is_client and fold.task is not None:
            hidden |= _hidden(fold.task)
        found.append(Happening(number=entry.number, event=event, superseded=reason or ""))
    wanted = [each for each in found if each.number > after][:limit]
    if not hidden:
        return wanted
    return [replace(each, event=_without(each.event, hidden)) for each in wanted]


async def watch(store: Store, clock: Clock, binding: Binding, task_id: str) -> AsyncGenerator[Task]:
    """Give a task now and whenever it has changed, until it has ended or expired."""
    seen: int | None = None
    async with watch_changes(store, task_key(binding.owner, task_id), clock=clock) as changes:
        while True:
            held = await read_task(store, binding.owner, task_id)
            if held is None and seen is None:
                raise not_found(task_id)
            if held is None:
                return
            if held.base != seen:
                seen = held.base
                yield shown(held.task, binding)
                if held.task.has_ended:
                    return
            await changes.wait()


def shown(task: Task, binding: Binding) -> Task:
    """Return a task without what the actor may not see."""
    if not binding.actor.is_client or not _hidden(task):
        return task
    return replace(task, variables=visible(task.variables, binding.actor))


def _hidden(task: Task) -> set[str]:
    return {name for name, each in task.variables.items() if each.visibility is Visibility.SERVER}


def _without(event: Event, hidden: set[str]) -> Event:
    if isinstance(event, Created):
        kept = {name: each for name, each in event.variables.items() if name not in hidden}
        return replace(event, variables=kept)
    if isinstance(event, VariablesChanged):
        values = {name: each for name, each in event.values.items() if name not in hidden}
        declared = {name: each for name, each in event.declared.items() if name not in hidden}
        return cast("Event", replace(event, values=values, declared=declared))
    return event
