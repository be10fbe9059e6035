"""Bring tasks in from other trackers, as often as wanted: what is there is brought up to date."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from holdfast.errors import HoldfastError, StorageError, TaskNotFound
from holdfast.storage.seam import Bounded, Store, can_batch
from holdfast.tasks.events import Created, Event, Noted
from holdfast.tasks.exchange.edges import drop_missing
from holdfast.tasks.exchange.histories import Importer, events_of, item_of
from holdfast.tasks.exchange.luggage import base_of, luggage_of
from holdfast.tasks.exchange.planning import (
    Planned,
    each_at_once,
    plan_import,
    plan_one,
    problem,
    request_key_of,
)
from holdfast.tasks.exchange.seam import Comment, Finding, Format, Item, Report
from holdfast.tasks.exchange.updating import Update, decide
from holdfast.tasks.exchange.whole import import_histories
from holdfast.tasks.reading import Happening
from holdfast.tasks.record import Task
from holdfast.tasks.service import Tasks

_BATCH = 50
_WRITES_EACH = 12
_WRITES_BESIDES = 20
Advance = Callable[[int, int], object]
"""Told how many tasks of how many are done."""


@dataclass(slots=True, kw_only=True)
class Imported:
    """What an import did, or would do: `same` were up to date already."""

    read: int = 0
    created: int = 0
    updated: int = 0
    same: int = 0
    findings: list[Finding] = field(default_factory=list[Finding])

    @property
    def problems(self) -> int:
        """The number of things that were not taken in as they stand."""
        return sum(each.weight == "problem" for each in self.findings)


def nothing(done: int, total: int) -> None:
    """Take note of nothing."""
    del done, total


async def import_tasks(
    tasks: Tasks,
    form: Format,
    path: Path,
    *,
    now: int,
    space: str | None = None,
    dry_run: bool = False,
    advance: Advance = nothing,
) -> Imported:
    """Bring in the tasks of a file or folder, and bring those that came before up to date.

    `space` tells apart the projects whose ids are only their own. What is not as it should be is in the
    findings; all else is taken in.

    Raises:
        UsageError: nothing can be read.
        StorageError: the store failed; importing once more goes on from there.
    """
    done = Imported()
    report = done.findings.append
    if form.name == "holdfast":
        counts = await import_histories(
            tasks, form, path, report, batch=batch_of(tasks.store), dry_run=dry_run, advance=advance
        )
        done.read, done.created, done.updated, done.same = counts
        return done
    plan = await plan_import(tasks, form, path, space=space, now=now, report=report)
    done.read, done.same = plan.read, plan.same
    making = _Making(tasks, form, plan.ids, report, now)
    new = [each for each in plan.work if each.task is None]
    old = [each for each in plan.work if each.task is not None]
    size, total = batch_of(tasks.store), len(plan.work)
    for start in range(0, len(new), size):
        batch = new[start : start + size]
        done.created += len(batch) if dry_run else await making.create(batch)
        advance(start + len(batch), total)
    for start in range(0, len(old), size):
        batch = old[start : start + size]
        done.updated += sum(await each_at_once(batch, making.update_of(dry_run=dry_run)))
        advance(len(new) + start + len(batch), total)
    return done


def batch_of(store: Store) -> int:
    """Return how many tasks go into one batch of a store."""
    if not can_batch(store):
        return 1
    if isinstance(store, Bounded):
        return max(1, min(_BATCH, (store.max_operations - _WRITES_BESIDES) // _WRITES_EACH))
    return _BATCH


class _Making:
    """Planned tasks on their way into the store."""

    def __init__(
        self, tasks: Tasks, form: Format, ids: dict[str, str], report: Report, now: int
    ) -> None:
        self._tasks, self._form, self._ids = tasks, form, ids
        self._report, self._now = report, now
        self._stamp = Importer(by=tasks.actor.by, via=f"import {form.name}")
        self._names = {ours: theirs for theirs, ours in ids.items()}
        self._lost: set[str] = set()

    async def create(self, batch: Sequence[Planned]) -> int:
        """Make tasks, all at once if nothing speaks against it; return how many were made."""
        whole = [each for each in map(self._as_is_left, batch) if each is not None]
        try:
            await self._tasks.restore_all([self._history(each) for each in whole])
        except StorageError:
            raise
        except HoldfastError:
            return sum([await self._create_one(each) for each in whole])
        return len(whole)

    def update_of(self, *, dry_run: bool) -> Callable[[Planned], Awaitable[int]]:
        """Return what brings one task up to date and counts it."""

        async def update(planned: Planned) -> int:
            return await self._update(planned, dry_run=dry_run)

        return update

    async def _create_one(self, planned: Planned) -> int:
        left = self._as_is_left(planned)
        if left is None:
            return 0
        try:
            await self._tasks.restore(self._history(left))
        except StorageError:
            raise
        except HoldfastError as error:
            self._lost.add(planned.item.id)
            remedy = error.hint or "mend it and import once more"
            self._report(problem(planned.item, f"{error.message}; it was left out", remedy))
            return 0
        return 1

    def _as_is_left(self, planned: Planned) -> Planned | None:
        """Return what is planned without what it has to do with tasks that could not be made."""
        item = drop_missing(planned.item, lambda name: name not in self._lost, self._report)
        if item is planned.item:
            return planned
        again = plan_one(self._form, item, None, self._report)
        return replace(again, task_id=planned.task_id) if again else None

    def _history(self, planned: Planned) -> list[Event]:
        item = planned.item
        events = events_of(
            item, stamp=self._stamp, ids=self._ids.__getitem__, metadata=self._metadata(planned)
        )
        birth = events[0]
        assert isinstance(birth, Created)
        key = request_key_of(self._form, item.space, item.id)
        return [replace(birth, key=key), *events[1:]]

    def _metadata(self, planned: Planned) -> dict[str, object]:
        return {self._form.name: planned.luggage}

    async def _update(self, planned: Planned, *, dry_run: bool) -> int:
        update = await self._decide(planned)
        if not update.events:
            self._tell(planned.item, update)
            return 0
        if not dry_run:
            try:
                await self._tasks.extend(planned.task_id, update.events)
            except StorageError:
                raise
            except HoldfastError as error:
                remedy = error.hint or "import once more"
                self._report(problem(planned.item, error.message, remedy))
                return 0
        self._tell(planned.item, update)
        return 1

    async def _decide(self, planned: Planned) -> Update:
        assert planned.task is not None
        task, item = planned.task, planned.item
        await self._learn_names(task)
        names = self._names
        happened = await self._tasks.history(task.id)
        now = item_of(
            task,
            notes_of(happened),
            name=item.id,
            names=lambda task_id: names.get(task_id, task_id),
            by=author_of(happened),
        )
        carried = luggage_of(task, self._form.name)
        at = planned.wanted.updated_at or self._now
        if not carried and at <= task.updated_at:
            return Update()  # it went out from here, and nobody changed it since
        return decide(
            task,
            now=now,
            wanted=planned.wanted,
            base=base_of(self._form, carried, now),
            metadata=self._metadata(planned),
            ids=lambda name: self._ids.get(name, name),
            stamp=self._stamp,
            at=max(at, task.updated_at),
        )

    async def _learn_names(self, task: Task) -> None:
        """Find out what the other tracker calls those that the file names no more."""
        others = [*(each.on for each in task.dependencies), *([task.parent] if task.parent else [])]
        for other in others:
            if other in self._names:
                continue
            try:
                carried = luggage_of(await self._tasks.get(other), self._form.name)
            except TaskNotFound:
                continue
            if carried:
                self._names[other] = str(carried["id"])
                self._ids.setdefault(str(carried["id"]), other)

    def _tell(self, item: Item, update: Update) -> None:
        for what in update.refused:
            remedy = "change it by hand, here or there"
            self._report(problem(item, what, remedy))
        for what in update.clashes:
            self._report(
                Finding(
                    weight="remark",
                    place=item.place,
                    item=item.id,
                    what=f"it was changed here and in the file, which won: {what}",
                    remedy="`holdfast task history` shows what it was",
                )
            )


def notes_of(happened: Sequence[Happening]) -> list[Comment]:
    """Return the notes in a history."""
    found: list[Comment] = []
    for each in happened:
        event = each.event
        if isinstance(event, Noted) and not each.superseded:
            found.append(Comment(at=event.at, text=event.text, by=event.by))
    return found


def author_of(happened: Sequence[Happening]) -> str:
    """Return who made a task."""
    first = happened[0].event if happened else None
    return first.by if isinstance(first, Created) else ""
