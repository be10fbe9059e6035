"""A folder that nobody touched is not read again, and no edit hides behind that."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.clock import SystemClock
from holdfast.storage.faces.disk import SystemFaceDisk
from holdfast.storage.memory import MemoryStore
from holdfast.testing.clock import ManualClock
from tests.storage.faces_desk import Desk

LATER_MS = 60_000


class CountingDisk(SystemFaceDisk):
    """Counts the files that are read."""

    def __init__(self) -> None:
        self.read_names: list[str] = []

    def read(self, path: Path) -> bytes | None:
        if path.parent.name == "notes":
            self.read_names.append(path.name)
        return super().read(path)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk a minute in the future, where no file counts as just written."""
    desk = Desk(tmp_path / "notes", disk=CountingDisk())
    desk.clock = ManualClock(SystemClock().now_ms() + LATER_MS)
    desk.store = MemoryStore(clock=desk.clock)
    desk.faces = desk.open()
    async with desk.store:
        for name in "abcdef":
            await desk.put(name, title="t", n=1)
        await desk.faces.write()
        yield desk


def faces_read(desk: Desk) -> list[str]:
    """Return which faces were read since the last time."""
    disk = desk.options["disk"]
    names = sorted(disk.read_names)
    disk.read_names.clear()
    return names


async def test_what_was_seen_untouched_is_not_read_again(desk: Desk) -> None:
    faces_read(desk)
    assert (await desk.faces.take_in()).findings == ()
    assert len(faces_read(desk)) == 6
    assert (await desk.faces.take_in()).findings == ()
    assert faces_read(desk) == []
    await desk.put("a", title="new", n=1)
    await desk.faces.refresh(desk.key("a"))
    faces_read(desk)
    assert (await desk.open().take_in()).findings == ()
    assert faces_read(desk) == ["a.json"]


async def test_an_edit_that_keeps_size_and_time_is_noticed(desk: Desk) -> None:
    await desk.faces.take_in()
    path = desk.path("c")
    before = path.stat()
    path.write_text(path.read_text().replace('"t"', '"T"'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert len((await desk.faces.take_in()).applied) == 1
    assert (await desk.get("c"))["title"] == "T"


async def test_a_file_that_was_just_written_is_read_again(desk: Desk) -> None:
    desk.clock = ManualClock(SystemClock().now_ms())
    desk.faces = desk.open()
    await desk.faces.take_in()
    faces_read(desk)
    await desk.faces.take_in()
    assert len(faces_read(desk)) == 6


@pytest.mark.parametrize("what", ["removed", "new", "broken", "renamed", "folder"])
async def test_whatever_else_changes_is_looked_at(desk: Desk, what: str) -> None:
    await desk.faces.take_in()
    path = desk.path("b")
    if what == "removed":
        path.unlink()
    elif what == "new":
        (desk.folder / "x.json").write_text("{}")
    elif what == "broken":
        path.write_text("{")
    elif what == "renamed":
        path.rename(desk.folder / "x.json")
    else:
        path.unlink()
        path.mkdir()
    assert (await desk.faces.take_in()).findings != ()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 2}', '{"format": 1, "files": []}'])
async def test_what_was_seen_may_be_lost_or_damaged(desk: Desk, text: str) -> None:
    await desk.faces.take_in()
    (desk.folder / ".base" / "seen").write_text(text)
    desk.edit("d", title="T")
    assert len((await desk.faces.take_in()).applied) == 1
    (desk.folder / ".base" / "seen").unlink(missing_ok=True)
    desk.edit("e", title="T")
    assert len((await desk.open().take_in()).applied) == 1


async def test_of_many_looks_and_edits_none_is_missed(desk: Desk) -> None:
    chosen = random.Random(5)
    titles = dict.fromkeys("abcdef", "t")
    for number in range(150):
        name = chosen.choice("abcdef")
        action = chosen.choice(["edit", "put", "look", "look", "write"])
        if action == "edit" and (await desk.get(name))["title"] == titles[name]:
            await desk.faces.refresh(desk.key(name))
            desk.edit(name, title=f"e{number}")
            titles[name] = f"e{number}"
            await desk.faces.take_in()
        elif action == "put":
            titles[name] = f"p{number}"
            await desk.put(name, title=titles[name], n=number)
            await desk.faces.refresh(desk.key(name))
        elif action == "write":
            await desk.faces.write()
        else:
            assert (await desk.open().take_in()).findings == ()
        for each, title in titles.items():
            assert (await desk.get(each))["title"] == title
