"""Make new tasks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from holdfast.errors import TaskConflict
from holdfast.frozen import replace
from holdfast.ids import new_run_id
from holdfast.late import Late
from holdfast.storage.seam import ABSENT
from holdfast.tasks.checks import check_new, choose_ttl
from holdfast.tasks.codec import from_bytes, plain, to_bytes
from holdfast.tasks.events import Created
from holdfast.tasks.keys import request_key, task_log
from holdfast.tasks.record import Relation, RunDetails, Task
from holdfast.tasks.requests import Limits, NewTask
from holdfast.tasks.unit import Unit

if TYPE_CHECKING:
    from holdfast.tasks import ending, linking, sharing
else:  # most new tasks wait for nothing and have no variables
    ending = Late("holdfast.tasks.ending")
    linking = Late("holdfast.tasks.linking")
    sharing = Late("holdfast.tasks.sharing")

Json = dict[str, object]


async def create(unit: Unit, new: NewTask, limits: Limits) -> Task:
    """Make a task, or return the one that the same request has made."""
    check_new(new)
    if new.key and (made := await _made_before(unit, new)):
        return made
    ttl_ms = choose_ttl(new.ttl_ms, limits)
    task_id = await choose_id(unit, new.id)
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
        variables=_variables(unit, new, limits),
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


async def choose_id(unit: Unit, wanted: str) -> str:
    """Return an id that nobody has: `wanted`, or a fresh one if that is empty.

    Raises:
        TaskConflict: somebody has it.
    """
    if not wanted:
        return new_run_id()
    if await unit.store.read(task_log(wanted), limit=1) or await unit.peek(wanted):
        raise TaskConflict(
            f"the id {wanted} is taken", hint="leave the id out to get one that nobody has"
        )
    return wanted


def _variables(unit: Unit, new: NewTask, limits: Limits) -> dict[str, Mapping[str, Any]]:
    if not (new.variables or new.schemas or new.visibility):
        return {}
    return sharing.first_variables(new, unit, limits)


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
                members["ended"] = linking.ended_of(other)
            elif relation is Relation.BLOCKS:
                ending.hold_open(unit, on)
            found.append(members)
    return found


def _run(run: RunDetails | None) -> Json | None:
    return None if run is None else plain(run)


def _fingerprint(new: NewTask) -> str:
    """Return what tells whether two requests with one key ask for the same."""
    from dataclasses import asdict  # noqa: PLC0415 - only for requests that have a name

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
