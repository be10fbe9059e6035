"""Files that are broken, half saved, removed, new or set aside cost nobody an edit."""

from __future__ import annotations

import os
from typing import Any

import pytest

from holdfast.storage.faces import Outcome
from holdfast.storage.seam import Key, Record
from holdfast.testing.stores import FaultyStore
from tests.storage.faces_desk import Desk, desk, tell

__all__ = ["desk"]  # a fixture


@pytest.mark.parametrize("data", [b"", b"{", b'{"title": "x"', b"\xff\xfe{", b"<<<<<<< HEAD\n{}"])
async def test_a_broken_file_is_kept_reported_and_written_anew(desk: Desk, data: bytes) -> None:
    await desk.put("a", title="t")
    await desk.put("b", title="t")
    await desk.faces.write()
    desk.path("a").write_bytes(data)
    desk.edit("b", title="T")
    report = await desk.faces.take_in()
    (broken,) = report.quarantined
    assert broken.line == 1
    assert "a.json: line 1: " in broken.sentence
    assert broken.path == desk.path("a")
    assert broken.kept is not None
    assert broken.kept.read_bytes() == data
    assert f"kept as conflicts/{broken.kept.name}" in broken.sentence
    assert desk.shown("a") == {"title": "t"}
    assert len(report.applied) == 1


async def test_a_file_that_is_half_saved_is_left_alone_until_it_settles(desk: Desk) -> None:
    await desk.put("a", title="t")
    await desk.faces.write()
    now = desk.clock.now_ms() / 1000
    desk.path("a").write_bytes(b'{"title": "ne')
    os.utime(desk.path("a"), (now, now))
    desk.clock.advance(0.9)
    (waiting,) = (await desk.faces.take_in()).findings
    assert waiting.outcome is Outcome.WAITING
    assert "perhaps it is being saved" in waiting.sentence
    assert (await desk.faces.write()).edited == (desk.path("a"),)
    assert desk.path("a").read_bytes() == b'{"title": "ne'
    desk.clock.advance(0.1)
    assert len((await desk.faces.take_in()).quarantined) == 1


async def test_a_file_that_is_fully_saved_is_taken_at_once(desk: Desk) -> None:
    await desk.put("a", title="t")
    await desk.faces.write()
    desk.edit("a", title="T")
    now = desk.clock.now_ms() / 1000
    os.utime(desk.path("a"), (now, now))
    assert len((await desk.faces.take_in()).applied) == 1


async def test_a_broken_file_from_the_future_does_not_wait_for_ever(desk: Desk) -> None:
    await desk.put("a", title="t")
    await desk.faces.write()
    desk.path("a").write_bytes(b"")
    future = desk.clock.now_ms() / 1000 + 3600
    os.utime(desk.path("a"), (future, future))
    assert len((await desk.faces.take_in()).quarantined) == 1


async def test_a_removed_file_comes_back_and_its_record_stays(desk: Desk) -> None:
    await desk.put("a", title="t")
    await desk.put("b", title="t")
    await desk.put("never-shown", title="t")
    await desk.faces.refresh(desk.key("a"))
    await desk.faces.refresh(desk.key("b"))
    desk.path("a").unlink()
    desk.path("b").unlink()
    written = await desk.open(_OnlyB(desk.store)).write()
    assert [each.path.name for each in written.restored] == ["b.json"]
    report = await desk.faces.take_in()
    assert [each.path.name for each in report.restored] == ["a.json"]
    assert len(report.findings) == 1
    assert desk.shown("a") == await desk.get("a") == {"title": "t"}


class _OnlyB(FaultyStore):
    def __init__(self, inner: Any) -> None:
        super().__init__(inner, {})

    async def scan(
        self, prefix: Key, *, after: Key | None = None, limit: int = 100
    ) -> list[Record]:
        found = await self.inner.scan(prefix, after=after, limit=limit)
        return [each for each in found if each.key[-1] == "b"]


async def test_a_new_file_is_left_alone_and_reported(desk: Desk) -> None:
    await desk.put("a", title="t")
    await desk.faces.write()
    others = {"mine.json": "{}", "todo.txt": "x", "broken.json": "{", "a copy.json": ""}
    others["a copy.json"] = desk.path("a").read_text()
    for name, text in others.items():
        (desk.folder / name).write_text(text)
    (desk.folder / "archive").mkdir()
    (desk.folder / "link.json").symlink_to(desk.path("a"))
    for _ in range(2):
        report = await desk.faces.take_in()
        await desk.faces.write()
        assert {each.path.name for each in report.unknown} == {*others, "archive", "link.json"}
        assert len(report.findings) == 6
    assert {name: (desk.folder / name).read_text() for name in others} == others


async def test_a_face_replaced_by_a_link_is_left_alone_and_reported(desk: Desk) -> None:
    await desk.put("a", title="t")
    await desk.faces.write()
    elsewhere = desk.folder.parent / "elsewhere.json"
    desk.path("a").rename(elsewhere)
    desk.path("a").symlink_to(elsewhere)
    report = await desk.faces.take_in()
    assert "not a regular file" in tell(report.unknown)
    assert len((await desk.faces.write()).blocked) == 1
    assert desk.path("a").is_symlink()


async def test_files_of_editors_are_ignored(desk: Desk) -> None:
    await desk.put("a", title="t")
    await desk.faces.write()
    names = [".a.json.swp", "a.json~", "#a.json#", ".#a.json", "4913", "a.json.tmp", ".DS_Store"]
    for name in names:
        (desk.folder / name).write_text("x")
    assert (await desk.faces.take_in()).findings == ()
    assert all((desk.folder / name).exists() for name in names)


async def test_replaced_faces_are_removed_once_they_have_settled(desk: Desk) -> None:
    for n in range(5):
        await desk.put("a", n=n)
        await desk.faces.write()
    assert len(desk.leftovers()) == 4
    desk.clock.advance(1)
    await desk.faces.write()
    assert desk.leftovers() == []


async def test_refreshing_alone_lets_nothing_pile_up(desk: Desk) -> None:
    for n in range(50):
        await desk.put("a", n=n)
        await desk.faces.refresh(desk.key("a"))
        desk.clock.advance(0.1)
    assert len(desk.leftovers()) <= 25


async def test_what_an_editor_writes_into_a_replaced_file_is_found(desk: Desk) -> None:
    """An editor has the file open while the face is replaced, and saves in place."""
    await desk.put("a", title="t", n=1)
    await desk.faces.write()
    text = desk.path("a").read_text()
    with desk.path("a").open("r+") as open_file:
        await desk.put("a", title="t", n=2)
        await desk.faces.write()
        open_file.write(text.replace('"t"', '"T"'))
    report = await desk.faces.take_in()
    assert len(report.merged) == 1
    assert await desk.get("a") == {"title": "T", "n": 2}


async def test_what_an_editor_still_writes_into_a_taken_file_is_found(desk: Desk) -> None:
    await desk.put("a", title="t", body="b")
    await desk.faces.write()
    desk.edit("a", title="T")
    text = desk.path("a").read_text()
    with desk.path("a").open("r+") as open_file:
        assert len((await desk.faces.take_in()).applied) == 1
        open_file.write(text.replace('"b"', '"B"'))
    await desk.faces.take_in()
    assert await desk.get("a") == {"title": "T", "body": "B"}
