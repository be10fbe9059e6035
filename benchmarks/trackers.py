"""The trackers that are compared: how each is filled with the same tasks, and what it is asked.

Each gets its fastest form: Taskwarrior without hooks and with tasks that were imported at once,
Backlog.md without git, as the program itself and not through Node.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import ROOT, plain_environment
from holdfast.clock import SystemClock
from holdfast.storage.opening import open_store
from holdfast.tasks import NewTask, Tasks

QUESTIONS = ("create", "list", "ready", "search", "show")
WORDS = [
    "storage",
    "journal",
    "index",
    "lease",
    "claim",
    "worker",
    "retry",
    "budget",
    "parser",
    "socket",
    "window",
    "kernel",
    "vector",
    "memory",
    "search",
    "prompt",
    "answer",
    "review",
    "release",
    "deploy",
]
WANTED = "anemone"
"""A word that one task in a hundred has."""

NODE_FILES = ROOT / "benchmarks" / "peers" / "node"
_CACHE = ROOT / ".cache" / "benchmark-peers"
_BACKLOG = Path("node_modules/backlog.md-linux-x64/backlog")
_LEVELS = ("high", "medium", "low")
_BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A task as all trackers get it."""

    number: int
    name: str
    tag: str
    level: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracker:
    """A tracker that was filled: its commands by question, and where they run."""

    folder: Path
    commands: Mapping[str, Sequence[str]]
    environ: Mapping[str, str]


def items(count: int) -> list[Item]:
    """Return the tasks, the same each time."""
    source = random.Random(4)
    made: list[Item] = []
    for number in range(count):
        words = source.choices(WORDS, k=6)
        if number % 100 == 50:
            words.append(WANTED)
        name = f"task {number} {' '.join(words)}"
        level, tag = source.randrange(3), source.choice(WORDS)
        made.append(Item(number=number, name=name, tag=tag, level=level))
    return made


async def fill_ours(folder: Path, wanted: Sequence[Item], holdfast: str) -> Tracker:
    """Fill Holdfast in a project of its own."""
    store = f"files:{folder / '.holdfast'}"
    shown = ""
    async with open_store(store, clock=SystemClock(), ack="os") as opened:
        tasks = Tasks(opened, clock=SystemClock())
        for start in range(0, len(wanted), _BATCH):
            new = (
                NewTask(name=each.name, tags=[each.tag], priority=each.level + 1)
                for each in wanted[start : start + _BATCH]
            )
            made = await asyncio.gather(*map(tasks.create, new))
            shown = made[0].id if start <= len(wanted) // 2 else shown
    words = {
        "create": ("create", "a task that is new"),
        "list": ("list",),
        "ready": ("ready",),
        "search": ("search", WANTED),
        "show": ("show", shown),
    }
    commands = {name: [holdfast, "task", *each] for name, each in words.items()}
    return Tracker(folder=folder, commands={**commands, "empty": [holdfast]}, environ={})


def fill_taskwarrior(folder: Path, wanted: Sequence[Item]) -> Tracker | None:
    """Fill Taskwarrior, None if it is not installed."""
    task = shutil.which("task")
    if task is None:
        return None
    settings = f"data.location={folder / 'data'}\nconfirmation=off\nverbose=nothing\nhooks=off\n"
    (folder / "taskrc").write_text(settings, encoding="utf-8")
    (folder / "data").mkdir()
    source = random.Random(5)
    rows = [
        {
            "uuid": str(uuid.UUID(int=source.getrandbits(128), version=4)),
            "description": each.name,
            "status": "pending",
            "entry": "20261101T000000Z",
            "priority": _LEVELS[each.level][0].upper(),
            "tags": [each.tag],
        }
        for each in wanted
    ]
    (folder / "tasks.json").write_text(json.dumps(rows), encoding="utf-8")
    environ = {"TASKRC": str(folder / "taskrc")}
    commands = {
        "create": [task, "add", "a task that is new"],
        "list": [task, "limit:50", "list"],
        "ready": [task, "limit:50", "ready"],
        "search": [task, "limit:20", f"/{WANTED}/", "list"],
        "show": [task, str(rows[len(rows) // 2]["uuid"]), "information"],
    }
    tracker = Tracker(folder=folder, commands=commands, environ=environ)
    run(tracker, [task, "import", "tasks.json"])
    return tracker


def fill_backlog(folder: Path, wanted: Sequence[Item]) -> Tracker | None:
    """Fill Backlog.md, None if it cannot be installed here."""
    program = _install_backlog()
    if program is None:
        return None
    commands = {
        "create": [program, "task", "create", "a task that is new", "--plain"],
        "list": [program, "task", "list", "--plain", "--limit", "50"],
        "ready": [program, "task", "list", "--ready", "--plain", "--limit", "50"],
        "search": [program, "search", WANTED, "--type", "task", "--plain", "--limit", "20"],
        "show": [program, "task", "view", str(len(wanted) // 2 + 1), "--plain"],
    }
    tracker = Tracker(folder=folder, commands=commands, environ={})
    run(tracker, [program, "init", "bench", "--defaults", "--no-git"])
    for each in wanted:
        name = each.name.replace(" ", "-")
        path = folder / "backlog" / "tasks" / f"task-{each.number + 1} - {name}.md"
        path.write_text(_backlog_face(each), encoding="utf-8")
    return tracker


def run(tracker: Tracker, command: Sequence[str]) -> None:
    """Run a command of a tracker, which must succeed."""
    done = subprocess.run(
        command, cwd=tracker.folder, env={**plain_environment(), **tracker.environ},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )


def _backlog_face(item: Item) -> str:
    return (
        f"---\nid: TASK-{item.number + 1}\ntitle: {item.name}\nstatus: To Do\nassignee: []\n"
        f"created_date: '2026-11-01 00:00'\nlabels:\n  - {item.tag}\ndependencies: []\n"
        f"priority: {_LEVELS[item.level]}\nordinal: {(item.number + 1) * 1000}\n---\n"
    )


def _install_backlog() -> str | None:
    """Return the program, installed once a checkout and version; None where that cannot be."""
    program, lock = _CACHE / _BACKLOG, NODE_FILES / "package-lock.json"
    marker = _CACHE / "installed-lock.json"
    if program.is_file() and marker.is_file() and marker.read_bytes() == lock.read_bytes():
        return str(program)
    npm = shutil.which("npm")
    if npm is None:
        return None
    _CACHE.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(NODE_FILES / name, _CACHE / name)
    done = subprocess.run([npm, "ci"], cwd=_CACHE, capture_output=True, timeout=300, check=False)
    if done.returncode or not program.is_file():
        return None
    marker.write_bytes(lock.read_bytes())
    return str(program)
