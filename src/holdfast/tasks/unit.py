"""Read, decide, write, or try again: how every change of tasks goes.

A `Unit` is one try: it remembers what was read, takes the events that were decided on, and turns them
into one batch. Every log in it says which entry it was decided on, so of two changes that meet one
is refused and decides again on what the other one made.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypedDict, TypeVar

from holdfast.clock import Clock
from holdfast.errors import StorageCorrupt
from holdfast.storage.fallback import write_all
from holdfast.storage.seam import (
    ABSENT,
    ANY,
    Append,
    Conflict,
    Key,
    Operation,
    Put,
    Store,
    can_batch,
)
from holdfast.tasks.codec import to_bytes
from holdfast.tasks.events import Event, decode_event, encode_event
from holdfast.tasks.fold import Fold, apply
from holdfast.tasks.keys import FEED, task_key, task_log
from holdfast.tasks.loading import Held, not_found, read_task, record_writes, rewrite
from holdfast.tasks.record import Task
from holdfast.tasks.requests import Binding

T = TypeVar("T")


class Stamp(TypedDict):
    """When something happens, who does it and from where: members of every event."""

    at: int
    by: str
    via: str


class Unit:
    """One try at a change of tasks of one owner.

    `afterwards` are changes that follow from this one and do not fit into its batch.
    """

    def __init__(self, store: Store, binding: Binding, now: int) -> None:
        self.store = store
        self.owner = binding.owner
        self.actor = binding.actor
        self.now = now
        self.stamp = Stamp(at=now, by=self.actor.by, via=self.actor.via)
        self.afterwards: list[Callable[[Unit], Awaitable[object]]] = []
        self._held: dict[str, Held] = {}
        self._guards: list[Put] = []

    @property
    def held(self) -> Iterator[Held]:
        """Return what was read or made and is to be changed."""
        return (held for held in self._held.values() if held.entries)

    async def peek(self, task_id: str) -> Task | None:
        """Return a task as it is to be, None if there is none."""
        if task_id not in self._held:
            found = await read_task(self.store, self.owner, task_id)
            if found is None:
                return None
            self._held[task_id] = found
        return self._held[task_id].task

    async def load(self, task_id: str) -> Task:
        """Return a task as it is to be.

        Raises:
            TaskNotFound: the owner has no such task.
        """
        task = await self.peek(task_id)
        if task is None:
            raise not_found(task_id)
        return task

    def make(self, task_id: str) -> None:
        """Begin a task; its first event is added next."""
        fold = Fold(task_id)
        self._held[task_id] = Held(version=ABSENT, size=0, before=None, fold=fold, base=0)

    def add(self, task_id: str, *events: Event) -> Task:
        """Let something happen to a task that was loaded or made, and return it as it is then.

        Raises:
            TaskConflict: its state does not allow the event.
        """
        held = self._held[task_id]
        for event in events:
            prev = held.fold.prev
            data = encode_event(event, prev)
            # As it will be read: JSON makes lists of tuples and strings of other keys.
            known = decode_event(data)[0]
            held.fold.task = apply(held.fold.task, known)
            held.fold.chain(data, prev)
            held.entries.append(data)
            held.events.append(known)
        return held.task

    def made(self, task_id: str) -> tuple[Fold, Sequence[Event]]:
        """Return a task that is made here, and what happened to it, as it will be read."""
        held = self._held[task_id]
        return held.fold, held.events

    def touch(self, task_id: str) -> None:
        """Let the change be refused if this task, which was loaded, changes meanwhile."""
        self._held[task_id].touched = True

    def guard(
        self, key: Key, value: bytes, *, expected: int, expires_at: int | None = None
    ) -> None:
        """Write a record that the change depends on."""
        self._guards.append(Put(key=key, value=value, expected=expected, expires_at=expires_at))

    def operations(self) -> list[Operation]:
        """Return the batch: what decides comes first, what can be derived again last."""
        changed = {task_id: held for task_id, held in self._held.items() if held.entries}
        if not changed:
            return []
        batch: list[Operation] = [*self._guards]
        batch += (
            Append(log=task_log(task_id), entries=held.entries, expected=held.base)
            for task_id, held in changed.items()
        )
        for held in changed.values():
            batch += record_writes(held)
        for held in self._held.values():
            if held.touched and not held.entries:
                batch += record_writes(held)
        # With the place in the log, so that no two entries of the feed are alike.
        news = [
            to_bytes((self.owner, task_id, held.fold.tail), what="a task's id")
            for task_id, held in changed.items()
        ]
        batch.append(Append(log=FEED, entries=news, expected=ANY))
        return batch

    def stands_after(self, conflict: Conflict) -> bool:
        """Whether the change is made although a store that cannot batch refused a later write."""
        return conflict.index > len(self._guards)


class Desk:
    """Where changes are made: a store, a clock, and on whose behalf."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        binding: Binding,
        settle: Callable[[Unit], Awaitable[None]],
    ) -> None:
        self.store = store
        self.clock = clock
        self.binding = binding
        self._settle = settle

    async def change(self, decide: Callable[[Unit], Awaitable[T]]) -> T:
        """Write what `decide` decides, as often as it takes until nobody came between.

        `decide` may be called several times, and must do nothing but read and add to the unit.
        """
        while True:
            unit = Unit(self.store, self.binding, self.clock.now_ms())
            answer = await decide(unit)
            await self._settle(unit)
            operations = unit.operations()
            if not operations or await self._commit(unit, operations):
                break
        for more in unit.afterwards:
            await self.change(more)
        return answer

    async def _commit(self, unit: Unit, operations: Sequence[Operation]) -> bool:
        conflict = await write_all(self.store, operations)
        if conflict is None:
            return True
        await self._refuse_lost_log(operations[conflict.index], conflict.current)
        if can_batch(self.store) or not unit.stands_after(conflict):
            return False
        for held in list(unit.held):
            await rewrite(self.store, self.binding.owner, held.task.id)
        return True

    async def _refuse_lost_log(self, refused: Operation, current: int) -> None:
        """Refuse to try for ever where a record tells of entries that its log does not have.

        Without a record the task has expired and was erased meanwhile, and the next try finds none.
        """
        if not isinstance(refused, Append) or current >= refused.expected:
            return
        task_id = refused.log[-1]
        if await self.store.get(task_key(self.binding.owner, task_id)) is not None:
            raise StorageCorrupt(
                f"the log of task {task_id} ends at entry {current}, and its record tells of"
                f" {refused.expected}",
                hint="`holdfast task repair` makes the record again from the log",
            )
