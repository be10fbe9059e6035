"""Backlog.md: a folder with one Markdown file a task.

The sections of a file become the description, the comments notes, the final summary of a completed
task its result; `type` becomes a tag `type:NAME`. The state follows from the status (the first of the
configured ones waits, the last is done) and from the folder. All else of a file is kept to the byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path

from holdfast.errors import UsageError
from holdfast.tasks.exchange.backlog_folder import (
    STATUSES,
    Folder,
    find_folder,
    fitting_status,
    write_folder,
)
from holdfast.tasks.exchange.backlog_text import (
    FRONT,
    SECTION,
    NotATask,
    body_of,
    line_of,
    member,
    read_date,
    section,
    split_sections,
    take_apart,
    values_of,
    write_date,
)
from holdfast.tasks.exchange.jsontext import read_text
from holdfast.tasks.exchange.reading import Reader, text_of, texts_of
from holdfast.tasks.exchange.seam import Comment, Finding, Item, Place, Raw, Report, Target
from holdfast.tasks.exchange.words import as_name, as_tags, tag_value, without_value
from holdfast.tasks.record import HIGH, LOW, NORMAL
from holdfast.tasks.state import TaskState, is_terminal

_MEMBERS = (
    *("id", "title", "status", "labels", "dependencies", "parent_task_id", "priority", "type"),
    *("created_date", "updated_date"),
)
_PRIORITIES = {"": NORMAL, "high": HIGH, "medium": NORMAL, "low": LOW}
_SUMMARY, _COMMENTS, _DESCRIPTION = "Final Summary", "Comments", "Description"
_COMMENT = re.compile(
    r"(?:author: *(?P<by>.*)\n)?(?:created: *(?P<at>.*)\n)?---\n(?P<text>(?:.*\n)*?)---(?:\n|$)"
)
_UNSAFE = re.compile(r"[^\w.-]")
_ARCHIVE = "archive/"


class Backlog:
    """The folder of a project of Backlog.md."""

    name = "backlog"
    is_ordered = True
    ids_are_unique = False
    fleeting: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self._number = 0

    @property
    def lists(self) -> dict[str, Callable[[object], Hashable]]:
        return {}

    def detect(self, path: Path) -> bool:
        return path.is_dir() and find_folder(path) is not None

    def read(self, path: Path, report: Report) -> Iterator[Item]:
        folder = find_folder(path)
        if folder is None:
            raise UsageError(
                f"{path} is no folder of Backlog.md",
                hint="name the folder that has `tasks` and `config.yml` in it",
            )
        for file in folder.files():
            if item := self._read_file(folder, file, report):
                yield item
        folder.report_rest(report)

    def _read_file(self, folder: Folder, file: Path, report: Report) -> Item | None:
        place = Place(file=str(file))
        try:
            pieces = take_apart(read_text(file))
        except UsageError as error:
            report(_unread(place, error.message))
            return None
        except NotATask as error:
            report(_unread(Place(file=str(file), line=error.line), str(error)))
            return None
        raw: dict[str, object] = {"path": file.relative_to(folder.path).as_posix(), **pieces}
        if folder.statuses != STATUSES:
            raw["statuses"] = list(folder.statuses)
        if folder.project:
            raw["project"] = folder.project
        return self.parse(raw, place, report)

    def parse(self, raw: Raw, place: Place, report: Report) -> Item | None:
        pieces = {name: each for name, each in raw.items() if isinstance(each, str)}
        values, broken = values_of(pieces, _MEMBERS)
        for name in broken:
            line = line_of(pieces, FRONT + name) - pieces.get("path", "").count("\n")
            report(_unread(Place(file=place.file, line=line), f"{name} is not YAML", whole=False))
        path, task = text_of(raw, "path"), text_of(values, "id").upper()
        name = f"{_ARCHIVE}{task}" if path.startswith(_ARCHIVE) else task
        reader = Reader(values, place, report, name)
        if reader.lacks(("id", "title")):
            return None
        statuses = tuple(texts_of(raw.get("statuses"))) or STATUSES
        state, held = _state(reader, path, statuses)
        created, updated = _time(reader, "created_date"), _time(reader, "updated_date")
        kind = text_of(values, "type")
        labels = [*texts_of(values.get("labels")), *([f"type:{kind}"] if kind else [])]
        return Item(
            id=name,
            name=as_name(text_of(values, "title")),
            description=_description(pieces, state),
            state=state,
            held=held,
            priority=_priority(reader),
            tags=as_tags(labels),
            created_at=created or 0,
            updated_at=updated,
            ended_at=(updated or created) if is_terminal(state) else None,
            notes=_notes(pieces, created or 0),
            blocked_by=tuple(
                dict.fromkeys(_whole(each, task) for each in texts_of(values.get("dependencies")))
            ),
            parent=_whole(text_of(values, "parent_task_id"), task),
            status_message="archived" if state is TaskState.CANCELLED else "",
            result=body_of(pieces.get(SECTION + _SUMMARY, "")) or None
            if state is TaskState.COMPLETED
            else None,
            space=text_of(raw, "project"),
            place=place,
            raw=raw,
        )

    def render(self, item: Item) -> Raw:
        task, kind = item.id.removeprefix(_ARCHIVE), tag_value(item.tags, "type")
        members: dict[str, str | list[str]] = {
            "id": task,
            "title": item.name,
            "status": fitting_status(item.state, STATUSES),
            "assignee": [],
            "created_date": write_date(item.created_at),
            "updated_date": _updated(item),
            "labels": without_value(item.tags, "type", kind),
            "dependencies": [each.removeprefix(_ARCHIVE) for each in item.blocked_by],
            "parent_task_id": item.parent.removeprefix(_ARCHIVE),
            "priority": {0: "high", 1: "high", 3: "low", 4: "low"}.get(item.priority, ""),
            "type": kind,
        }
        front = {
            FRONT + name: member(name, value) for name, value in members.items() if value != ""
        }
        return {"path": _path(item, task), "open": "---\n", **front, "close": "---\n"} | _body(item)

    def name_task(self, task_id: str, taken: Callable[[str], bool]) -> str:
        del task_id
        self._number += 1
        while taken(f"TASK-{self._number}") or taken(f"{_ARCHIVE}TASK-{self._number}"):
            self._number += 1
        return f"TASK-{self._number}"

    @contextmanager
    def write(self, target: Target) -> Generator[Callable[[Raw], object]]:
        if target.folder is None:
            raise UsageError(
                "Backlog.md keeps tasks in a folder", hint="name a new one with --output FOLDER"
            )
        raws: list[Raw] = []
        yield raws.append
        write_folder(target.folder, raws)


def _state(reader: Reader, path: str, statuses: tuple[str, ...]) -> tuple[TaskState, str]:
    """Return the state of a task by its status and its folder, and why it is held up if it is."""
    status = text_of(reader.raw, "status")
    known = [each.lower() for each in statuses]
    lower = status.lower()
    if path.startswith(_ARCHIVE) and lower != known[-1]:
        return TaskState.CANCELLED, ""
    if path.startswith("completed/") or lower == known[-1]:
        return TaskState.COMPLETED, ""
    if path.startswith("drafts/") or lower == "draft":
        return TaskState.INPUT_REQUIRED, "it is a draft in Backlog.md"
    if lower in ("", known[0]):
        return TaskState.PENDING, ""
    if lower == "blocked":
        return TaskState.INPUT_REQUIRED, "it is blocked in Backlog.md"
    if lower in known or lower == STATUSES[1].lower():
        return TaskState.WORKING, ""
    reader.unreadable("status")
    return TaskState.INPUT_REQUIRED, f"its status in Backlog.md is {status!r}"


def _description(pieces: dict[str, str], state: TaskState) -> str:
    """Return all sections but those that go elsewhere; a lone description needs no heading."""
    found: list[str] = []
    for name, piece in pieces.items():
        title = name.removeprefix(SECTION)
        is_elsewhere = title == _COMMENTS or (title == _SUMMARY and state is TaskState.COMPLETED)
        if not name.startswith(SECTION) or is_elsewhere:
            continue
        if not title:
            found.append(piece.strip("\r\n").replace("\r\n", "\n"))
        elif title == _DESCRIPTION and not any(found):
            found.append(body_of(piece))
        else:
            found.append(f"## {title.partition('#')[0]}\n\n{body_of(piece)}")
    return "\n\n".join(each for each in found if each)


def _body(item: Item) -> dict[str, str]:
    found: dict[str, str] = {}
    for title, text in split_sections(item.description).items():
        name = title or _DESCRIPTION
        if text or title:
            found[SECTION + name] = section(name.partition("#")[0], text)
    if item.notes:
        found[SECTION + _COMMENTS] = section(_COMMENTS, "\n".join(map(_comment, item.notes)))
    if item.state is TaskState.COMPLETED and isinstance(item.result, str):
        found[SECTION + _SUMMARY] = section(_SUMMARY, item.result)
    return found


def _notes(pieces: dict[str, str], otherwise: int) -> tuple[Comment, ...]:
    text = body_of(pieces.get(SECTION + _COMMENTS, ""))
    found: list[Comment] = []
    for each in _COMMENT.finditer(text):
        words = each["text"].strip("\n")
        at = read_date((each["at"] or "").strip())
        if words.strip():
            by = (each["by"] or "").strip()
            found.append(Comment(at=otherwise if at is None else at, text=words, by=by))
    return tuple(found)


def _comment(note: Comment) -> str:
    """Return a comment as Backlog.md writes it; three dashes, which would end it, become stars."""
    author = f"author: {note.by}\n" if note.by else ""
    lines = ("***" if line.strip() == "---" else line for line in note.text.split("\n"))
    return f"{author}created: {write_date(note.at)}\n---\n{chr(10).join(lines)}\n---"


def _priority(reader: Reader) -> int:
    text = text_of(reader.raw, "priority").lower()
    if text not in _PRIORITIES:
        reader.remark(
            f"the priority {text!r} is none of high, medium and low: the task has the usual one",
            "it is kept, and given back by an export",
        )
    return _PRIORITIES.get(text, NORMAL)


def _time(reader: Reader, name: str) -> int | None:
    text = text_of(reader.raw, name)
    found = read_date(text) if text else None
    if text and found is None:
        reader.unreadable(name)
    return found


def _updated(item: Item) -> str:
    if item.updated_at is None or item.updated_at == item.created_at:
        return ""
    return write_date(item.updated_at)


def _whole(name: str, like: str) -> str:
    """Return an id with its prefix, which people may leave out."""
    text = name.strip().upper()
    return f"{like.rpartition('-')[0]}-{text}" if text[:1].isdigit() else text


def _path(item: Item, task: str) -> str:
    slug = re.sub(r"[^\w]+", "-", item.name.replace("'", "")).strip("-_")[:60]
    folder = "tasks"
    if item.id.startswith(_ARCHIVE) or item.state in (TaskState.CANCELLED, TaskState.FAILED):
        folder = "archive/tasks"
    elif task.startswith("DRAFT-") and item.state is TaskState.INPUT_REQUIRED:
        folder = "drafts"
    return f"{folder}/{_UNSAFE.sub('-', task.lower())} - {slug or 'task'}.md"


def _unread(place: Place, why: str, *, whole: bool = True) -> Finding:
    return Finding(
        weight="problem",
        place=place,
        what=f"{why}; the file was left out" if whole else why,
        remedy="mend the file and import once more"
        + ("" if whole else "; what could be read of it was taken"),
    )
