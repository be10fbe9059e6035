"""Read tasks, and bring what is derived from a log up to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from holdfast.errors import StorageCorrupt, TaskNotFound
from holdfast.frozen import field, slotted
from holdfast.storage.fallback import write_all
from holdfast.storage.seam import ABSENT, ANY, Conflict, Delete, Key, Operation, Put, Store
from holdfast.tasks.chains import digest
from holdfast.tasks.events import Event
from holdfast.tasks.fold import Fold, replay
from holdfast.tasks.keys import Kept, derived, task_key, task_log
from holdfast.tasks.record import Snapshot, Task
from holdfast.tasks.snapshots import decode_snapshot, encode_snapshot


@slotted
class Held:
    """A task as it was read, and what is to happen to it.

    `version` and `size` are of the stored record, `before` is the task in it, None for a new one, and
    `is_current` tells whether that is all that the log says; `base` is the number of the log's last entry.
    """

    version: int
    size: int
    before: Task | None
    fold: Fold
    base: int
    is_current: bool = True
    entries: list[bytes] = field(default_factory=list[bytes])
    events: list[Event] = field(default_factory=list[Event])
    touched: bool = False

    @property
    def task(self) -> Task:
        """Return the task with what is to happen."""
        return self.fold.snapshot().task


async def read_task(store: Store, owner: str, task_id: str) -> Held | None:
    """Return a task as its record and the entries behind it say; None if there is none."""
    record = await store.get(task_key(owner, task_id))
    if record is None:
        return None
    stored = decode_snapshot(record.value)
    now, last = await _read_on(store, task_id, stored)
    return Held(
        version=record.version,
        size=len(record.value),
        before=stored.task,
        fold=Fold(task_id, now),
        base=last,
        is_current=stored.tail == now.tail,
    )


async def _read_on(store: Store, task_id: str, stored: Snapshot) -> tuple[Snapshot, int]:
    """Return a task as the entries behind its record say, and the number of the last entry.

    The last entry that the record knows is read again: if it is not where it was, all is folded anew.
    Two clones of the store were merged since, and entries of the other one stand before it; or the id
    is that of a task that was erased, behind whose numbers this log begins.
    """
    last, *behind = await store.read(task_log(task_id), after=stored.tail - 1) or (None,)
    if last is None:
        return stored, stored.tail
    if digest(last.value) not in stored.heads:
        behind = await store.read(task_log(task_id))
        return replay(task_id, (entry.value for entry in behind)), behind[-1].number
    if not behind:
        return stored, last.number
    return replay(task_id, (entry.value for entry in behind), stored), behind[-1].number


def not_found(task_id: str) -> TaskNotFound:
    """Return the error of a task that is not there, or is somebody else's: there is no difference."""
    return TaskNotFound(
        f"there is no task {task_id!r}", hint="`holdfast task list` shows the tasks there are"
    )


def record_writes(held: Held) -> Iterator[Operation]:
    """Return the writes that bring the record and what is derived from it up to date."""
    task, value = held.task, encode_snapshot(held.fold.snapshot())
    yield Put(
        key=task_key(task.owner, task.id),
        value=value,
        expected=held.version,
        expires_at=task.expires_at,
    )
    before = derived(held.before, held.size) if held.before else {}
    yield from differences(before, derived(task, len(value)))


def differences(before: Mapping[Key, Kept | None], after: dict[Key, Kept]) -> Iterator[Operation]:
    """Return the writes that turn one set of derived records into another.

    Of what is None `before` only the key is known. What goes, goes last: the marker of an open task
    is there until all else is right, also where a crash may come between the writes.
    """
    for key, kept in after.items():
        if before.get(key) != kept:
            yield Put(key=key, value=kept.value, expected=ANY, expires_at=kept.expires_at)
    for key in before.keys() - after.keys():
        yield Delete(key=key, expected=ANY)


async def rewrite(store: Store, owner: str, task_id: str) -> bool:
    """Put the record of a task, and all that is derived from it, as its log says.

    Returns whether there is such a log, and it is the owner's.

    Raises:
        StorageCorrupt: the log cannot be folded.
    """
    while True:
        record = await store.get(task_key(owner, task_id))
        entries = await store.read(task_log(task_id))
        if not entries:
            return False
        fold = Fold(task_id, replay(task_id, (entry.value for entry in entries)))
        before = _stored_task(record.value) if record else None
        held = Held(
            version=record.version if record else ABSENT,
            size=len(record.value) if record else 0,
            before=before,
            fold=fold,
            base=fold.tail,
        )
        if held.task.owner != owner:
            return False
        first, *rest = record_writes(held)
        if isinstance(await write_all(store, [first]), Conflict):
            continue
        # All of it, not only what differs from a record that may have been ahead of its indexes.
        kept = derived(held.task, len(encode_snapshot(fold.snapshot())))
        removed = [each for each in rest if isinstance(each, Delete)]
        await write_all(store, [*removed, *(_put(key, value) for key, value in kept.items())])
        return True


def _put(key: Key, kept: Kept) -> Put:
    return Put(key=key, value=kept.value, expected=ANY, expires_at=kept.expires_at)


def _stored_task(value: bytes) -> Task | None:
    try:
        return decode_snapshot(value).task
    except StorageCorrupt:
        return None
