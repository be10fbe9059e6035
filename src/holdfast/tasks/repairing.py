"""Make the records and indexes of all tasks anew from their logs.

Needed after a crash on a store that cannot batch, after two clones were merged, and when in doubt. It
changes nothing that is right, so it may run while others work.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from holdfast.clock import Clock
from holdfast.errors import StorageCorrupt, StorageTooNew
from holdfast.frozen import field, replace, slotted
from holdfast.storage.fallback import write_all
from holdfast.storage.paging import every_log, every_record
from holdfast.storage.seam import Conflict, Delete, Entry, Erasing, Key, Put, Store
from holdfast.tasks.chains import require_listing
from holdfast.tasks.dependencies import ORDERED, edges_of, find_path, waits_for
from holdfast.tasks.fold import broken_links, replay
from holdfast.tasks.keys import Kept, derived, expiry_key, task_key, task_log
from holdfast.tasks.loading import Held, read_task, rewrite
from holdfast.tasks.quotas import count_anew, decode_quota, encode_quota
from holdfast.tasks.record import Relation, Snapshot, Task
from holdfast.tasks.state import TaskState
from holdfast.tasks.sweeping import erase_log, has_expired, release_waiting

_INDEXES = {
    "task": (1, 2),
    "task-by-time": (1, 3),
    "task-ready": (1, 4),
    "task-open": (1, 2),
    "task-free": (1, 3),
    "task-session": (1, 4),
    "task-child": (1, 3),
    "task-dependent": (1, 4),
    "task-expiry": (2, 3),
}
"""The derived records, and where in their keys owner and id stand."""


@slotted
class Repaired:
    """What a repair found, and mended unless it was only to look.

    `damaged` are logs that cannot be read, with why; they are left alone. `altered` are tasks whose
    log is not the one that was written, with the numbers of the entries whose link is broken.
    `caught_up` are records that lagged behind their log, which is no fault: readers read on.
    `superseded` are the entries that a merge made void. `circles` are tasks that wait for themselves.
    `erased` are expired tasks whose log was all that was left, and which no sweep would find.
    """

    dry_run: bool
    tasks: int = 0
    rewritten: list[str] = field(default_factory=list[str])
    caught_up: list[str] = field(default_factory=list[str])
    strays: list[Key] = field(default_factory=list[Key])
    released: list[str] = field(default_factory=list[str])
    quotas: list[str] = field(default_factory=list[str])
    damaged: dict[str, str] = field(default_factory=dict[str, str])
    altered: dict[str, Sequence[int]] = field(default_factory=dict[str, Sequence[int]])
    superseded: dict[str, Sequence[int]] = field(default_factory=dict[str, Sequence[int]])
    circles: list[Sequence[str]] = field(default_factory=list[Sequence[str]])
    erased: list[str] = field(default_factory=list[str])

    @property
    def is_clean(self) -> bool:
        """Whether there was nothing to mend and nothing to tell."""
        found = (self.rewritten, self.strays, self.released, self.quotas, self.erased)
        return not any((*found, self.damaged, self.altered, self.circles))


async def repair(store: Store, clock: Clock, *, dry_run: bool) -> Repaired:
    """Bring all that is derived up to the logs.

    Raises:
        UsageError: the store cannot name its logs.
    """
    report = Repaired(dry_run=dry_run)
    async for task_id in _task_ids(store):
        await _repair_task(store, clock, task_id, report)
    await _remove_strays(store, report)
    async for task in _open_tasks(store):
        await _look_at_waiting(store, clock, task, report)
    await _repair_quotas(store, report)
    return report


async def _repair_task(store: Store, clock: Clock, task_id: str, report: Repaired) -> None:
    read = await store.read(task_log(task_id))
    entries = [entry.value for entry in read]
    try:
        snapshot = replay(task_id, entries)
        broken = broken_links(task_id, entries)
    except (StorageCorrupt, StorageTooNew) as error:
        report.damaged[task_id] = error.message
        return
    task = snapshot.task
    if task.expires_at is not None and has_expired(task, clock):
        await _erase_rest(store, task, task.expires_at, read, report)
        return
    report.tasks += 1
    if broken:
        report.altered[task_id] = broken
    if snapshot.superseded:
        report.superseded[task_id] = snapshot.superseded
    found = await _compare(store, snapshot, report)
    if found is not None:
        found.append(task_id)
        if not report.dry_run:
            await rewrite(store, task.owner, task_id)


async def _erase_rest(
    store: Store, task: Task, expired_at: int, entries: Sequence[Entry], report: Repaired
) -> None:
    """Erase the log of an expired task that the sweeper does not know of (any more)."""
    if not entries or not isinstance(store, Erasing):
        return
    if await store.get(expiry_key(expired_at, task.owner, task.id)) is not None:
        return
    report.erased.append(task.id)
    if not report.dry_run:
        await erase_log(store, task.id, entries)


async def _compare(store: Store, snapshot: Snapshot, report: Repaired) -> list[str] | None:
    """Return where to note a task whose record, or what is derived from it, is not what it must be."""
    task = snapshot.task
    held = await _read(store, task.owner, task.id)
    if held is None or held.before is None:
        return report.rewritten
    stored = held.fold.snapshot()
    if stored.tail > snapshot.tail and await store.read(task_log(task.id), after=snapshot.tail):
        return None  # somebody changes it just now
    if stored.tail >= snapshot.tail and stored != snapshot:
        return report.rewritten
    for key, kept in derived(held.before, held.size).items():
        record = await store.get(key)
        if record is None or Kept(record.value, record.expires_at) != kept:
            return report.rewritten
    return None if held.is_current else report.caught_up


async def _remove_strays(store: Store, report: Repaired) -> None:
    """Remove derived records that follow from no task."""
    known: tuple[str, str] = ("", "")
    expected: set[Key] = set()
    for name, (owner_at, id_at) in _INDEXES.items():
        async for record in every_record(store, (name,)):
            owner, task_id = record.key[owner_at], record.key[id_at]
            if (owner, task_id) != known:
                known = (owner, task_id)
                expected = await _expected(store, owner, task_id, report)
            if record.key in expected or task_id in report.damaged:
                continue
            report.strays.append(record.key)
            if not report.dry_run:
                await write_all(store, [Delete(key=record.key, expected=record.version)])


async def _expected(store: Store, owner: str, task_id: str, report: Repaired) -> set[Key]:
    """Return the keys of the records that a task has, or had before it expired."""
    if task_id in report.damaged or not await store.read(task_log(task_id), limit=1):
        return set()
    held = await _read(store, owner, task_id)
    if held is not None and not (report.dry_run and task_id in report.rewritten):
        task = held.task
    else:
        entries = await store.read(task_log(task_id))
        task = replay(task_id, (entry.value for entry in entries)).task
    return {task_key(owner, task_id), *derived(task, 0)} if task.owner == owner else set()


async def _look_at_waiting(store: Store, clock: Clock, task: Task, report: Repaired) -> None:
    """Tell a task of blockers that have ended, and find the circles that it is in."""
    for each in task.dependencies:
        if not waits_for(task, each.on) or each.on in report.damaged:
            continue
        if ended := await _how_ended(store, task.owner, each.on):
            report.released.append(task.id)
            if not report.dry_run:
                await release_waiting(store, clock, task.owner, each.on, ended)
    for relation in ORDERED:
        await _find_circle(store, task, relation, report)


async def _find_circle(store: Store, task: Task, relation: Relation, report: Repaired) -> None:
    async def edges(here: str) -> Sequence[str]:
        held = await _read(store, task.owner, here)
        return edges_of(held.task, relation) if held else ()

    for on in edges_of(task, relation):
        way = await find_path(on, task.id, edges)
        if way is not None and not any(set(way) == set(known[1:]) for known in report.circles):
            report.circles.append([task.id, *way])


async def _how_ended(store: Store, owner: str, task_id: str) -> str:
    held = await _read(store, owner, task_id)
    if held is not None:
        return held.task.state.value if held.task.has_ended else ""
    return "expired" if await store.get(task_key(owner, task_id)) is None else ""


async def _read(store: Store, owner: str, task_id: str) -> Held | None:
    """Return a task, None also if it cannot be read."""
    try:
        return await read_task(store, owner, task_id)
    except (StorageCorrupt, StorageTooNew):
        return None


async def _repair_quotas(store: Store, report: Repaired) -> None:
    async for record in every_record(store, ("task-quota",)):
        owner = record.key[1]
        quota, counted = decode_quota(record.value), await count_anew(store, owner)
        right = encode_quota(replace(quota, live=counted.live, bytes=counted.bytes))
        if right == record.value:
            continue
        report.quotas.append(owner)
        if not report.dry_run:
            put = Put(key=record.key, value=right, expected=record.version)
            if isinstance(await write_all(store, [put]), Conflict):
                continue  # somebody creates or ends tasks just now, and counts them


async def _open_tasks(store: Store) -> AsyncIterator[Task]:
    async for record in every_record(store, ("task-open",)):
        held = await _read(store, record.key[1], record.key[2])
        if held is not None and held.task.state is TaskState.PENDING:
            yield held.task


async def _task_ids(store: Store) -> AsyncIterator[str]:
    async for name in every_log(require_listing(store), ("task",)):
        if len(name) == 2:
            yield name[1]
