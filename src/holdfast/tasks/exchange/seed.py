"""`current.json`: one session with its current task, what was completed, and its memory.

One file holds one session, so the other states of tasks have no place in it. The context of a task
is kept and given back, and with the first task what the file says besides the tasks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from holdfast.errors import UsageError
from holdfast.tasks.exchange.jsontext import broken_line, load_object, read_text
from holdfast.tasks.exchange.reading import Reader, object_of, objects_of, text_of
from holdfast.tasks.exchange.seam import Finding, Item, Place, Raw, Report, Target
from holdfast.tasks.exchange.words import as_name, read_iso, write_iso
from holdfast.tasks.state import TaskState

_ID = re.compile(r'"id"\s*:\s*"([^"\\]*)"')
_TASKS = ("current_task", "completed_tasks")
_STATES = {
    "pending": TaskState.PENDING,
    "in_progress": TaskState.WORKING,
    "inprogress": TaskState.WORKING,
    "working": TaskState.WORKING,
    "completed": TaskState.COMPLETED,
    "failed": TaskState.FAILED,
}
_CURRENT = {
    TaskState.PENDING: "pending",
    TaskState.WORKING: "in_progress",
    TaskState.INPUT_REQUIRED: "in_progress",
    TaskState.FAILED: "failed",
    TaskState.CANCELLED: "failed",
}


class Seed:
    """The file of a session."""

    name = "seed"
    is_ordered = False
    ids_are_unique = True
    fleeting: frozenset[str] = frozenset()

    @property
    def lists(self) -> dict[str, Callable[[object], Hashable]]:
        return {}

    def detect(self, path: Path) -> bool:
        if not path.is_file() or path.suffix == ".jsonl":
            return False
        try:
            return bool(load_object(read_text(path)).keys() & {*_TASKS, "session_id"})
        except (UsageError, ValueError, RecursionError):
            return False

    def read(self, path: Path, report: Report) -> Iterator[Item]:
        text = read_text(path)
        try:
            document = load_object(text)
        except (ValueError, RecursionError) as error:
            line = getattr(error, "lineno", 0)
            report(broken_line(Place(file=str(path), line=line), str(error)))
            return
        rest = {name: each for name, each in document.items() if name not in _TASKS}
        found = [("current_task", object_of(document.get("current_task")))]
        found += [("completed_tasks", each) for each in objects_of(document.get("completed_tasks"))]
        members = [(name, each) for name, each in found if each]
        lines = _lines(text)
        for number, (name, members_of) in enumerate(members):
            raw: dict[str, object] = {**members_of, "in": name}
            if number == 0:
                raw["file"] = rest
            place = Place(file=str(path), line=lines.get(text_of(raw, "id"), 0))
            if item := self.parse(_of(document, raw), place, report):
                yield item
        if not members and rest:
            report(_no_task(path, rest))

    def parse(self, raw: Raw, place: Place, report: Report) -> Item | None:
        task = text_of(raw, "id")
        reader = Reader(raw, place, report, task)
        if reader.lacks(("id", "name")):
            return None
        is_done = raw.get("in") == "completed_tasks"
        status = text_of(raw, "status").lower().replace("-", "_")
        state = TaskState.COMPLETED if is_done else _STATES.get(status or "pending")
        if state is None:
            reader.unreadable("status")
        ended = _time(reader, "completed_at")
        begun = _begun(reader, ended)
        created = next((at for at in (begun, ended) if at is not None), 0)
        return Item(
            id=task,
            name=as_name(text_of(raw, "name")),
            description=text_of(raw, "description"),
            state=state or TaskState.INPUT_REQUIRED,
            held="" if state else f"its status was {text_of(raw, 'status')!r}",
            session=text_of(raw, "session"),
            created_at=created,
            started_at=None if state is TaskState.PENDING else begun,
            ended_at=ended,
            error=text_of(raw, "error"),
            space=text_of(raw, "session"),
            place=place,
            raw=raw,
        )

    def render(self, item: Item) -> Raw:
        is_done = item.state is TaskState.COMPLETED
        members: dict[str, object] = {
            "id": item.id,
            "name": item.name,
            "description": item.description,
            "status": None if is_done else _CURRENT[item.state],
            "started_at": None if is_done else _written(item.started_at),
            "completed_at": _written(item.ended_at) if is_done else None,
            "duration_seconds": _duration(item) if is_done else None,
            "error": item.error,
            "session": item.session,
        }
        known = {name: value for name, value in members.items() if value not in ("", None)}
        return {**known, "in": "completed_tasks" if is_done else "current_task"}

    def name_task(self, task_id: str, taken: Callable[[str], bool]) -> str:
        del taken  # ours is a UUID that nobody else has
        return str(UUID(task_id))

    @contextmanager
    def write(self, target: Target) -> Generator[Callable[[Raw], object]]:
        raws: list[Raw] = []
        yield raws.append
        target.text(json.dumps(_document(raws, target), ensure_ascii=False, indent=2) + "\n")


def _choose(raws: list[Raw], target: Target) -> tuple[Raw | None, list[Raw]]:
    """Return the current task and the completed ones of its session; the rest is left out."""
    open_ones = [each for each in raws if each.get("in") == "current_task"]
    begun = [each for each in open_ones if each.get("status") == "in_progress"]
    waiting = [each for each in open_ones if "file" in each]
    current = next(reversed(begun or waiting), None)
    session = text_of(current or (raws[-1] if raws else {}), "session")
    done: list[Raw] = []
    for each in raws:
        if each is current:
            continue
        if each.get("in") != "completed_tasks":
            target.left_out(f"tasks that are {text_of(each, 'status')} and not the current one")
        elif text_of(each, "session") != session:
            target.left_out("completed tasks of other sessions")
        else:
            done.append(each)
    return current, done


def _document(raws: list[Raw], target: Target) -> dict[str, object]:
    current, done = _choose(raws, target)
    chosen = [*([current] if current else []), *done]
    rest = object_of(next((each["file"] for each in chosen if "file" in each), None))
    session = next((text_of(each, "session") for each in chosen), "")
    memory: dict[str, object] = {
        "project_type": "",
        "key_decisions": list[str](),
        "learned_patterns": list[str](),
    }
    return {
        "session_id": session,
        **{name: each for name, each in rest.items() if name != "memory"},
        "current_task": _without(current) if current else None,
        "completed_tasks": [_without(each) for each in done],
        "memory": rest.get("memory", memory),
    }


def _without(raw: Raw) -> Mapping[str, object]:
    return {name: each for name, each in raw.items() if name not in ("in", "file", "session")}


def _of(document: Mapping[str, object], raw: dict[str, object]) -> Raw:
    """Return a task with the session that it belongs to."""
    session = text_of(document, "session_id")
    return {**raw, "session": session} if session else raw


def _begun(reader: Reader, ended: int | None) -> int | None:
    begun = _time(reader, "started_at")
    seconds = reader.raw.get("duration_seconds")
    if begun is not None or ended is None or not isinstance(seconds, int | float):
        return begun
    return max(0, ended - round(seconds * 1000))


def _duration(item: Item) -> int | float | None:
    if item.started_at is None or item.ended_at is None:
        return None
    seconds = (item.ended_at - item.started_at) / 1000
    return int(seconds) if seconds == int(seconds) else seconds


def _time(reader: Reader, name: str) -> int | None:
    if reader.raw.get(name) is None:
        return None
    found = read_iso(reader.raw[name])
    if found is None:
        reader.unreadable(name)
    return found


def _written(at: int | None) -> str | None:
    return None if at is None else write_iso(at)


def _lines(text: str) -> dict[str, int]:
    """Return the line in which each id stands."""
    found: dict[str, int] = {}
    line, before = 1, 0
    for each in _ID.finditer(text):
        line += text.count("\n", before, each.start())
        before = each.start()
        found.setdefault(each[1], line)
    return found


def _no_task(path: Path, rest: Mapping[str, object]) -> Finding:
    return Finding(
        weight="problem",
        place=Place(file=str(path)),
        what=f"there is no task that {', '.join(sorted(rest))} could be kept with",
        remedy="write down what you need by `holdfast memory write`",
    )
