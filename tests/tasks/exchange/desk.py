"""Files of other trackers, and a place to bring them in and take them out again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.storage.seam import Store
from holdfast.tasks import Actor, Tasks
from holdfast.tasks.exchange.exporting import Exported, export_tasks
from holdfast.tasks.exchange.formats import format_named
from holdfast.tasks.exchange.importing import Imported, import_tasks
from holdfast.tasks.exchange.seam import Target
from holdfast.tasks.requests import Filter
from holdfast.testing.clock import ManualClock

T0 = "2023-01-02T03:04:05Z"


@dataclass
class Desk:
    """The tasks of a store, and a folder for files."""

    tasks: Tasks
    clock: ManualClock
    folder: Path

    def write(self, raws: Sequence[object], name: str = "in.jsonl") -> Path:
        path = self.folder / name
        path.write_text("".join(json.dumps(raw) + "\n" for raw in raws), encoding="utf-8")
        return path

    async def bring(self, form: str, path: Path, **options: Any) -> Imported:
        return await import_tasks(
            self.tasks, format_named(form), path, now=self.clock.now_ms(), **options
        )

    async def take(
        self, form: str, wanted: Filter | None = None, folder: Path | None = None
    ) -> tuple[str, Exported]:
        parts: list[str] = []
        target = Target(text=parts.append, left_out=lambda name: None, folder=folder)
        done = await export_tasks(self.tasks, format_named(form), target, wanted=wanted)
        return "".join(parts), done


def desk_of(store: Store, clock: ManualClock, folder: Path) -> Desk:
    actor = Actor(by="ann", via="test")
    return Desk(Tasks(store, clock=clock, actor=actor), clock, folder)


def objects(text: str) -> list[dict[str, Any]]:
    """The objects in an array, or one a line."""
    if text.startswith("["):
        return json.loads(text)
    return [json.loads(line) for line in text.split("\n") if line]


def by(name: str, raws: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {raw[name]: raw for raw in raws}


def tree(folder: Path) -> dict[str, str]:
    """The files of tasks in a folder of Backlog.md."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes().decode()
        for path in sorted(folder.rglob("*.md"))
    }
