"""Take in tasks with the histories that they bring, for imports."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.errors import InputError, TaskConflict
from holdfast.frozen import replace
from holdfast.ids import ID_LENGTH, normalise_prefix
from holdfast.storage.seam import ABSENT, Store
from holdfast.tasks.codec import from_bytes, to_bytes
from holdfast.tasks.creation import choose_id
from holdfast.tasks.dependencies import edges_of, refuse_cycle
from holdfast.tasks.ending import tell_dependents
from holdfast.tasks.events import BlockerEnded, Created, DependencyAdded, Event
from holdfast.tasks.keys import request_key, task_key
from holdfast.tasks.linking import agree, ended_of
from holdfast.tasks.record import Relation, Task
from holdfast.tasks.unit import Unit

_ORDERED = (Relation.BLOCKS, Relation.PARENT)
Json = dict[str, object]


async def restore(unit: Unit, histories: Sequence[Sequence[Event]]) -> Sequence[Task]:
    """Make tasks with whole histories, all or none; they become tasks of this owner."""
    births = [_check(unit, events) for events in histories]
    if any(_has_edges(events) for events in histories):
        await agree(unit)
    named: set[str] = set()
    made: list[Task] = []
    for birth, events in zip(births, histories, strict=True):
        task = await _restore_one(unit, birth, events, is_named=birth.id in named)
        named.update(on for relation in _ORDERED for on in edges_of(task, relation))
        made.append(task)
    return made


async def extend(unit: Unit, task_id: str, events: Sequence[Event]) -> Task:
    """Let more of a history happen to a task that is there, all or nothing."""
    task = await unit.load(task_id)
    added = [each for each in events if isinstance(each, DependencyAdded)]
    if added:
        await agree(unit)
    for event in added:
        if event.on != task_id:
            await refuse_cycle(task_id, event.on, Relation(event.relation), unit.peek)
    for event in events:
        task = unit.add(task_id, await _as_it_is(unit, event))
    if events and task.has_ended:
        await tell_dependents(unit, task)
    return task


async def made_by(store: Store, owner: str, key: str) -> str | None:
    """Return the id of the task that the request with this key made, if it is still there."""
    record = await store.get(request_key(owner, key))
    if record is None:
        return None
    task_id: str = from_bytes(record.value, what="a request")[0]
    return task_id if await store.get(task_key(owner, task_id)) else None


def _check(unit: Unit, events: Sequence[Event]) -> Created:
    if not events or not isinstance(events[0], Created):
        raise InputError("a history begins with the creation", hint="put a `Created` event first")
    birth = events[0]
    if len(birth.id) != ID_LENGTH or normalise_prefix(birth.id) != birth.id:
        raise InputError(
            f"{birth.id!r} is no id", hint=f"an id has {ID_LENGTH} lower-case hexadecimal digits"
        )
    if birth.ttl_ms is not None and birth.at + birth.ttl_ms <= unit.now:
        raise InputError(f"task {birth.id} has expired", hint="leave it out")
    return birth


def _has_edges(events: Sequence[Event]) -> bool:
    return any(
        isinstance(each, DependencyAdded)
        or (isinstance(each, Created) and bool(each.parent or each.dependencies))
        for each in events
    )


async def _restore_one(
    unit: Unit, birth: Created, events: Sequence[Event], *, is_named: bool
) -> Task:
    await choose_id(unit, birth.id)
    if birth.key:
        await _take_key(unit, birth)
    told = {each.on for each in events if isinstance(each, BlockerEnded)}
    known = [
        dict(each) if each["on"] in told else await _as_known(unit, dict(each))
        for each in birth.dependencies
    ]
    unit.make(birth.id)
    task = unit.add(birth.id, replace(birth, owner=unit.owner, dependencies=known), *events[1:])
    task = await _free(unit, task)
    if is_named or await _is_named(unit, task):
        await _refuse_cycles(unit, task)
    if task.has_ended:
        await tell_dependents(unit, task)
    return task


async def _free(unit: Unit, task: Task) -> Task:
    """Tell a task of blockers that ended while nobody could tell it."""
    if task.has_ended:
        return task
    for each in task.dependencies:
        if each.kind is Relation.BLOCKS and not each.ended:
            other = await unit.peek(each.on)
            if other is not None and other.has_ended:
                event = BlockerEnded(**unit.stamp, on=each.on, ended=ended_of(other))
                task = unit.add(task.id, event)
    return task


async def _is_named(unit: Unit, task: Task) -> bool:
    """Return whether others point at a task that is only being made.

    If none does, it closes no circle, and nobody has to walk along all that it depends on.
    """
    for prefix in ("task-dependent", "task-child"):
        if await unit.store.scan((prefix, unit.owner, task.id), limit=1):
            return True
    return False


async def _refuse_cycles(unit: Unit, task: Task) -> None:
    for relation in _ORDERED:
        for on in edges_of(task, relation):
            await refuse_cycle(task.id, on, relation, unit.peek)


async def _take_key(unit: Unit, birth: Created) -> None:
    key = request_key(unit.owner, birth.key)
    record = await unit.store.get(key)
    if record is not None and await made_by(unit.store, unit.owner, birth.key):
        raise TaskConflict(
            f"a request with the key {birth.key!r} has made a task already",
            hint="import again: what is there is then brought up to date",
        )
    value = to_bytes((birth.id, "restored"), what="a request")
    expires_at = None if birth.ttl_ms is None else birth.at + birth.ttl_ms
    unit.guard(key, value, expected=record.version if record else ABSENT, expires_at=expires_at)


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


async def _as_it_is(unit: Unit, event: Event) -> Event:
    if not isinstance(event, DependencyAdded) or event.relation != Relation.BLOCKS:
        return event
    known = await _as_known(unit, {"kind": event.relation, "on": event.on})
    return replace(event, ended=str(known.get("ended", "")))
