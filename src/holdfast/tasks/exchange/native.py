"""Holdfast's own lines of JSON: whole histories, so nothing is lost.

The first line names the format, the last one counts the tasks. A task is its id and its events as they
stand in the log, without the digests that chain them: the log that they are put into makes its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path

from holdfast.ids import ID_LENGTH, normalise_prefix
from holdfast.tasks.exchange.jsontext import first_object, objects
from holdfast.tasks.exchange.reading import Reader, object_of, objects_of, text_of
from holdfast.tasks.exchange.seam import Finding, Item, Place, Raw, Report, Target

FORMAT = "holdfast tasks"
VERSION = 1


class Native:
    """Tasks with their histories."""

    name = "holdfast"
    is_ordered = False
    ids_are_unique = True
    fleeting: frozenset[str] = frozenset()

    @property
    def lists(self) -> dict[str, Callable[[object], Hashable]]:
        return {}

    def detect(self, path: Path) -> bool:
        return path.is_file() and first_object(path).get("format") == FORMAT

    def read(self, path: Path, report: Report) -> Iterator[Item]:
        count, place, end = 0, Place(file=str(path)), None
        for place, raw in objects(path, report):
            if "format" in raw:
                _check_version(raw, place, report)
            elif "end" in raw:
                end = object_of(raw["end"]).get("tasks")
            else:
                count += 1
                if item := self.parse(raw, place, report):
                    yield item
        if end != count:
            report(_cut(place, count, end))

    def parse(self, raw: Raw, place: Place, report: Report) -> Item | None:
        task_id = text_of(raw, "id")
        history = objects_of(raw.get("events"))
        if len(task_id) != ID_LENGTH or normalise_prefix(task_id) != task_id or not history:
            Reader(raw, place, report, task_id).refuse("this is no task with its events")
            return None
        return Item(id=task_id, history=history, place=place, raw=raw)

    def render(self, item: Item) -> Raw:
        return {"id": item.id, "events": list(item.history)}

    def name_task(self, task_id: str, taken: Callable[[str], bool]) -> str:
        del taken  # our own ids are nobody else's
        return task_id

    @contextmanager
    def write(self, target: Target) -> Generator[Callable[[Raw], object]]:
        count = 0

        def put(raw: Raw) -> None:
            nonlocal count
            count += 1
            line(raw)

        def line(document: Raw) -> None:
            text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
            target.text(text + "\n")

        line({"format": FORMAT, "version": VERSION})
        yield put
        line({"end": {"tasks": count}})


def _check_version(raw: Raw, place: Place, report: Report) -> None:
    if raw.get("version") != VERSION:
        Reader(raw, place, report, "").refuse(
            f"the file has the version {raw.get('version')!r} of its format; this Holdfast knows"
            f" {VERSION}",
            "upgrade Holdfast, or export with this version; what could be read was taken",
        )


def _cut(place: Place, count: int, end: object) -> Finding:
    told = "does not say how many tasks it holds" if end is None else f"should hold {end} tasks"
    return Finding(
        weight="problem",
        place=Place(file=place.file),
        what=f"the file is not whole: it {told}, and {count} could be read",
        remedy="export it again and import once more; what could be read was taken",
    )
