"""The folder of Backlog.md: where its files are, and its settings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from holdfast.errors import UsageError
from holdfast.tasks.exchange.backlog_text import FRONT, member, put_together, values_of
from holdfast.tasks.exchange.jsontext import read_text
from holdfast.tasks.exchange.reading import text_of, texts_of
from holdfast.tasks.exchange.seam import Finding, Place, Raw, Report
from holdfast.tasks.state import TaskState

STATUSES = ("To Do", "In Progress", "Done")
_TASKS = ("tasks", "completed", "drafts", "archive/tasks", "archive/drafts")
_OTHERS = ("docs", "decisions", "milestones", "archive/milestones")
_CONFIG = "config.yml"
_UNSAFE = re.compile(r"[^\w .-]")
_SAFE = re.compile(rf"(?:{'|'.join(_TASKS)})/[^/\\\x00-\x1f.][^/\\\x00-\x1f]*\.md")


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder of Backlog.md and what its settings say."""

    path: Path
    project: str = ""
    statuses: tuple[str, ...] = STATUSES

    def files(self) -> Iterator[Path]:
        """Give the files of tasks, those that others may be a part of first."""
        for name in _TASKS:
            yield from sorted((self.path / name).glob("*.md"), key=_natural)

    def report_rest(self, report: Report) -> None:
        """Report what stands in the folder and is no task."""
        others = sum(1 for name in _OTHERS for _ in (self.path / name).glob("**/*.md"))
        has_settings = (self.path / _CONFIG).is_file()
        if others:
            self._report(report, f"{others} files of documents, decisions and milestones")
        if has_settings:
            self._report(report, f"{_CONFIG}, but for the statuses and the name of the project,")

    def _report(self, report: Report, what: str) -> None:
        report(
            Finding(
                weight="remark",
                place=Place(file=str(self.path)),
                what=f"{what} are not tasks and were not imported",
                remedy="keep the folder, or copy them to where you export to",
            )
        )


def find_folder(path: Path) -> Folder | None:
    """Return the folder of tasks at a path or in a project there, None if there is none."""
    for candidate in (path, path / "backlog", path / ".backlog"):
        if any((candidate / name).is_dir() for name in _TASKS[:2]):
            return _with_settings(candidate)
    return None


def fitting_status(state: TaskState, statuses: Sequence[str]) -> str:
    """Return the status that says most nearly what a state does."""
    match state:
        case TaskState.COMPLETED:
            return statuses[-1]
        case TaskState.WORKING | TaskState.INPUT_REQUIRED:
            return statuses[1] if len(statuses) > 2 else statuses[0]
        case TaskState.PENDING | TaskState.FAILED | TaskState.CANCELLED:
            return statuses[0]


def write_folder(folder: Path, raws: Sequence[Raw]) -> None:
    """Write the files of tasks, and settings if there are none; no file is replaced.

    Raises:
        UsageError: one of the files is there already; then nothing was written.
    """
    taken: set[str] = set()
    files = {_place(text_of(raw, "path"), taken): put_together(_pieces(raw)) for raw in raws}
    there = [path for path in files if (folder / path).exists()]
    if there:
        raise UsageError(
            f"{folder / there[0]} is there already"
            + (f", and {len(there) - 1} more" * (len(there) > 1)),
            hint="export to a new folder; nothing was written",
        )
    if not (folder / _CONFIG).exists():
        project = next((text_of(raw, "project") for raw in raws if raw.get("project")), "holdfast")
        files[_CONFIG] = _settings(project, _statuses(raws))
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode("utf-8", "surrogatepass"))


def _with_settings(path: Path) -> Folder:
    try:
        text = read_text(path / _CONFIG)
    except UsageError:
        return Folder(path=path)
    values, _ = values_of({f"{FRONT}all": text}, ("all",))
    statuses = tuple(texts_of(values.get("statuses")))
    return Folder(
        path=path,
        project=text_of(values, "project_name"),
        statuses=statuses if len(statuses) > 1 else STATUSES,
    )


def _pieces(raw: Raw) -> dict[str, str]:
    """Return the pieces of a file, with a status that its project knows."""
    pieces = {name: each for name, each in raw.items() if isinstance(each, str)}
    own = texts_of(raw.get("statuses")) or list(STATUSES)
    values, _ = values_of(pieces, ("status",))
    status = text_of(values, "status")
    if status in STATUSES and status not in own and FRONT + "status" in pieces:
        state = (TaskState.PENDING, TaskState.WORKING, TaskState.COMPLETED)[STATUSES.index(status)]
        pieces[FRONT + "status"] = member("status", fitting_status(state, own))
    return pieces


def _statuses(raws: Sequence[Raw]) -> list[str]:
    """Return the statuses of all projects that the tasks come from, in an order that fits."""
    own = [texts_of(raw.get("statuses")) or list(STATUSES) for raw in raws] or [list(STATUSES)]
    first = [each[0] for each in own]
    middle = [name for each in own for name in each[1:-1]]
    last = [each[-1] for each in own]
    return list(dict.fromkeys([*first, *(each for each in middle if each not in last), *last]))


def _place(path: str, taken: set[str]) -> str:
    """Return where a file goes: below the folder, and where no other one is."""
    if not _SAFE.fullmatch(path):
        name = _UNSAFE.sub("-", PurePosixPath(path).name).lstrip(".-").removesuffix(".md")
        path = f"tasks/{name or 'task'}.md"
    found, number = path, 1
    while found.lower() in taken:
        number += 1
        found = f"{path.removesuffix('.md')} {number}.md"
    taken.add(found.lower())
    return found


def _settings(project: str, statuses: Sequence[str]) -> str:
    """Return settings as Backlog.md reads them: line by line, lists in brackets."""
    members: dict[str, object] = {
        "project_name": project,
        "default_status": statuses[0],
        "statuses": list(statuses),
        "labels": list[str](),
    }
    lines = (f"{name}: {json.dumps(value)}\n" for name, value in members.items())
    return "".join(lines) + "date_format: yyyy-mm-dd\n"


def _natural(path: Path) -> list[tuple[int, str]]:
    """Return what sorts task-9 before task-10."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
