"""Taskwarrior's JSON: what `task export` prints and `task import` reads.

One object a task, in an array or one a line (`json.array`). Its `description` is one line and
becomes the name; annotations become notes, `project` a tag `project:NAME`. All else, such as `due`,
`wait`, `recur` and what users defined, is kept and given back. Written from what version 2.6 prints.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Hashable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain, repeat
from pathlib import Path
from uuid import UUID

from holdfast.tasks.exchange.jsontext import first_object, objects
from holdfast.tasks.exchange.reading import Reader, object_of, objects_of, text_of, texts_of
from holdfast.tasks.exchange.seam import Comment, Item, Place, Raw, Report, Target
from holdfast.tasks.exchange.words import (
    as_name,
    as_tag,
    as_tags,
    instant,
    milliseconds,
    tag_value,
    without_value,
)
from holdfast.tasks.record import HIGH, LOW, NORMAL
from holdfast.tasks.state import TaskState

_TIME = "%Y%m%dT%H%M%SZ"
_UNFIT = re.compile("[:,]")
"""What Taskwarrior 2.6 takes for the end of a tag when it reads its own file again."""
_SHAPE = re.compile(r"\d{8}T\d{6}Z")
_PRIORITIES = {"H": HIGH, "M": NORMAL, "L": LOW, "": NORMAL}
_STATES = {
    "pending": TaskState.PENDING,
    "waiting": TaskState.INPUT_REQUIRED,
    "recurring": TaskState.INPUT_REQUIRED,
    "completed": TaskState.COMPLETED,
    "deleted": TaskState.CANCELLED,
}
_HELD = {
    "waiting": "it waits until {wait} in Taskwarrior",
    "recurring": "it is a template: Taskwarrior makes tasks from it every {recur}",
}


class Taskwarrior:
    """Tasks as Taskwarrior exports them."""

    name = "taskwarrior"
    is_ordered = False
    ids_are_unique = True
    fleeting = frozenset({"id", "urgency"})

    @property
    def lists(self) -> dict[str, Callable[[object], Hashable]]:
        return {"tags": _tag, "depends": _same, "annotations": _annotation}

    def detect(self, path: Path) -> bool:
        return path.is_file() and first_object(path).keys() >= {"uuid", "status", "entry"}

    def read(self, path: Path, report: Report) -> Iterator[Item]:
        for place, raw in objects(path, report):
            if item := self.parse(raw, place, report):
                yield item

    def parse(self, raw: Raw, place: Place, report: Report) -> Item | None:
        uuid = text_of(raw, "uuid").lower()
        reader = Reader(raw, place, report, uuid)
        if reader.lacks(("uuid", "description")):
            return None
        text = text_of(raw, "description")
        status, created = text_of(raw, "status"), _time(reader, "entry")
        state = _STATES.get(status)
        if state is None:
            reader.unreadable("status")
        return Item(
            id=uuid,
            name=as_name(text),
            description=text if as_name(text) != text else "",
            state=_state(raw, state),
            held=_held(raw, status, state),
            priority=_priority(reader),
            tags=_tags(raw),
            created_at=created or 0,
            updated_at=_time(reader, "modified"),
            started_at=_time(reader, "start"),
            ended_at=_time(reader, "end"),
            notes=_notes(reader, created or 0),
            blocked_by=_depends(raw),
            place=place,
            raw=raw,
        )

    def render(self, item: Item) -> Raw:
        project = tag_value(item.tags, "project")
        members: dict[str, object] = {
            "uuid": item.id,
            "status": _status(item),
            "description": item.name,
            "entry": _written(item.created_at),
            "modified": _written(item.updated_at),
            "start": _written(item.started_at) if item.state is TaskState.WORKING else None,
            "end": _written(item.ended_at),
            "priority": {0: "H", 1: "H", 3: "L", 4: "L"}.get(item.priority),
            "project": project,
            "tags": [_UNFIT.sub(".", tag) for tag in without_value(item.tags, "project", project)],
            "depends": list(item.blocked_by),
            "annotations": _annotations(item),
        }
        return {name: value for name, value in members.items() if value}

    def name_task(self, task_id: str, taken: Callable[[str], bool]) -> str:
        del taken  # ours is a UUID that nobody else has
        return str(UUID(task_id))

    @contextmanager
    def write(self, target: Target) -> Generator[Callable[[Raw], object]]:
        target.text("[")
        commas = chain([""], repeat(","))
        yield lambda raw: target.text(f"{next(commas)}\n{json.dumps(raw, ensure_ascii=False)}")
        target.text("\n]\n")


def _state(raw: Raw, state: TaskState | None) -> TaskState:
    if state is TaskState.PENDING and text_of(raw, "start"):
        return TaskState.WORKING
    return TaskState.INPUT_REQUIRED if state is None else state


def _held(raw: Raw, status: str, state: TaskState | None) -> str:
    if state is None:
        return f"its status in Taskwarrior is {status!r}"
    known = {"wait": text_of(raw, "wait") or "?", "recur": text_of(raw, "recur") or "?"}
    return _HELD.get(status, "").format(**known)


def _status(item: Item) -> str:
    match item.state:
        case TaskState.COMPLETED:
            return "completed"
        case TaskState.CANCELLED | TaskState.FAILED:
            return "deleted"
        case TaskState.PENDING | TaskState.WORKING | TaskState.INPUT_REQUIRED:
            return "pending"


def _priority(reader: Reader) -> int:
    text = text_of(reader.raw, "priority")
    if text not in _PRIORITIES:
        reader.remark(
            f"the priority {text!r} is none of H, M and L: the task has the usual one",
            "it is kept, and given back by an export",
        )
    return _PRIORITIES.get(text, NORMAL)


def _tags(raw: Raw) -> tuple[str, ...]:
    project = text_of(raw, "project")
    return as_tags([*texts_of(raw.get("tags")), *([f"project:{project}"] if project else [])])


def _depends(raw: Raw) -> tuple[str, ...]:
    """Return what the task waits for: an array, or up to version 2.5 a text with commas."""
    value = raw.get("depends")
    found = value.split(",") if isinstance(value, str) else texts_of(value)
    return tuple(dict.fromkeys(each.strip().lower() for each in found if each.strip()))


def _notes(reader: Reader, otherwise: int) -> tuple[Comment, ...]:
    found: list[Comment] = []
    for each in objects_of(reader.raw.get("annotations")):
        text, at = text_of(each, "description"), _moment(each.get("entry"))
        if at is None:
            reader.refuse(
                f"the annotation {text[:40]!r} has no time that can be read",
                "its text was taken with the time of the task; mend it and import once more",
            )
        if text.strip():
            found.append(Comment(at=otherwise if at is None else at, text=text))
    return tuple(found)


def _annotations(item: Item) -> list[dict[str, str]]:
    """Return the notes with times that differ: Taskwarrior keeps one annotation a second."""
    seen: set[int] = set()
    found: list[dict[str, str]] = []
    for note in item.notes:
        second = note.at // 1000
        while second in seen:
            second += 1
        seen.add(second)
        text = " ".join(note.text.split()) if "\n" in note.text else note.text
        found.append({"entry": _written(second * 1000) or "", "description": text})
    return found


def _time(reader: Reader, name: str) -> int | None:
    if name not in reader.raw:
        return None
    found = _moment(reader.raw[name])
    if found is None:
        reader.unreadable(name)
    return found


def _moment(value: object) -> int | None:
    if not isinstance(value, str) or not _SHAPE.fullmatch(value):
        return None
    try:
        return milliseconds(datetime.strptime(value, _TIME).replace(tzinfo=UTC))
    except ValueError:
        return None


def _written(at: int | None) -> str | None:
    return None if at is None else instant(at).strftime(_TIME)


def _same(each: object) -> Hashable:
    return str(each)


def _tag(each: object) -> Hashable:
    return as_tag(str(each))


def _annotation(each: object) -> Hashable:
    members = object_of(each)
    return str(members.get("entry")), str(members.get("description"))
