"""What the log of a task adds up to. Pure: no clock, no I/O.

`refusal` says whether an event may follow, `evolve` what it makes of the record. Who is about to
append an event asks first, so in the log of one store every event was allowed. A log that two
clones were merged into may hold events that were decided without knowing of one another, for
instance two ends. The rule then: **the log's order decides.** Every entry is kept; one that is not
allowed any more when its turn comes changes nothing and is noted as *superseded*. So the same log
gives the same record everywhere, and nobody's work is lost from the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

from holdfast.errors import StorageCorrupt, TaskConflict
from holdfast.tasks.chains import digest, genesis
from holdfast.tasks.events import Event, TaskEvent, decode_event
from holdfast.tasks.evolving import born, follow
from holdfast.tasks.record import Snapshot, Task
from holdfast.tasks.rules import refuse

_EXTRA: dict[type[Event], Callable[[Task, Event], Task]] = {}


def teach(kind: type[Event], meaning: Callable[[Task, Event], Task] | None = None) -> None:
    """Let the record follow a kind of event that a layer above registered.

    Without a `meaning` the event is counted and changes nothing. The meaning is pure.
    """
    _EXTRA[kind] = meaning or _unmoved


def refusal(task: Task | None, event: Event) -> str | None:
    """Return why the event may not follow, or None if it may."""
    if type(event) in _EXTRA:
        if task is None:
            return "there is no task yet"
        return f"it has ended ({task.state})" if task.has_ended else None
    return refuse(task, cast("TaskEvent", event))


def evolve(task: Task | None, event: Event) -> Task:
    """Return the task after the event, which must be allowed."""
    if task is None:
        return born(cast("TaskEvent", event))
    if meaning := _EXTRA.get(type(event)):
        return meaning(task, event)
    return follow(task, cast("TaskEvent", event))


def apply(task: Task | None, event: Event) -> Task:
    """Return the task after the event.

    Raises:
        TaskConflict: the event may not follow.
    """
    if reason := refusal(task, event):
        name = f"task {task.id}" if task else "a task"
        raise TaskConflict(f"{name} takes no {event.kind!r} event: {reason}")
    return evolve(task, event)


class Fold:
    """A task and its place in the log, brought forward entry by entry."""

    __slots__ = ("_superseded", "heads", "tail", "task")

    def __init__(self, task_id: str, snapshot: Snapshot | None = None) -> None:
        self.task: Task | None = snapshot.task if snapshot else None
        self.tail = snapshot.tail if snapshot else 0
        self.heads = snapshot.heads if snapshot else (genesis(task_id),)
        self._superseded = snapshot.superseded if snapshot else ()

    @property
    def prev(self) -> str:
        """What the next entry names as the ones before it."""
        return "+".join(self.heads)

    def take(self, data: bytes) -> tuple[Event, str | None]:
        """Take in the next entry of the log; return its event, and why it is superseded if it is."""
        event, prev = decode_event(data)
        self.chain(data, prev)
        reason = refusal(self.task, event)
        if reason is None:
            self.task = evolve(self.task, event)
        else:
            self._superseded = (*self._superseded, self.tail)
        return event, reason

    def chain(self, data: bytes, prev: str) -> None:
        """Count an entry that follows `prev`."""
        before = prev.split("+")
        self.tail += 1
        self.heads = (*(head for head in self.heads if head not in before), digest(data))

    def snapshot(self) -> Snapshot:
        """Return how it stands.

        Raises:
            StorageCorrupt: the log has no creation.
        """
        if self.task is None:
            raise StorageCorrupt(
                "the log of a task does not tell of its creation",
                hint="restore the store from a backup",
            )
        return Snapshot(
            task=self.task, tail=self.tail, heads=self.heads, superseded=self._superseded
        )


def replay(task_id: str, entries: Iterable[bytes], snapshot: Snapshot | None = None) -> Snapshot:
    """Return what the entries behind `snapshot`, or all entries, add up to.

    Raises:
        StorageCorrupt: there is no creation among them, or something that is no event.
        StorageTooNew: an event that this version does not know.
    """
    fold = Fold(task_id, snapshot)
    for data in entries:
        fold.take(data)
    return fold.snapshot()


def broken_links(task_id: str, entries: Iterable[bytes]) -> list[int]:
    """Return the numbers of the entries that follow on something that is not in the log before them.

    The log of one store is a chain; one that was merged is a graph in which every entry comes after
    what it names. An entry that was changed breaks the one that follows it; the last one is held by
    the `heads` of the record.
    """
    known, broken = {genesis(task_id)}, list[int]()
    for number, data in enumerate(entries, 1):
        _, prev = decode_event(data)
        if not known.issuperset(prev.split("+")):
            broken.append(number)
        known.add(digest(data))
    return broken


def _unmoved(task: Task, event: Event) -> Task:  # noqa: ARG001 - one of many meanings
    return task
