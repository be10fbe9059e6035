"""Remove what expired tasks leave behind.

Readers see nothing of an expired task from its last millisecond on; this is about the space, and
about those that wait for it. It works in small batches, and locks nothing. The log goes where the
store can erase logs.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from holdfast.clock import Clock
from holdfast.errors import StorageCorrupt, StorageError, StorageTooNew
from holdfast.frozen import frozen
from holdfast.storage.fallback import write_all
from holdfast.storage.seam import ANY, Delete, Entry, Erasing, Key, Operation, Store
from holdfast.tasks.ending import release
from holdfast.tasks.fold import replay
from holdfast.tasks.keys import derived, task_key, task_log
from holdfast.tasks.record import Task
from holdfast.tasks.requests import Actor, Binding
from holdfast.tasks.unit import Desk, Unit

_BATCH = 20
_AT_ONCE = 100
SWEEPER = Actor(by="sweeper", via="holdfast")


@frozen
class Swept:
    """What a sweep did.

    `released` counts the tasks that waited for a removed one and were told in the first batch;
    `more` says that there may be more to do.
    """

    removed: int = 0
    released: int = 0
    more: bool = False


async def sweep(store: Store, clock: Clock, *, limit: int) -> Swept:
    """Remove the leftovers of up to `limit` expired tasks of all owners, the longest expired first."""
    from asyncio import gather  # noqa: PLC0415 - commands that look at a task never need it

    page = await store.scan(("task-expiry",), limit=limit)
    now = clock.now_ms()
    due = [record.key for record in page if int(record.key[1]) <= now]
    released = 0
    for first in range(0, len(due), _BATCH):
        batch = due[first : first + _BATCH]
        released += sum(await gather(*(_remove(store, clock, key) for key in batch)))
    return Swept(removed=len(due), released=released, more=len(due) == limit)


@asynccontextmanager
async def sweeping(store: Store, clock: Clock, *, every: float = 60.0) -> AsyncGenerator[None]:
    """Sweep every so many seconds while the block goes on, for processes that live long."""
    from asyncio import create_task, wait  # noqa: PLC0415 - as above

    task = create_task(keep_sweeping(store, clock, every=every))
    try:
        yield
    finally:
        task.cancel()
        await wait([task])


async def keep_sweeping(store: Store, clock: Clock, *, every: float = 60.0) -> None:
    """Sweep every so many seconds until cancelled.

    A store that fails is logged, and tried again the next time.
    """
    while True:
        more = False
        try:
            more = (await sweep(store, clock, limit=_AT_ONCE)).more
        except StorageError as error:
            import logging  # noqa: PLC0415 - commands that look at a task never need it

            logging.getLogger("holdfast.tasks").warning("what has expired stays: %s", error)
        await clock.sleep(0 if more else every)


async def _remove(store: Store, clock: Clock, key: Key) -> int:
    """Remove what is left of one task; the key that names it goes last."""
    _, _, owner, task_id = key
    told = await release_waiting(store, clock, owner, task_id, "expired")
    entries = await store.read(task_log(task_id))
    task = _task_of(task_id, entries)
    if task is not None and task.owner == owner and has_expired(task, clock):
        gone = {task_key(owner, task_id), *derived(task, 0)} - {key}
        await _delete(store, sorted(gone))
        if not await erase_log(store, task_id, entries):
            return told  # somebody wrote to it just now; the key leads here again
    await _delete(store, [key])
    return told


def has_expired(task: Task, clock: Clock) -> bool:
    """Return whether readers see nothing of a task any more."""
    return task.expires_at is not None and task.expires_at <= clock.now_ms()


async def erase_log(store: Store, task_id: str, entries: Sequence[Entry]) -> bool:
    """Erase the log of a task, whose entries were read; return False if it has others by now.

    Where the store cannot erase, the log stays.
    """
    if not entries or not isinstance(store, Erasing):
        return True
    return await store.erase(task_log(task_id), expected=entries[-1].number) is None


async def release_waiting(store: Store, clock: Clock, owner: str, task_id: str, ended: str) -> int:
    """Tell all that wait for a task how it has ended."""

    async def tell(unit: Unit) -> int:
        return await release(unit, task_id, ended)

    async def settle(unit: Unit) -> None:
        pass  # telling somebody changes no quota

    desk = Desk(store, clock, Binding(owner=owner, actor=SWEEPER), settle)
    return await desk.change(tell)


def _task_of(task_id: str, entries: Sequence[Entry]) -> Task | None:
    try:
        return replay(task_id, (entry.value for entry in entries)).task
    except (StorageCorrupt, StorageTooNew):
        return None


async def _delete(store: Store, keys: Sequence[Key]) -> None:
    for first in range(0, len(keys), _BATCH):
        batch: list[Operation] = [
            Delete(key=key, expected=ANY) for key in keys[first : first + _BATCH]
        ]
        await write_all(store, batch)
