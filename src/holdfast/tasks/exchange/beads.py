"""Beads' `issues.jsonl`: one issue a line, as `bd export` writes it and `bd import` reads it.

`issue_type` becomes a tag `type:NAME` unless it is `task`, comments become notes. The
dependencies `blocks`, `parent-child`, `related` and `discovered-from` are ours too. All else, such
as `design`, `acceptance_criteria`, `assignee` and other kinds of dependencies, is kept and given back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path

from holdfast.tasks.exchange.jsontext import first_object, objects
from holdfast.tasks.exchange.reading import Reader, object_of, objects_of, text_of, texts_of
from holdfast.tasks.exchange.seam import Comment, Item, Place, Raw, Report, Target
from holdfast.tasks.exchange.words import (
    as_name,
    as_tag,
    as_tags,
    read_iso,
    tag_value,
    without_value,
    write_iso,
)
from holdfast.tasks.record import NORMAL, SOMEDAY, URGENT
from holdfast.tasks.state import TaskState

_FILES = ("issues.jsonl", "beads.jsonl")
_STATES = {
    "": TaskState.PENDING,
    "open": TaskState.PENDING,
    "in_progress": TaskState.WORKING,
    "hooked": TaskState.WORKING,
    "blocked": TaskState.INPUT_REQUIRED,
    "deferred": TaskState.INPUT_REQUIRED,
    "pinned": TaskState.INPUT_REQUIRED,
    "closed": TaskState.COMPLETED,
    "tombstone": TaskState.CANCELLED,
}
_STATUSES = {
    TaskState.PENDING: "open",
    TaskState.WORKING: "in_progress",
    TaskState.INPUT_REQUIRED: "blocked",
    TaskState.COMPLETED: "closed",
    TaskState.FAILED: "closed",
    TaskState.CANCELLED: "closed",
}
_KINDS = {
    "blocks": "blocks",
    "parent-child": "parent",
    "related": "relates",
    "relates-to": "relates",
    "discovered-from": "discovered_from",
}


class Beads:
    """Issues as beads exports them."""

    name = "beads"
    is_ordered = False
    ids_are_unique = False
    fleeting = frozenset({"dependency_count", "dependent_count", "comment_count"})

    @property
    def lists(self) -> dict[str, Callable[[object], Hashable]]:
        return {"labels": _label, "dependencies": _edge, "comments": _comment}

    def detect(self, path: Path) -> bool:
        found = first_object(_file(path)) if _file(path).is_file() else {}
        return found.keys() >= {"id", "title"} and bool(
            found.keys() & {"issue_type", "created_at", "status"}
        )

    def read(self, path: Path, report: Report) -> Iterator[Item]:
        for place, raw in objects(_file(path), report):
            if item := self.parse(raw, place, report):
                yield item

    def parse(self, raw: Raw, place: Place, report: Report) -> Item | None:
        issue = text_of(raw, "id")
        reader = Reader(raw, place, report, issue)
        if reader.lacks(("id", "title")):
            return None
        edges = _edges(reader)
        state, held = _state(reader, waits=bool(edges["blocks"]))
        kind = text_of(raw, "issue_type")
        labels = texts_of(raw.get("labels"))
        created = _time(reader, "created_at") or 0
        reason = text_of(raw, "close_reason")
        return Item(
            id=issue,
            name=as_name(text_of(raw, "title")),
            description=text_of(raw, "description"),
            state=state,
            held=held,
            priority=_priority(reader),
            tags=as_tags([*labels, *([f"type:{kind}"] if kind not in ("", "task") else [])]),
            created_at=created,
            updated_at=_time(reader, "updated_at"),
            started_at=_time(reader, "started_at"),
            ended_at=_time(reader, "closed_at"),
            by=text_of(raw, "created_by"),
            notes=_notes(reader, created),
            blocked_by=tuple(edges["blocks"]),
            parent=next(iter(edges["parent"]), ""),
            relates=tuple(edges["relates"]),
            discovered_from=tuple(edges["discovered_from"]),
            result=(reason or None) if state is TaskState.COMPLETED else None,
            status_message=reason if state is TaskState.CANCELLED else "",
            place=place,
            raw=raw,
        )

    def render(self, item: Item) -> Raw:
        kind = tag_value(item.tags, "type")
        members: dict[str, object] = {
            "id": item.id,
            "title": item.name,
            "description": item.description,
            "status": _STATUSES[item.state],
            "priority": item.priority,
            "issue_type": kind or "task",
            "created_at": write_iso(item.created_at),
            "created_by": item.by,
            "updated_at": _written(item.updated_at),
            "started_at": _written(item.started_at),
            "closed_at": _written(item.ended_at),
            "close_reason": _reason(item),
            "labels": without_value(item.tags, "type", kind),
            "dependencies": _dependencies(item),
            "comments": [
                {
                    "id": number,
                    "issue_id": item.id,
                    "author": note.by,
                    "text": note.text,
                    "created_at": write_iso(note.at),
                }
                for number, note in enumerate(item.notes, 1)
            ],
        }
        return {name: each for name, each in members.items() if each or name == "priority"}

    def name_task(self, task_id: str, taken: Callable[[str], bool]) -> str:
        lengths = range(6, len(task_id) + 1)
        return next(name for n in lengths if not taken(name := f"hf-{task_id[:n]}"))

    @contextmanager
    def write(self, target: Target) -> Generator[Callable[[Raw], object]]:
        yield lambda raw: target.text(json.dumps(raw, ensure_ascii=False) + "\n")


def _file(path: Path) -> Path:
    """Return the file of issues: the path itself, or the one in a folder, or in its `.beads`."""
    if not path.is_dir():
        return path
    candidates = [folder / name for folder in (path, path / ".beads") for name in _FILES]
    return next((each for each in candidates if each.is_file()), candidates[0])


def _state(reader: Reader, *, waits: bool) -> tuple[TaskState, str]:
    """Return the state of an issue, and why it is held up if it is.

    What is blocked by other issues needs no state for that.
    """
    status = text_of(reader.raw, "status")
    if status not in _STATES:
        reader.unreadable("status")
        return TaskState.INPUT_REQUIRED, f"its status in beads is {status!r}"
    if status == "blocked" and waits:
        return TaskState.PENDING, ""
    state = _STATES[status]
    if state is not TaskState.INPUT_REQUIRED:
        return state, ""
    until = text_of(reader.raw, "defer_until")
    return state, f"it is {status} in beads" + (f" until {until}" if until else "")


def _priority(reader: Reader) -> int:
    value = reader.raw.get("priority", NORMAL)
    if isinstance(value, int) and not isinstance(value, bool) and URGENT <= value <= SOMEDAY:
        return value
    reader.unreadable("priority")
    return NORMAL


def _edges(reader: Reader) -> dict[str, dict[str, None]]:
    found: dict[str, dict[str, None]] = {name: {} for name in _KINDS.values()}
    for each in objects_of(reader.raw.get("dependencies")):
        kind, on = text_of(each, "type") or "blocks", text_of(each, "depends_on_id")
        if kind not in _KINDS:
            reader.remark(
                f"Holdfast has no dependency {kind!r} (on {on})",
                "it is kept, and given back by an export",
            )
        elif on:
            found[_KINDS[kind]][on] = None
    if len(found["parent"]) > 1:
        reader.remark(
            f"it is a part of {' and '.join(found['parent'])}; Holdfast knows the first",
            "the others are kept, and given back by an export",
        )
    return found


def _dependencies(item: Item) -> list[dict[str, str]]:
    edges = [("blocks", each) for each in item.blocked_by]
    edges += [("parent-child", item.parent)] if item.parent else []
    edges += [("related", each) for each in item.relates]
    edges += [("discovered-from", each) for each in item.discovered_from]
    return [{"issue_id": item.id, "depends_on_id": on, "type": kind} for kind, on in edges]


def _notes(reader: Reader, otherwise: int) -> tuple[Comment, ...]:
    found: list[Comment] = []
    for each in objects_of(reader.raw.get("comments")):
        text, at = text_of(each, "text"), read_iso(each.get("created_at"))
        if at is None:
            reader.refuse(
                f"the comment {text[:40]!r} has no time that can be read",
                "its text was taken with the time of the issue; mend it and import once more",
            )
        if text.strip():
            author = text_of(each, "author")
            found.append(Comment(at=otherwise if at is None else at, text=text, by=author))
    return tuple(found)


def _reason(item: Item) -> str:
    match item.state:
        case TaskState.COMPLETED:
            return item.result if isinstance(item.result, str) else ""
        case TaskState.FAILED:
            return f"failed: {item.error}"
        case TaskState.CANCELLED:
            return f"cancelled: {item.status_message}" if item.status_message else "cancelled"
        case TaskState.PENDING | TaskState.WORKING | TaskState.INPUT_REQUIRED:
            return ""


def _time(reader: Reader, name: str) -> int | None:
    if reader.raw.get(name) is None:
        return None
    found = read_iso(reader.raw[name])
    if found is None:
        reader.unreadable(name)
    return found


def _written(at: int | None) -> str | None:
    return None if at is None else write_iso(at)


def _label(each: object) -> Hashable:
    return as_tag(str(each))


def _edge(each: object) -> Hashable:
    members = object_of(each)
    kind = str(members.get("type") or "blocks")
    return _KINDS.get(kind, kind), str(members.get("depends_on_id"))


def _comment(each: object) -> Hashable:
    members = object_of(each)
    at = read_iso(members.get("created_at"))
    return at, str(members.get("author") or ""), str(members.get("text"))
