"""What people edit in readable files reaches the records, merged with what changed there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from holdfast.storage.faces import MISSING, Clash, MarkdownCodec
from holdfast.storage.seam import ABSENT
from tests.storage.faces_desk import Desk, desk, tell

__all__ = ["desk"]  # a fixture


async def test_an_edit_reaches_the_record(desk: Desk) -> None:
    await desk.put("a", title="old", body="text", tags=["x"])
    await desk.faces.write()
    desk.edit("a", title="new", tags=..., extra={"deep": 1})
    report = await desk.faces.take_in()
    assert await desk.get("a") == {"title": "new", "body": "text", "extra": {"deep": 1}}
    assert [each.key for each in report.applied] == [desk.key("a")]
    assert report.applied[0].path == desk.path("a")
    assert tell(report.findings) == "a.json: taken: title, tags, extra"
    assert desk.shown("a") == await desk.get("a")
    assert desk.conflicts() == []
    assert (await desk.faces.take_in()).findings == ()
    assert (await desk.faces.write()).unchanged == 1


async def test_an_edit_through_markdown_reaches_the_record(tmp_path: Path) -> None:
    desk = Desk(tmp_path, codec=MarkdownCodec(body="text", first=("title",)))
    async with desk.store:
        await desk.put("a", title="Plan", text="First.", count=1)
        await desk.faces.write()
        text = desk.path("a").read_text()
        desk.path("a").write_text(text.replace("First.", "First.\n\n---\n\nSecond.") + "\n")
        report = await desk.faces.take_in()
        assert len(report.applied) == 1
        expected = {"title": "Plan", "text": "First.\n\n---\n\nSecond.\n", "count": 1}
        assert await desk.get("a") == expected
        assert desk.shown("a") == expected


async def test_an_edit_keeps_when_the_record_expires_and_is_due(desk: Desk) -> None:
    later = desk.clock.now_ms() + 5000
    await desk.store.put(
        desk.key("a"), b'{"n":1}', expected=ABSENT, expires_at=later, due_at=later - 1
    )
    await desk.faces.write()
    desk.edit("a", n=2)
    await desk.faces.take_in()
    record = await desk.store.get(desk.key("a"))
    assert record is not None
    assert (record.value, record.expires_at, record.due_at) == (b'{"n": 2}', later, later - 1)


async def test_formatting_alone_is_no_edit(desk: Desk) -> None:
    await desk.put("a", title="x", n=[1, 2])
    await desk.faces.write()
    text = desk.path("a").read_text()
    desk.path("a").write_text(json.dumps(json.loads(text)))
    assert (await desk.faces.take_in()).findings == ()
    assert (await desk.faces.write()).written == 1
    assert desk.path("a").read_text() == text


async def test_a_number_that_becomes_a_truth_value_is_an_edit(desk: Desk) -> None:
    await desk.put("a", n=1)
    await desk.faces.write()
    desk.edit("a", n=True)
    assert len((await desk.faces.take_in()).applied) == 1
    assert (await desk.get("a"))["n"] is True


async def test_changes_on_both_sides_are_merged_field_by_field(desk: Desk) -> None:
    await desk.put("a", title="t", state="open", options={"x": 1, "y": 1})
    await desk.faces.write()
    desk.edit("a", title="T", options={"x": 2, "y": 1})
    await desk.put("a", title="t", state="done", options={"x": 1, "y": 2})
    report = await desk.faces.take_in()
    assert await desk.get("a") == {"title": "T", "state": "done", "options": {"x": 2, "y": 2}}
    assert len(report.merged) == 1
    assert "title, options.x" in tell(report.merged)
    assert desk.shown("a") == await desk.get("a")


async def test_the_same_change_on_both_sides_is_no_conflict(desk: Desk) -> None:
    await desk.put("a", title="t")
    await desk.faces.write()
    desk.edit("a", title="T")
    await desk.put("a", title="T")
    report = await desk.faces.take_in()
    assert "says so already" in tell(report.applied)
    assert desk.conflicts() == []


async def test_a_field_changed_on_both_sides_stays_and_the_file_is_kept(desk: Desk) -> None:
    await desk.put("a", title="t", body="b")
    await desk.faces.write()
    desk.edit("a", title="mine", body="B")
    edited = desk.path("a").read_bytes()
    await desk.put("a", title="theirs", body="b")
    (conflict,) = (await desk.faces.take_in()).conflicts
    assert await desk.get("a") == {"title": "theirs", "body": "B"}
    assert conflict.clashes == (Clash(("title",), "theirs", "mine"),)
    assert 'title is "mine" in the file and stays "theirs"' in conflict.sentence
    assert conflict.kept is not None
    assert [conflict.kept] == desk.conflicts()
    assert conflict.kept.read_bytes() == edited
    assert conflict.kept.name.startswith("20231114T221320000Z-")
    note = json.loads(conflict.kept.with_name(conflict.kept.name + ".why").read_text())
    assert note["fields"] == {"title": {"in the file": "mine", "in the record": "theirs"}}
    assert note["key"] == ["notes", "a"]
    assert note["file"] == "a.json"
    assert desk.shown("a") == await desk.get("a")
    assert (await desk.faces.take_in()).findings == ()


async def test_removing_a_field_that_has_changed_since_is_a_conflict(desk: Desk) -> None:
    await desk.put("a", title="t", long="x" * 100)
    await desk.faces.write()
    desk.edit("a", title=..., long="y" * 100)
    await desk.put("a", title="new", long="z" * 100)
    (conflict,) = (await desk.faces.take_in()).conflicts
    assert Clash(("title",), "new", MISSING) in conflict.clashes
    assert "title is removed in the file" in conflict.sentence
    assert len(conflict.sentence) < 400


async def test_an_edit_of_an_older_face_is_merged_from_that_one(desk: Desk) -> None:
    """A text left open in an editor is saved over a newer face: nothing newer is undone."""
    await desk.put("a", title="t", state="open", n=0)
    await desk.faces.write()
    opened = json.loads(desk.path("a").read_text())
    for n in range(1, 4):
        await desk.put("a", title="t", state="working", n=n)
        await desk.faces.write()
    desk.path("a").write_text(json.dumps({**opened, "title": "T"}))
    report = await desk.faces.take_in()
    assert await desk.get("a") == {"title": "T", "state": "working", "n": 3}
    assert len(report.merged) == 1


async def test_an_older_face_put_back_unchanged_changes_nothing(desk: Desk) -> None:
    await desk.put("a", title="old")
    await desk.faces.write()
    older = desk.path("a").read_bytes()
    await desk.put("a", title="new")
    await desk.faces.write()
    desk.path("a").write_bytes(older)
    assert (await desk.faces.take_in()).findings == ()
    await desk.faces.write()
    assert desk.shown("a") == {"title": "new"}
    assert await desk.get("a") == {"title": "new"}


async def test_setting_a_field_back_to_its_old_value_is_an_edit(desk: Desk) -> None:
    await desk.put("a", state="open")
    await desk.faces.write()
    await desk.put("a", state="working")
    await desk.faces.write()
    desk.edit("a", state="open")
    assert len((await desk.faces.take_in()).applied) == 1
    assert await desk.get("a") == {"state": "open"}


async def test_an_edit_without_its_base_is_a_conflict_and_never_a_guess(desk: Desk) -> None:
    await desk.put("a", title="t", body="b")
    await desk.put("b", title="untouched")
    await desk.faces.write()
    desk.edit("a", title="mine")
    shutil.rmtree(desk.folder / ".base")
    report = await desk.faces.take_in()
    (conflict,) = report.conflicts
    assert await desk.get("a") == {"title": "t", "body": "b"}
    assert "of unknown origin" in conflict.sentence
    assert conflict.kept is not None
    assert "mine" in conflict.kept.read_text()
    assert len(report.findings) == 1


async def test_deleting_the_base_of_files_that_nobody_edited_is_harmless(desk: Desk) -> None:
    await desk.put("a", title="t")
    await desk.put("b", title="t")
    await desk.faces.write()
    shutil.rmtree(desk.folder / ".base")
    await desk.put("a", title="new")
    assert (await desk.faces.take_in()).findings == ()
    written = await desk.faces.write()
    assert (written.written, written.unchanged) == (1, 1)
    desk.edit("a", title="mine")
    desk.edit("b", title="mine")
    assert len((await desk.faces.take_in()).applied) == 2
    assert await desk.get("b") == {"title": "mine"}


async def test_a_face_that_outlived_its_base_is_remembered_when_it_is_replaced(desk: Desk) -> None:
    await desk.put("a", title="t", n=1)
    await desk.faces.write()
    opened = json.loads(desk.path("a").read_text())
    shutil.rmtree(desk.folder / ".base")
    await desk.put("a", title="t", n=2)
    await desk.faces.write()
    desk.path("a").write_text(json.dumps({**opened, "title": "T"}))
    assert len((await desk.faces.take_in()).merged) == 1
    assert await desk.get("a") == {"title": "T", "n": 2}


async def test_a_damaged_base_counts_as_none(desk: Desk) -> None:
    await desk.put("a", title="t")
    await desk.faces.write()
    (desk.folder / ".base" / "a.json.base").write_bytes(b"\0\0")
    assert (await desk.faces.write()).unchanged == 1
    desk.edit("a", title="mine")
    assert len((await desk.faces.take_in()).applied) == 1


async def test_without_its_mark_an_edit_of_the_only_face_is_still_merged(desk: Desk) -> None:
    await desk.put("a", title="t", n=1)
    await desk.faces.write()
    desk.edit("a", title="T", _face=...)
    await desk.put("a", title="t", n=2)
    assert len((await desk.faces.take_in()).merged) == 1
    assert await desk.get("a") == {"title": "T", "n": 2}
    desk.edit("a", title="TT", _face=...)
    assert len((await desk.faces.take_in()).conflicts) == 1
    assert await desk.get("a") == {"title": "T", "n": 2}


async def test_a_face_copied_over_another_one_undoes_nothing(desk: Desk) -> None:
    await desk.put("a", title="a", n=1)
    await desk.put("b", title="b", n=2, extra=True)
    await desk.faces.write()
    desk.edit("a", title="mine")
    shutil.copy(desk.path("a"), desk.path("b"))
    report = await desk.faces.take_in()
    assert len(report.applied) == len(report.conflicts) == 1
    assert await desk.get("b") == {"title": "b", "n": 2, "extra": True}
