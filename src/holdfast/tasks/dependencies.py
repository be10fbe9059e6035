"""Which tasks wait for which, and whether one would wait for itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence

from holdfast.errors import DependencyCycle
from holdfast.storage.paging import every_record
from holdfast.storage.seam import Store
from holdfast.tasks.record import Dependency, Relation, Task

ORDERED = (Relation.BLOCKS, Relation.PARENT)
"""The relations in which there must be no circle; one cannot close a circle with the other."""

Edges = Callable[[str], Awaitable[Iterable[str]]]


async def find_path(start: str, goal: str, edges: Edges) -> list[str] | None:
    """Return a shortest way from `start` to `goal`, both included; None if there is none."""
    came_from = {start: ""}
    waiting = deque([start])
    while waiting:
        here = waiting.popleft()
        if here == goal:
            return _way(came_from, here)
        for there in await edges(here):
            if there not in came_from:
                came_from[there] = here
                waiting.append(there)
    return None


def edges_of(task: Task, relation: Relation) -> list[str]:
    """Return what a task points at in one of the ordered relations.

    A task that has ended waits for nothing any more.
    """
    if relation is Relation.PARENT:
        return [task.parent] if task.parent else []
    if task.has_ended:
        return []
    return [each.on for each in task.dependencies if each.kind is relation]


async def refuse_cycle(
    task_id: str, on: str, relation: Relation, peek: Callable[[str], Awaitable[Task | None]]
) -> None:
    """Refuse a dependency that closes a circle.

    Raises:
        DependencyCycle: the message and `path` name the way from the task back to itself.
    """
    if relation not in ORDERED:
        return

    async def edges(here: str) -> Iterable[str]:
        task = await peek(here)
        return edges_of(task, relation) if task else ()

    way = await find_path(on, task_id, edges)
    if way is None:
        return
    path = [task_id, *way]
    word = "is blocked by" if relation is Relation.BLOCKS else "is a part of"
    told = f" {word} ".join(each[:8] for each in path)
    raise DependencyCycle(
        f"that would be a circle: {told}",
        path=path,
        hint=f"take one of these out first: `holdfast task undepend {path[1][:8]} {path[2][:8]}"
        f"{'' if relation is Relation.BLOCKS else f' --as {relation.value}'}`"
        if len(path) > 2
        else "name another task",
    )


async def dependents_of(
    store: Store, owner: str, task_id: str, relation: Relation | None = None
) -> Sequence[tuple[Relation, str]]:
    """Return the tasks that depend on one, with how."""
    prefix = ("task-dependent", owner, task_id)
    if relation is not None:
        prefix = (*prefix, relation)
    records = every_record(store, prefix)
    return [(Relation(record.key[3]), record.key[4]) async for record in records]


def waits_for(task: Task, on: str) -> Dependency | None:
    """Return the dependency by which the task waits for another one that is still open."""
    for each in task.dependencies:
        if each.kind is Relation.BLOCKS and each.on == on and not each.ended:
            return each
    return None


def _way(came_from: dict[str, str], end: str) -> list[str]:
    way = [end]
    while before := came_from[way[-1]]:
        way.append(before)
    return way[::-1]
