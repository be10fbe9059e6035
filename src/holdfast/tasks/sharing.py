"""Change the variables of a task, and look at how they came to be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from holdfast.tasks.events import Created, Event, VariablesChanged
from holdfast.tasks.evolving import born, merge_variables
from holdfast.tasks.leasing import require_holder
from holdfast.tasks.record import Task, Variable, Visibility
from holdfast.tasks.requests import Limits, NewTask
from holdfast.tasks.unit import Unit
from holdfast.tasks.variables import (
    VariableChange,
    VariableConflicts,
    check_incoming,
    check_total,
    find_conflicts,
    refuse_actor,
)

Declared = dict[str, Mapping[str, object]]


def declare(
    schemas: Mapping[str, Mapping[str, object] | None], visibility: Mapping[str, Visibility]
) -> Declared:
    """Return schemas and visibilities by variable, as an event holds them."""
    declared: dict[str, Mapping[str, object]] = {}
    for name, schema in schemas.items():
        declared[name] = {"schema": schema}
    for name, seen_by in visibility.items():
        declared[name] = {**declared.get(name, {}), "visibility": str(Visibility(seen_by))}
    return declared


async def set_variables(
    unit: Unit,
    task_id: str,
    values: Mapping[str, object],
    *,
    expected: Mapping[str, int],
    declared: Declared,
    limits: Limits,
    fence: int | None,
) -> Task | VariableConflicts:
    """Merge values into the variables of a task, or return what conflicts."""
    task = await unit.load(task_id)
    if fence is not None:
        require_holder(unit, task, fence)
    event = VariablesChanged(**unit.stamp, values=dict(values), declared=declared)
    if task.has_ended:
        return unit.add(task_id, event)
    known = task.variables
    names = iter({**declared, **values, **expected})
    refuse_actor(known, names, declared, unit.actor)
    check_incoming(known, values, declared, limits)
    if conflicts := find_conflicts(known, values, expected):
        return VariableConflicts(task=task, conflicts=conflicts)
    if not values and not declared:
        return task
    check_total(merge_variables(known, event), limits)
    return unit.add(task_id, event)


def first_variables(new: NewTask, unit: Unit, limits: Limits) -> dict[str, Mapping[str, Any]]:
    """Return the variables that a new task begins with, checked."""
    declared = declare(new.schemas, new.visibility)
    values = {name: value for name, value in new.variables.items() if value is not None}
    refuse_actor({}, iter({**declared, **values}), declared, unit.actor)
    check_incoming({}, values, declared, limits)
    event = VariablesChanged(at=unit.now, values=values, declared=declared)
    merged = merge_variables({}, event)
    check_total(merged, limits)
    found: dict[str, Mapping[str, Any]] = {}
    for name, variable in merged.items():
        members: dict[str, Any] = {"value": variable.value}
        if variable.deleted:
            members = {"deleted": True}
        found[name] = {**members, **declared.get(name, {})}
    return found


def changes_of(name: str, events: Iterable[Event]) -> Sequence[VariableChange]:
    """Return the changes of one variable among the events that count, oldest first."""
    found: list[VariableChange] = []
    variables: Mapping[str, Variable] = {}
    for event in events:
        before = variables.get(name)
        if isinstance(event, Created):
            variables = born(event).variables
        elif isinstance(event, VariablesChanged):
            variables = merge_variables(variables, event)
        else:
            continue
        after = variables.get(name)
        if after is not None and after != before:
            change = VariableChange(
                version=after.version, value=after.value, at=event.at, by=event.by, via=event.via
            )
            found.append(change)
    return found
