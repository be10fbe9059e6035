"""Where tasks are kept. Every part of a key stands alone, so no owner can forge another's.

===================================================  ===========================================
log ``("task", id)``                                 the events of the task: the truth
log ``("task-feed",)``                               owner, id and length of the log of what changed
record ``("task", owner, id)``                       the `Snapshot`
record ``("task-by-time", owner, time, id)``         `Summary`; keys sort newest first
record ``("task-ready", owner, priority, time, id)`` `Summary`, only while it can be begun
record ``("task-open", owner, id)``                  `Open`, only while it has not ended
record ``("task-free", owner, time, id)``            nothing; begun, and may be taken over from then
record ``("task-session", owner, session, time, id)``  `Summary`, only if it has a session
record ``("task-child", owner, parent, id)``         nothing
record ``("task-dependent", owner, on, kind, id)``   nothing; who depends on `on`
record ``("task-expiry", time, owner, id)``          nothing; what the sweeper looks at
record ``("task-key", owner, hash)``                 which task a named request made
record ``("task-graph", owner)``                     counts the changes of dependencies
record ``("task-quota", owner)``                     what the owner has, see `quotas`
===================================================  ===========================================

All but the log, ``task-key``, ``task-graph`` and ``task-quota`` are derived from it and are put there
by `derived`, which `repair` calls too.
"""

from __future__ import annotations

from enum import Enum

from holdfast.frozen import NamedTuple
from holdfast.storage.seam import Key
from holdfast.tasks.codec import from_bytes, to_bytes
from holdfast.tasks.record import Task
from holdfast.tasks.state import TaskState
from holdfast.tasks.summaries import encode_summary

FEED: Key = ("task-feed",)
_LATEST_MS = 10**15


class Kept(NamedTuple):
    """The value of a derived record and when it expires."""

    value: bytes
    expires_at: int | None


def task_log(task_id: str) -> Key:
    """Return the name of the log of a task."""
    return ("task", task_id)


def task_key(owner: str, task_id: str) -> Key:
    """Return the key of the record of a task."""
    return ("task", owner, task_id)


def time_key(owner: str, created_at: int, task_id: str) -> Key:
    """Return a key that sorts newer tasks before older ones."""
    return ("task-by-time", owner, newest_first(created_at), task_id)


def ready_key(owner: str, priority: int, created_at: int, task_id: str) -> Key:
    """Return a key that sorts what should be done first before the rest."""
    return ("task-ready", owner, str(priority), oldest_first(created_at), task_id)


def open_key(owner: str, task_id: str) -> Key:
    """Return the key of the marker that a task has not ended."""
    return ("task-open", owner, task_id)


def free_key(owner: str, free_from: int, task_id: str) -> Key:
    """Return a key that sorts the tasks that may be taken over by when."""
    return ("task-free", owner, oldest_first(free_from), task_id)


def session_key(owner: str, session: str, created_at: int, task_id: str) -> Key:
    """Return a key that sorts the tasks of a session, newest first."""
    return ("task-session", owner, session, newest_first(created_at), task_id)


def child_key(owner: str, parent: str, task_id: str) -> Key:
    """Return the key that says that a task is a part of another."""
    return ("task-child", owner, parent, task_id)


def dependent_key(owner: str, on: str, kind: str, task_id: str) -> Key:
    """Return the key that says that a task depends on another."""
    return ("task-dependent", owner, on, kind, task_id)


def expiry_key(expires_at: int, owner: str, task_id: str) -> Key:
    """Return a key that sorts all tasks by when they expire."""
    return ("task-expiry", oldest_first(expires_at), owner, task_id)


def request_key(owner: str, name: str) -> Key:
    """Return the key of what a request that the caller named has made."""
    import hashlib  # noqa: PLC0415 - only for requests that have a name

    return ("task-key", owner, hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest())


def graph_key(owner: str) -> Key:
    """Return the key of what every change of dependencies has to agree on."""
    return ("task-graph", owner)


def quota_key(owner: str) -> Key:
    """Return the key of what an owner has."""
    return ("task-quota", owner)


def oldest_first(at: int) -> str:
    """Return a time as text that sorts as it does."""
    return f"{max(at, 0):015d}"


def newest_first(at: int) -> str:
    """Return a time as text that sorts the other way round."""
    return f"{_LATEST_MS - 1 - max(at, 0):015d}"


class Holds(Enum):
    """What the value of a derived record is."""

    SUMMARY = "summary"
    OPEN = "open"
    NOTHING = "nothing"
    NOTHING_LASTING = "nothing, and it does not expire with the task"


def derived(task: Task, size: int) -> dict[Key, Kept]:
    """Return the records that follow from the record of a task, which takes `size` bytes."""
    kept = {
        Holds.SUMMARY: Kept(encode_summary(task), task.expires_at),
        Holds.NOTHING: Kept(b"", task.expires_at),
        Holds.NOTHING_LASTING: Kept(b"", None),
    }
    if not task.has_ended:
        kept[Holds.OPEN] = Kept(encode_open(task, size), task.expires_at)
    return {key: kept[holds] for key, holds in derived_keys(task).items()}


def derived_keys(task: Task) -> dict[Key, Holds]:
    """Return where the records are that follow from that of a task, and what they hold."""
    owner = task.owner
    found = {time_key(owner, task.created_at, task.id): Holds.SUMMARY}
    if task.session:
        found[session_key(owner, task.session, task.created_at, task.id)] = Holds.SUMMARY
    if task.parent:
        found[child_key(owner, task.parent, task.id)] = Holds.NOTHING
    for each in task.dependencies:
        found[dependent_key(owner, each.on, each.kind, task.id)] = Holds.NOTHING
    if task.expires_at is not None:
        found[expiry_key(task.expires_at, owner, task.id)] = Holds.NOTHING_LASTING
    if not task.has_ended:
        found[open_key(owner, task.id)] = Holds.OPEN
        _add_work(found, task)
    return found


def _add_work(found: dict[Key, Holds], task: Task) -> None:
    """Add where those look who want something to do; the engine gives out its runs itself."""
    if task.run is not None:
        return
    if task.is_ready:
        key = ready_key(task.owner, task.priority, task.created_at, task.id)
        found[key] = Holds.SUMMARY
    elif task.state is TaskState.WORKING and task.free_from is not None:
        found[free_key(task.owner, task.free_from, task.id)] = Holds.NOTHING


class Open(NamedTuple):
    """What is known of an open task without its record: what it takes, and who holds it."""

    size: int
    state: TaskState
    kind: str
    holder: str | None


def encode_open(task: Task, size: int) -> bytes:
    """Return the marker of an open task; `size` is counted in whole KiB, so that it changes rarely."""
    holder = task.lease.holder if task.lease else None
    value = (charge(size), task.state, task.kind, holder)
    return to_bytes(value, what=f"the marker of task {task.id}")


def decode_open(data: bytes) -> Open:
    """Return the marker that `encode_open` wrote."""
    size, state, kind, holder = from_bytes(data, what="the marker of a task")
    return Open(size, TaskState(state), kind, holder)


def charge(size: int) -> int:
    """Return the bytes that a record of this size is counted as: whole KiB."""
    return -(-size // 1024) * 1024
