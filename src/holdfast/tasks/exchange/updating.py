"""Decide what a repeated import does to a task that is there. Pure.

Three states of a task meet: what the last import made of it (by its hashes), what it is here now, and
what the file says now. What the file changed since is taken; what was changed here alone stays. Where
both changed one thing the file wins, the history keeps ours, and a remark says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from holdfast.tasks.events import (
    Cancelled,
    Completed,
    DependencyAdded,
    DependencyRemoved,
    Event,
    Failed,
    InputAnswered,
    InputRequested,
    Noted,
    Released,
    Started,
    Updated,
)
from holdfast.tasks.exchange.histories import FIELDS, HELD_KEY, LISTS, Importer, Names, fingerprint
from holdfast.tasks.exchange.seam import Comment, Item
from holdfast.tasks.fold import apply, refusal
from holdfast.tasks.record import Relation, Task
from holdfast.tasks.state import TaskState, is_terminal

_PLAIN = ("name", "description", "priority", "session", "status_message")
_RELATIONS = {
    "blocked_by": Relation.BLOCKS,
    "relates": Relation.RELATES,
    "discovered_from": Relation.DISCOVERED_FROM,
}
_UNCHANGING = frozenset({"created_at", "updated_at", "started_at", "ended_at", "by"})
"""What no event of a task that is there can change."""


@dataclass(slots=True, kw_only=True)
class Update:
    """What is to happen to a task; `clashes` were changed on both sides, `refused` cannot be done."""

    events: list[Event] = field(default_factory=list[Event])
    clashes: list[str] = field(default_factory=list[str])
    refused: list[str] = field(default_factory=list[str])


def decide(
    task: Task,
    *,
    now: Item,
    wanted: Item,
    base: Mapping[str, Any],
    metadata: Mapping[str, object],
    ids: Names,
    stamp: Importer,
    at: int,
) -> Update:
    """Return what brings a task up to what the file says."""
    changed = changed_in_file(now, wanted, base)
    if task.has_ended:
        what = ", ".join(changed) or "what only the other tracker knows of"
        return Update(refused=[f"it has ended here and never changes; the file changed {what}"])
    return _Deciding(task, now, wanted, base, changed, ids, stamp, at).all(metadata)


def changed_in_file(now: Item, wanted: Item, base: Mapping[str, Any]) -> list[str]:
    """Return the fields that the file changed since the last import, and that differ from ours."""
    found: list[str] = []
    for name in FIELDS:
        value: object = getattr(wanted, name)
        if value == getattr(now, name) or name in _UNCHANGING:
            continue
        hashes = _hashes(value) if name in LISTS else fingerprint(value)
        if base.get(name) != hashes:
            found.append(name)
    return found


class _Deciding:
    """One task on its way to what the file says."""

    def __init__(
        self,
        task: Task,
        now: Item,
        wanted: Item,
        base: Mapping[str, Any],
        changed: Sequence[str],
        ids: Names,
        stamp: Importer,
        at: int,
    ) -> None:
        self._task, self._now, self._wanted, self._base = task, now, wanted, base
        self._changed, self._ids, self._stamp, self._at = changed, ids, stamp, at
        self._update = Update()

    def all(self, metadata: Mapping[str, object]) -> Update:
        """Return all events, in an order in which they may happen."""
        changes: dict[str, object] = {"metadata": metadata}
        for name in _PLAIN:
            if name in self._changed:
                self._note_clash(name)
                changes[name] = getattr(self._wanted, name)
        if "tags" in self._changed:
            added, removed = self._differences("tags")
            kept = [tag for tag in self._task.tags if tag not in removed]
            changes["tags"] = list(dict.fromkeys([*kept, *cast("list[str]", added)]))
        self._add(Updated(at=self._at, **self._stamp, changes=changes), "its fields")
        self._take_notes()
        self._take_dependencies()
        if {"state", "held"}.intersection(self._changed):
            self._note_clash("state")
            self._take_state()
        elif {"result", "error"}.intersection(self._changed):
            self._update.refused.append("a result without an end")
        return self._update

    def _take_notes(self) -> None:
        if "notes" not in self._changed:
            return
        added, removed = self._differences("notes")
        for each in cast("list[Comment]", added):
            event = Noted(at=each.at, by=each.by, via=self._stamp["via"], text=each.text)
            self._add(event, f"the note {each.text[:30]!r}")
        if removed:
            self._update.refused.append(
                f"{len(removed)} of its notes are not in the file any more; the history keeps them"
            )

    def _take_dependencies(self) -> None:
        for name, relation in _RELATIONS.items():
            if name not in self._changed:
                continue
            added, removed = self._differences(name)
            for each in cast("list[str]", removed):
                self._unlink(relation, each)
            for each in cast("list[str]", added):
                self._link(relation, each)
        if "parent" in self._changed:
            self._note_clash("parent")
            if self._task.parent:
                self._unlink(Relation.PARENT, self._now.parent)
            if self._wanted.parent:
                self._link(Relation.PARENT, self._wanted.parent)

    def _link(self, relation: Relation, on: str) -> None:
        event = DependencyAdded(
            at=self._at, **self._stamp, relation=relation.value, on=self._ids(on)
        )
        self._add(event, f"{relation.value} {on}")

    def _unlink(self, relation: Relation, on: str) -> None:
        ours = self._task.parent if relation is Relation.PARENT else self._ids(on)
        event = DependencyRemoved(at=self._at, **self._stamp, relation=relation.value, on=ours)
        self._add(event, f"no more {relation.value} {on}")

    def _take_state(self) -> None:
        if self._task.is_leased(self._at) and self._task.lease:
            holder = self._task.lease.holder
            self._update.refused.append(
                f"the file says {self._wanted.state.value}, and {holder!r} works on it here"
            )
            return
        for event in self._way():
            if not self._add(event, f"the state {self._wanted.state.value}"):
                return

    def _way(self) -> list[Event]:
        """Return the events that lead from the state here to the one in the file."""
        at, stamp, wanted = self._at, self._stamp, self._wanted
        begun = wanted.started_at if wanted.started_at is not None else at
        found: list[Event] = []
        if self._task.state is TaskState.INPUT_REQUIRED and not is_terminal(wanted.state):
            found += [
                InputAnswered(at=at, **stamp, key=key, answer=f"the file says {wanted.state.value}")
                for key in self._task.open_requests
                if key.startswith(HELD_KEY)
            ]
        elif self._task.state is TaskState.PENDING and wanted.state in _THROUGH_WORK:
            found.append(Started(at=begun, **stamp))
        match wanted.state:
            case TaskState.PENDING:
                found.append(Released(at=at, **stamp))
            case TaskState.WORKING:
                if self._task.state is not TaskState.PENDING:  # it may have been let go of
                    found.append(Started(at=begun, **stamp))
            case TaskState.INPUT_REQUIRED:
                key = f"{HELD_KEY}-{len(self._task.requests) + 1}"
                found.append(InputRequested(at=at, **stamp, key=key, prompt=wanted.held))
            case TaskState.COMPLETED | TaskState.FAILED | TaskState.CANCELLED:
                found.append(self._end())
        return found

    def _end(self) -> Event:
        wanted, stamp = self._wanted, self._stamp
        at = wanted.ended_at if wanted.ended_at is not None else self._at
        if wanted.state is TaskState.COMPLETED:
            return Completed(at=at, **stamp, result=wanted.result)
        if wanted.state is TaskState.FAILED:
            return Failed(at=at, **stamp, error={"message": wanted.error})
        return Cancelled(at=at, **stamp, reason=wanted.status_message)

    def _add(self, event: Event, what: str) -> bool:
        if reason := refusal(self._task, event):
            self._update.refused.append(f"{what} was not taken: {reason}")
            return False
        self._task = apply(self._task, event)
        self._update.events.append(event)
        return True

    def _differences(self, name: str) -> tuple[list[object], list[object]]:
        """Return the elements that the file added since the last import, and those it took out."""
        base = set(cast("list[str]", self._base.get(name, [])))
        wanted: tuple[object, ...] = getattr(self._wanted, name)
        now: tuple[object, ...] = getattr(self._now, name)
        there = set(_hashes(wanted))
        added = [each for each in wanted if fingerprint(each) not in base and each not in now]
        removed = [each for each in now if fingerprint(each) in base - there]
        return added, removed

    def _note_clash(self, name: str) -> None:
        ours: object = getattr(self._now, name)
        if name in self._base and self._base[name] != fingerprint(ours):
            self._update.clashes.append(f"{name} (here it was {_short(ours)})")


_THROUGH_WORK = frozenset({TaskState.WORKING, TaskState.INPUT_REQUIRED, TaskState.COMPLETED})


def _hashes(values: object) -> list[str]:
    return [fingerprint(each) for each in cast("tuple[object, ...]", values)]


def _short(value: object) -> str:
    text = repr(value.value if isinstance(value, TaskState) else value)
    return text if len(text) <= 60 else f"{text[:59]}…"
