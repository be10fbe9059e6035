"""Bring in tasks with their whole histories, as an export of Holdfast holds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from holdfast.errors import HoldfastError, StorageError, TaskConflict, TaskNotFound
from holdfast.tasks.events import Created, Event
from holdfast.tasks.exchange.seam import Finding, Format, Item, Report
from holdfast.tasks.exchange.soundness import sound_events
from holdfast.tasks.service import Tasks

Counts = tuple[int, int, int, int]
History = tuple[Item, list[Event]]


async def import_histories(
    tasks: Tasks,
    form: Format,
    path: Path,
    report: Report,
    *,
    batch: int,
    dry_run: bool,
    advance: Callable[[int, int], object],
) -> Counts:
    """Make the tasks of a file; return how many were read, made, brought on, and there already."""
    bringing = _Bringing(tasks, report, dry_run=dry_run)
    waiting: list[History] = []
    read = 0
    for item in form.read(path, report):
        read += 1
        events = _events(item, report)
        if events is None or not await bringing.is_new(item, events):
            continue
        waiting.append((item, events))
        if len(waiting) == batch:
            await bringing.make(waiting)
            waiting.clear()
            advance(read, read)
    await bringing.make(waiting)
    advance(read, read)
    return read, bringing.made, bringing.extended, bringing.same


class _Bringing:
    """Histories on their way into the store."""

    def __init__(self, tasks: Tasks, report: Report, *, dry_run: bool) -> None:
        self.made = self.extended = self.same = 0
        self._tasks, self._report, self._dry_run = tasks, report, dry_run

    async def is_new(self, item: Item, events: Sequence[Event]) -> bool:
        """Return whether a task has to be made; bring one that is there on, if its history goes on."""
        try:
            here = [each.event for each in await self._tasks.history(item.id)]
        except TaskNotFound:
            return True
        mine, theirs = [_bare(each) for each in here], [_bare(each) for each in events]
        if mine[: len(theirs)] == theirs:
            self.same += 1
        elif theirs[: len(mine)] == mine:
            await self._extend(item, events[len(mine) :])
        else:
            self._tell(
                item,
                "the task is here already, with another history",
                "to join two stores use `holdfast merge`; the one that is here stays",
            )
        return False

    async def make(self, histories: Sequence[History]) -> None:
        """Make tasks, all at once if nothing speaks against it."""
        if self._dry_run or not histories:
            self.made += len(histories)
            return
        try:
            await self._tasks.restore_all([events for _, events in histories])
        except StorageError:
            raise
        except HoldfastError:
            for item, events in histories:
                await self._make_one(item, events)
        else:
            self.made += len(histories)

    async def _make_one(self, item: Item, events: Sequence[Event]) -> None:
        try:
            await self._tasks.restore(events)
        except StorageError:
            raise
        except TaskConflict as error:
            self._tell(item, f"{error.message}; it was left out", error.hint or "leave it out")
        except HoldfastError as error:
            self._tell(item, error.message, error.hint)
        else:
            self.made += 1

    async def _extend(self, item: Item, events: Sequence[Event]) -> None:
        if not self._dry_run:
            try:
                await self._tasks.extend(item.id, events)
            except StorageError:
                raise
            except HoldfastError as error:
                self._tell(item, error.message, error.hint)
                return
        self.extended += 1

    def _tell(self, item: Item, what: str, remedy: str) -> None:
        self._report(_finding(item, what, remedy))


def _events(item: Item, report: Report) -> list[Event] | None:
    """Return the events of a task; None, after a report, if they make no sense."""
    try:
        events, task = sound_events(item.history)
    except HoldfastError as error:
        report(_finding(item, f"{error.message}; it was left out", error.hint))
        return None
    if task.id == item.id:
        return events
    report(_finding(item, f"its history is that of {task.id}; it was left out", "export it again"))
    return None


def _bare(event: Event) -> Event:
    """Return an event without what the store that it is put into decides."""
    if not isinstance(event, Created):
        return event
    bare = [{name: each[name] for name in ("kind", "on")} for each in event.dependencies]
    return replace(event, owner="", dependencies=bare)


def _finding(item: Item, what: str, remedy: str) -> Finding:
    return Finding(
        weight="problem", place=item.place, item=item.id, what=what, remedy=remedy or "export again"
    )
