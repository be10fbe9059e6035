"""Who works on a task: claims, heartbeats, and the number that refuses who comes too late.

A claim gets the next number of the task, the *fencing number*. A holder names its number with what it
writes; once somebody else has claimed the task, the old number is refused. A lease that has ended
and that nobody has taken over still counts: nobody else has worked on the task meanwhile.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from holdfast.errors import InputError, LeaseLost, TaskBusy, TaskConflict
from holdfast.ids import new_holder_id
from holdfast.storage.seam import Key
from holdfast.tasks.events import Claimed, Released, Renewed
from holdfast.tasks.record import Task
from holdfast.tasks.state import TaskState
from holdfast.tasks.unit import Unit

_PAGE = 32
_HOLDER_CHARACTERS = 200


def require_holder(unit: Unit, task: Task, fence: int | None) -> None:
    """Let only who holds the task pass.

    Raises:
        LeaseLost: the number is not that of the newest claim, or the task was released.
        TaskBusy: no number was given, and somebody else holds the task.
        TaskConflict: no number was given, and the task is a run, whose program works on it.
    """
    if fence is not None:
        _require_fence(task, fence)
        return
    lease = task.lease
    if lease is not None and task.is_leased(unit.now) and lease.holder != unit.actor.by:
        raise TaskBusy(
            f"task {task.id} is held by {lease.holder!r}",
            hint="wait until it is released or the lease ends, or cancel it",
        )
    if task.run is not None and not task.has_ended:
        raise TaskConflict(
            f"task {task.id} is a run: its program works on it and ends it",
            hint="`holdfast resume` and `holdfast answer` go on with it, `holdfast cancel` ends it",
        )


async def claim(unit: Unit, task_id: str, *, lease_ms: int, holder: str) -> Task:
    """Take a task over."""
    task = await unit.load(task_id)
    _refuse_run(task)
    if task.lease is not None and task.is_leased(unit.now):
        raise TaskBusy(
            f"task {task.id} is held by {task.lease.holder!r}",
            hint="take another one: `holdfast task claim --next`",
        )
    return _take(unit, task, lease_ms, holder)


async def claim_next(unit: Unit, *, lease_ms: int, holder: str) -> Task | None:
    """Take over what was begun and left, the longest left first, else begin what is most urgent."""
    async for task_id in _candidates(unit):
        task = await unit.peek(task_id)
        if task is not None and _is_free(task, unit.now):
            return _take(unit, task, lease_ms, holder)
    return None


async def renew(unit: Unit, task_id: str, fence: int, *, lease_ms: int) -> Task:
    """Let the lease end later."""
    task = await unit.load(task_id)
    _require_fence(task, fence)
    return unit.add(task_id, Renewed(**unit.stamp, fence=fence, until=_until(unit, lease_ms)))


async def release(unit: Unit, task_id: str, fence: int) -> Task:
    """Let go of the task, so that anybody may go on with it."""
    task = await unit.load(task_id)
    _require_fence(task, fence)
    return unit.add(task_id, Released(**unit.stamp))


def _take(unit: Unit, task: Task, lease_ms: int, holder: str) -> Task:
    if len(holder) > _HOLDER_CHARACTERS:
        raise InputError(
            f"the holder {holder[:20]!r}… has more than {_HOLDER_CHARACTERS} characters",
            hint="use an id",
        )
    event = Claimed(
        **unit.stamp,
        holder=holder or unit.actor.by or new_holder_id(),
        fence=task.fence + 1,
        until=_until(unit, lease_ms),
    )
    return unit.add(task.id, event)


def _require_fence(task: Task, fence: int) -> None:
    if task.fence != fence:
        raise LeaseLost(
            f"task {task.id} was claimed with the number {task.fence} since; {fence} is not valid"
            if fence < task.fence
            else f"no claim of task {task.id} has the number {fence}",
            hint="what was written before stands; claim the task again to go on",
        )
    if task.lease is None and not task.has_ended:
        raise LeaseLost(
            f"task {task.id} was released by the holder with the number {fence}",
            hint="claim the task again to go on",
        )


def _refuse_run(task: Task) -> None:
    if task.run is not None:
        raise TaskConflict(
            f"task {task.id} is a run, which the engine gives out",
            hint="`holdfast resume` goes on with it",
        )


def _is_free(task: Task, now: int) -> bool:
    if task.run is not None or task.is_leased(now):
        return False
    waiting = task.free_from is not None and task.free_from <= now
    return task.is_ready or (waiting and task.state is TaskState.WORKING)


def _until(unit: Unit, lease_ms: int) -> int:
    if lease_ms <= 0:
        raise InputError(f"a lease of {lease_ms} ms is none", hint="give a number above 0")
    return unit.now + lease_ms


async def _candidates(unit: Unit) -> AsyncIterator[str]:
    """Return what the indexes show as free; they may lag behind where a store cannot batch."""
    async for key in _scan(unit, ("task-free", unit.owner)):
        if int(key[2]) > unit.now:
            break
        yield key[3]
    async for key in _scan(unit, ("task-ready", unit.owner)):
        yield key[4]


async def _scan(unit: Unit, prefix: Key) -> AsyncIterator[Key]:
    after, limit = None, 1
    while True:
        page = await unit.store.scan(prefix, after=after, limit=limit)
        for record in page:
            yield record.key
        if len(page) < limit:
            return
        after, limit = page[-1].key, _PAGE
