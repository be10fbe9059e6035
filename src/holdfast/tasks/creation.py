"""Make tasks: new ones, and old ones with the history that they bring."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, cast

from holdfast.errors import InputError, TaskConflict
from holdfast.ids import ID_LENGTH, new_run_id, normalise_prefix
from holdfast.storage.seam import ABSENT
from holdfast.tasks.checks import check_new, choose_ttl
from holdfast.tasks.codec import from_bytes, plain, to_bytes
from holdfast.tasks.dependencies import edges_of, refuse_cycle
from holdfast.tasks.ending import tell_dependents
from holdfast.tasks.events import Created, Event
from holdfast.tasks.keys import request_key, task_log
from holdfast.tasks.linking import agree, ended_of
from holdfast.tasks.record import Relation, RunDetails, Task
from holdfast.tasks.requests import Limits, NewTask
from holdfast.tasks.sharing import first_variables
from holdfast.tasks.unit import Unit

Json = dict[str, object]


async def create(unit: Unit, new: NewTask, limits: Limits) -> Task:
    """Make a task, or return the one that the same request has made."""
    check_new(new)
    if new.key and (made := await _made_before(unit, new)):
        return made
    ttl_ms = choose_ttl(new.ttl_ms, limits)
    task_id = await _choose_id(unit, new.id)
    event = Created(
        **unit.stamp,
        id=task_id,
        owner=unit.owner,
        name=new.name,
        description=new.description,
        parent=await _known_parent(unit, new.parent),
        session=new.session,
        priority=new.priority,
        tags=list(dict.fromkeys(new.tags)),
        variables=first_variables(new, unit, limits),
        dependencies=await _dependencies(unit, new),
        ttl_ms=ttl_ms,
        metadata=dict(new.metadata),
        run=_run(new.run),
        key=new.key,
    )
    unit.make(task_id)
    task = unit.add(task_id, event)
    if new.key:
        await _remember(unit, new, task)
    return task


async def restore(unit: Unit, events: Sequence[Event]) -> Task:
    """Make a task with a whole history; it becomes one of this owner."""
    if not events or not isinstance(events[0], Created):
        raise InputError("a history begins with the creation", hint="put a `Created` event first")
    birth = events[0]
    if len(birth.id) != ID_LENGTH or normalise_prefix(birth.id) != birth.id:
        raise InputError(
            f"{birth.id!r} is no id", hint=f"an id has {ID_LENGTH} lower-case hexadecimal digits"
        )
    if birth.ttl_ms is not None and birth.at + birth.ttl_ms <= unit.now:
        raise InputError(f"task {birth.id} has expired", hint="leave it out")
    await _choose_id(unit, birth.id)
    await agree(unit)
    known = [await _as_known(unit, dict(each)) for each in birth.dependencies]
    unit.make(birth.id)
    task = unit.add(birth.id, replace(birth, owner=unit.owner, dependencies=known), *events[1:])
    for relation in (Relation.BLOCKS, Relation.PARENT):
        for on in edges_of(task, relation):
            await refuse_cycle(task.id, on, relation, unit.peek)
    if task.has_ended:
        await tell_dependents(unit, task)
    return task


async def _choose_id(unit: Unit, wanted: str) -> str:
    if not wanted:
        return new_run_id()
    if await unit.store.read(task_log(wanted), limit=1):
        raise TaskConflict(
            f"the id {wanted} is taken", hint="leave the id out to get one that nobody has"
        )
    return wanted


async def _known_parent(unit: Unit, parent: str) -> str:
    if parent:
        await unit.load(parent)
    return parent


async def _dependencies(unit: Unit, new: NewTask) -> list[Json]:
    """Return what the task has to do with others, which must be there.

    A new task closes no circle: nobody can have named it yet.
    """
    found: list[Json] = []
    asked = (
        (Relation.BLOCKS, new.blocked_by),
        (Relation.RELATES, new.relates),
        (Relation.DISCOVERED_FROM, new.discovered_from),
    )
    for relation, others in asked:
        for on in dict.fromkeys(others):
            other = await unit.load(on)
            members: Json = {"kind": relation.value, "on": on}
            if relation is Relation.BLOCKS and other.has_ended:
                members["ended"] = ended_of(other)
            elif relation is Relation.BLOCKS:
                unit.touch(on)
            found.append(members)
    return found


async def _as_known(unit: Unit, members: Json) -> Json:
    """Return a dependency with how the other task has ended, if that one is there."""
    if members.get("kind") != Relation.BLOCKS:
        return members
    other = await unit.peek(str(members["on"]))
    if other is None:
        return members
    if not other.has_ended:
        unit.touch(other.id)
    return {**members, "ended": ended_of(other)}


def _run(run: RunDetails | None) -> Json | None:
    return None if run is None else plain(run)


def _fingerprint(new: NewTask) -> str:
    """Return what tells whether two requests with one key ask for the same."""
    members = asdict(cast("Any", replace(new, key="", id="")))
    return hashlib.sha256(to_bytes(members, what="the request")).hexdigest()


async def _made_before(unit: Unit, new: NewTask) -> Task | None:
    """Return the task that a request with this key has made, if it is still there."""
    record = await unit.store.get(request_key(unit.owner, new.key))
    if record is None:
        return None
    task_id, fingerprint = from_bytes(record.value, what="a request")
    task = await unit.peek(task_id)
    if task is not None and fingerprint != _fingerprint(new):
        raise TaskConflict(
            f"a request with the key {new.key!r} made task {task_id} from something else",
            hint="use a new key for each thing to be done, and the same one to ask again",
        )
    return task


async def _remember(unit: Unit, new: NewTask, task: Task) -> None:
    key = request_key(unit.owner, new.key)
    record = await unit.store.get(key)
    value = to_bytes((task.id, _fingerprint(new)), what="a request")
    version = record.version if record else ABSENT
    unit.guard(key, value, expected=version, expires_at=task.expires_at)
