"""Say what tasks have to do with one another."""

from __future__ import annotations

from typing import cast

from holdfast.storage.seam import ABSENT
from holdfast.tasks.dependencies import ORDERED, refuse_cycle
from holdfast.tasks.ending import hold_open
from holdfast.tasks.events import DependencyAdded, DependencyRemoved
from holdfast.tasks.keys import graph_key
from holdfast.tasks.record import Ended, Relation, Task
from holdfast.tasks.unit import Unit


async def depend(unit: Unit, task_id: str, on: str, relation: Relation) -> Task:
    """Let a task depend on another one of the same owner."""
    task = await unit.load(task_id)
    other = await unit.load(on)
    if relation is Relation.PARENT and task.parent == on:
        return task
    event = DependencyAdded(
        **unit.stamp,
        relation=relation,
        on=on,
        ended=ended_of(other) if relation is Relation.BLOCKS else "",
    )
    if relation is Relation.PARENT and task.parent and not task.has_ended:
        unit.add(task_id, DependencyRemoved(**unit.stamp, relation=relation, on=task.parent))
    if relation in ORDERED:
        await agree(unit)
    if on != task_id:
        await refuse_cycle(task_id, on, relation, unit.peek)
    if relation is Relation.BLOCKS and not other.has_ended:
        hold_open(unit, on)
    return unit.add(task_id, event)


async def undepend(unit: Unit, task_id: str, on: str, relation: Relation) -> Task:
    """Let a task not depend on another one any more; that one need not be there."""
    await unit.load(task_id)
    return unit.add(task_id, DependencyRemoved(**unit.stamp, relation=relation, on=on))


def ended_of(task: Task) -> Ended:
    """Return how a task has ended, empty while it is open."""
    return cast("Ended", task.state.value) if task.has_ended else ""


async def agree(unit: Unit) -> None:
    """Let changes of one owner's graph come one after the other: two could close a circle.

    Call it before the graph is read.
    """
    key = graph_key(unit.owner)
    record = await unit.store.get(key)
    unit.guard(key, b"", expected=record.version if record else ABSENT)
