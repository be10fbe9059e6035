"""Records have readable files, and what people edit in them reaches the records."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import StorageFull, StorageUnavailable, UsageError
from holdfast.storage.faces import MISSING, Clash, FaceError, JsonCodec, MarkdownCodec, Outcome
from holdfast.storage.faces.disk import SystemFaceDisk
from holdfast.storage.faces.folder import Claim
from holdfast.storage.faces.threads import on_thread
from holdfast.storage.seam import ABSENT, ANY, Key, Put, Record
from holdfast.testing.stores import FaultyStore
from tests.storage.faces_desk import PREFIX, Desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path / "notes")
    async with desk.store:
        yield desk


def tell(findings: Any) -> str:
    return "\n".join(each.sentence for each in findings)


# ------------------------------------------------------------------------------------- writing


async def test_each_record_gets_a_readable_file(desk: Desk) -> None:
    for number in range(450):
        await desk.put(f"n{number}", title=f"Note {number}")
    written = await desk.faces.write()
    assert written.written == 450
    assert len(list(desk.folder.glob("*.json"))) == 450
    assert desk.shown("n449") == {"title": "Note 449"}
    assert desk.path("n7").read_text() == (
        '{\n  "_face": "' + json.loads(desk.path("n7").read_text())["_face"] + '",\n'
        '  "title": "Note 7"\n}\n'
    )


async def test_faces_are_for_the_owner_only(desk: Desk) -> None:
    await desk.put("a", title="secret")
    await desk.faces.write()
    assert desk.path("a").stat().st_mode & 0o077 == 0
    assert desk.folder.stat().st_mode & 0o077 == 0


async def test_an_unchanged_file_is_not_written_again(desk: Desk) -> None:
    await desk.put("a", title="x")
    await desk.put("b", title="x")
    await desk.faces.write()
    before = desk.path("a").stat()
    base = (desk.folder / ".base" / "a.json.base").stat()
    await desk.put("a", title="x")  # a new version that looks the same
    await desk.put("b", title="y")
    written = await desk.faces.write()
    await desk.faces.refresh(desk.key("a"))
    assert (written.written, written.unchanged) == (1, 1)
    after = desk.path("a").stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)
    assert (desk.folder / ".base" / "a.json.base").stat().st_ino == base.st_ino


async def test_the_face_of_a_record_that_is_gone_is_removed(desk: Desk) -> None:
    await desk.put("a", title="x")
    await desk.put("b", title="y")
    await desk.put("c", title="z")
    await desk.faces.write()
    await desk.store.delete(desk.key("a"), expected=ANY)
    await desk.store.delete(desk.key("c"), expected=ANY)
    await desk.faces.refresh(desk.key("c"))
    assert not desk.path("c").exists()
    written = await desk.faces.write()
    assert (written.removed, written.unchanged) == (1, 1)
    assert sorted(each.name for each in desk.folder.glob("*.json")) == ["b.json"]
    assert (await desk.faces.take_in()).findings == ()


async def test_an_expired_record_has_no_face(desk: Desk) -> None:
    expires = desk.clock.now_ms() + 1000
    await desk.store.put(desk.key("a"), b"{}", expected=ABSENT, expires_at=expires)
    await desk.faces.write()
    assert desk.path("a").exists()
    desk.clock.advance(1)
    assert (await desk.faces.write()).removed == 1


async def test_refresh_writes_one_face(desk: Desk) -> None:
    await desk.put("a", title="x")
    await desk.put("b", title="y")
    await desk.faces.refresh(desk.key("a"))
    assert [each.name for each in desk.folder.glob("*.json")] == ["a.json"]
    await desk.faces.refresh(desk.key("none"))
    assert [each.name for each in desk.folder.glob("*.json")] == ["a.json"]


async def test_deeper_keys_get_names_of_their_own(desk: Desk) -> None:
    for parts in [("x", "t"), ("y", "t"), ("x,t",), ("X", "t"), ("..", "..", "t")]:
        await desk.store.put((*PREFIX, *parts), json.dumps({"p": parts}).encode(), expected=ABSENT)
    await desk.faces.write()
    shown = {json.loads(each.read_text())["p"][0] for each in desk.folder.glob("*.json")}
    assert shown == {"x", "y", "x,t", "X", ".."}
    assert [each.name for each in desk.folder.parent.iterdir()] == ["notes"]


async def test_a_record_that_cannot_be_shown_does_not_hold_up_the_others(desk: Desk) -> None:
    await desk.store.put(desk.key("bad"), b"\xff", expected=ABSENT)
    await desk.store.put(desk.key("odd"), b'{"_face": 1}', expected=ABSENT)
    await desk.put("good", title="x")
    await desk.put("hidden", title="y")
    desk.path("hidden").mkdir(parents=True)
    written = await desk.faces.write()
    assert written.written == 1
    assert [each.path.name for each in written.blocked] == ["bad.json", "hidden.json", "odd.json"]
    assert "no JSON text" in tell(written.blocked)
    assert "a name that faces need" in tell(written.blocked)
    assert "a folder, a link or a device" in tell(written.blocked)
    report = await desk.faces.take_in()
    assert [each.outcome for each in report.findings] == [Outcome.UNKNOWN]


class _LossyCodec(JsonCodec):
    def parse(self, text: str) -> dict[str, object]:
        return {name: str(value) for name, value in super().parse(text).items()}


async def test_a_codec_that_loses_something_is_found_before_it_does_harm(tmp_path: Path) -> None:
    desk = Desk(tmp_path, codec=_LossyCodec())
    async with desk.store:
        await desk.put("a", count=1)
        written = await desk.faces.write()
        assert "would not survive its codec" in tell(written.blocked)
        assert not desk.path("a").exists()


async def test_a_face_that_somebody_edited_is_not_written_over(desk: Desk) -> None:
    await desk.put("a", title="old")
    await desk.faces.write()
    desk.edit("a", title="mine")
    await desk.put("a", title="theirs")
    written = await desk.faces.write()
    await desk.faces.refresh(desk.key("a"))
    assert written.edited == (desk.path("a"),)
    assert desk.shown("a") == {"title": "mine"}


async def test_a_face_is_written_again_if_its_record_changes_meanwhile(desk: Desk) -> None:
    await desk.put("a", title="1")
    store = _Meddling(desk.store, {("scan", 1): ("a", {"title": "2"})})
    await desk.open(store).write()
    assert desk.shown("a") == {"title": "2"}
    store = _Meddling(desk.store, {("get", 1): ("a", {"title": "3"})})
    await desk.open(store).refresh(desk.key("a"))
    assert desk.shown("a") == {"title": "3"}


async def test_a_record_made_while_faces_are_removed_keeps_its_face(desk: Desk) -> None:
    await desk.put("a", title="1")
    await desk.faces.write()
    await desk.store.delete(desk.key("a"), expected=ANY)
    store = _Meddling(desk.store, {("scan", 1): ("a", {"title": "1"})})
    written = await desk.open(store).write()
    assert written.removed == 0
    assert desk.shown("a") == {"title": "1"}


class _Meddling(FaultyStore):
    """Somebody else writes a record right after the n-th call of a verb."""

    def __init__(self, inner: Any, writes: dict[tuple[str, int], tuple[str, object]]) -> None:
        super().__init__(inner, {})
        self.writes = writes

    async def _call(self, verb: str, action: Any) -> Any:
        result = await super()._call(verb, action)
        if write := self.writes.get((verb, self.calls[verb])):
            name, fields = write
            await self.inner.put((*PREFIX, name), json.dumps(fields).encode(), expected=ANY)
        return result


# ------------------------------------------------------------------------------------ taking in


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


# ---------------------------------------------------------------------------------------- hooks


async def test_the_owner_may_refuse_a_change(desk: Desk) -> None:
    asked: list[object] = []

    def accept(*change: object) -> str | None:
        asked.append(change)
        return "a finished note never changes"

    await desk.put("a", title="t", state="done")
    await desk.faces.write()
    desk.edit("a", title="T")
    (refused,) = (await desk.open(accept=accept).take_in()).refused
    assert "a finished note never changes" in refused.sentence
    assert asked == [
        (desk.key("a"), {"title": "t", "state": "done"}, {"title": "T", "state": "done"})
    ]
    assert refused.kept is not None
    assert json.loads(refused.kept.read_text())["title"] == "T"
    assert desk.shown("a") == await desk.get("a") == {"title": "t", "state": "done"}


async def test_the_owner_is_asked_again_after_a_conflict(desk: Desk) -> None:
    def accept(key: Key, before: Any, after: Any) -> str | None:
        return "it is done" if before["state"] == "done" else None

    await desk.put("a", title="t", state="open")
    await desk.faces.write()
    desk.edit("a", title="T")
    store = _Meddling(desk.store, {("get", 1): ("a", {"title": "t", "state": "done"})})
    assert len((await desk.open(store, accept=accept).take_in()).refused) == 1
    assert await desk.get("a") == {"title": "t", "state": "done"}


async def test_a_write_in_between_is_merged_too(desk: Desk) -> None:
    await desk.put("a", title="t", n=1)
    await desk.faces.write()
    desk.edit("a", title="T")
    store = _Meddling(desk.store, {("get", n): ("a", {"title": "t", "n": n + 1}) for n in (1, 2)})
    report = await desk.open(store).take_in()
    assert len(report.merged) == 1
    assert await desk.get("a") == {"title": "T", "n": 3}


class _StrictCodec(JsonCodec):
    def store(self, fields: Any, value: bytes) -> bytes:
        if not isinstance(fields.get("title"), str):
            raise FaceError(1, "the title must be a text")
        return super().store(fields, value)


async def test_a_codec_may_refuse_a_change(desk: Desk) -> None:
    await desk.put("a", title="t")
    await desk.faces.write()
    desk.edit("a", title=5)
    report = await desk.open(codec=_StrictCodec()).take_in()
    assert "the title must be a text" in tell(report.refused)
    assert len(desk.conflicts()) == 1


async def test_a_value_that_the_store_refuses_is_kept(desk: Desk) -> None:
    await desk.put("a", title="t")
    await desk.faces.write()
    desk.edit("a", title="T")
    store = FaultyStore(desk.store, {("put", 1): UsageError("a stored value is too long")})
    report = await desk.open(store).take_in()
    assert "a stored value is too long" in tell(report.refused)
    assert len(desk.conflicts()) == 1


class _Projection(JsonCodec):
    """People see all but the lease."""

    def load(self, value: bytes) -> dict[str, object]:
        return {name: each for name, each in super().load(value).items() if name != "lease"}

    def store(self, fields: Any, value: bytes) -> bytes:
        return super().store({**fields, "lease": json.loads(value)["lease"]}, value)


async def test_fields_that_people_do_not_see_stay(tmp_path: Path) -> None:
    desk = Desk(tmp_path, codec=_Projection())
    async with desk.store:
        await desk.put("a", title="t", lease=7)
        await desk.faces.write()
        assert desk.shown("a") == {"title": "t"}
        desk.edit("a", title="T")
        await desk.faces.take_in()
        assert await desk.get("a") == {"title": "T", "lease": 7}


async def test_a_new_file_may_become_a_record(desk: Desk) -> None:
    def create(name: str, fields: Any) -> Put | str:
        if "title" not in fields:
            return "a note needs a title"
        key = desk.key(fields["title"].lower())
        return Put(key=key, value=json.dumps(fields).encode(), expected=ABSENT)

    faces = desk.open(create=create)
    await desk.put("taken", title="Taken", by="somebody")
    await faces.write()
    texts = {"my note.json": '{"title": "New"}', "none.json": "{}", "bad.json": "{", "x.txt": "{}"}
    texts["again.json"] = '{"title": "Taken"}'
    for name, text in texts.items():
        (desk.folder / name).write_text(text)
    report = await faces.take_in()
    assert await desk.get("new") == {"title": "New"}
    assert desk.shown("new") == {"title": "New"}
    assert not (desk.folder / "my note.json").exists()
    assert len(report.applied) == 1
    assert {each.path.name for each in report.unknown} == {"none.json", "bad.json", "x.txt"}
    assert "a note needs a title" in tell(report.unknown)
    assert "exists already" in tell(report.conflicts)
    assert [each.read_text() for each in desk.conflicts()] == ['{"title": "Taken"}']
    assert (desk.folder / "none.json").read_text() == "{}"


async def test_an_edit_of_a_record_that_is_gone_is_kept(desk: Desk) -> None:
    await desk.put("a", title="t")
    await desk.faces.write()
    desk.edit("a", title="T")
    await desk.store.delete(desk.key("a"), expected=ANY)
    assert (await desk.faces.write()).edited == (desk.path("a"),)
    (conflict,) = (await desk.faces.take_in()).conflicts
    assert "its record is gone" in conflict.sentence
    assert conflict.kept is not None
    assert "T" in conflict.kept.read_text()
    assert not desk.path("a").exists()
    assert (await desk.faces.take_in()).findings == ()
    assert (await desk.faces.write()).edited == ()


async def test_an_edit_of_a_record_that_cannot_be_shown_any_more_is_kept(desk: Desk) -> None:
    await desk.put("a", title="t")
    await desk.faces.write()
    desk.edit("a", title="T")
    await desk.store.put(desk.key("a"), b"\xff", expected=ANY)
    (conflict,) = (await desk.faces.take_in()).conflicts
    assert "cannot be shown" in conflict.sentence
    assert conflict.kept is not None


# ------------------------------------------------------------------------------- setting aside


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


# ------------------------------------------------------------------------------------ processes


async def test_a_claimed_edit_is_left_to_the_process_that_works_on_it(desk: Desk) -> None:
    await desk.put("a", title="t")
    await desk.faces.write()
    desk.edit("a", title="T")
    other = desk.open()
    with Claim() as claim:
        assert other._folder.claim(claim, "a.json")
        assert (await desk.faces.take_in()).applied == ()
        assert await desk.get("a") == {"title": "t"}
    # The process dies: its claim ends, and the edit is taken over.
    assert len((await desk.faces.take_in()).applied) == 1
    assert await desk.get("a") == {"title": "T"}


def test_a_lock_is_for_one_at_a_time(tmp_path: Path) -> None:
    disk = SystemFaceDisk()
    with disk.lock(tmp_path / "lock"):
        assert disk.hold(tmp_path / "lock") is None
    handle = disk.hold(tmp_path / "lock")
    assert handle is not None
    assert disk.hold(tmp_path / "lock") is None
    handle.close()
    assert disk.hold(tmp_path / "none") is None


async def test_only_who_has_the_lock_moves_files(desk: Desk) -> None:
    await desk.put("a", title="t")
    await desk.faces.write()
    await desk.put("a", title="new")
    lock = desk.folder / ".base" / "lock"
    moved: list[bool] = []

    class Watched(SystemFaceDisk):
        def rename(self, old: Path, new: Path) -> bool:
            moved.append(self.hold(lock) is None)
            return super().rename(old, new)

    await desk.open(disk=Watched()).write()
    desk.edit("a", title="T")
    await desk.open(disk=Watched()).take_in()
    assert moved
    assert all(moved)


async def test_many_take_ins_at_once_report_an_edit_once(desk: Desk) -> None:
    names = [f"n{n}" for n in range(10)]
    for name in names:
        await desk.put(name, title="t")
    await desk.faces.write()
    for name in names:
        desk.edit(name, title=f"new {name}")
    several = [desk.open() for _ in range(8)]
    reports = await asyncio.gather(*(faces.take_in() for faces in several))
    applied = [each.path.name for report in reports for each in report.applied]
    assert sorted(applied) == sorted(f"{name}.json" for name in names)
    for name in names:
        assert await desk.get(name) == {"title": f"new {name}"}
    await desk.faces.write()
    assert all(desk.shown(name) == {"title": f"new {name}"} for name in names)
    assert desk.conflicts() == []


async def test_a_cancelled_take_in_lets_go_of_what_it_claimed(desk: Desk) -> None:
    await desk.put("a", title="t")
    await desk.faces.write()
    desk.edit("a", title="T")
    store = _Stuck(desk.store)
    task = asyncio.create_task(desk.open(store).take_in())
    await store.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len((await desk.faces.take_in()).applied) == 1
    assert await desk.get("a") == {"title": "T"}


class _Stuck(FaultyStore):
    def __init__(self, inner: Any) -> None:
        super().__init__(inner, {})
        self.reached = asyncio.Event()

    async def put(self, *arguments: Any, **options: Any) -> int:
        self.reached.set()
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_cancelled_caller_waits_for_its_thread() -> None:
    loop = asyncio.get_running_loop()
    started = asyncio.Event()
    release = asyncio.Event()
    ended: list[bool] = []

    def action() -> None:
        loop.call_soon_threadsafe(started.set)
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result(5)
        ended.append(True)
        raise ValueError

    task = asyncio.create_task(on_thread(action))
    await started.wait()
    task.cancel()
    await asyncio.wait([task], timeout=0)
    assert not task.done()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]


# --------------------------------------------------------------------------------------- errors


class _Refusing(SystemFaceDisk):
    """Fail all calls of one operation that concern a name."""

    def __init__(self, operation: str, part: str, number: int) -> None:
        self.failing = (operation, part, number)

    def _check(self, operation: str, path: Path) -> None:
        verb, part, number = self.failing
        if operation == verb and part in str(path):
            raise OSError(number, os.strerror(number), str(path))

    def read(self, path: Path) -> bytes | None:
        self._check("read", path)
        return super().read(path)

    def write(self, path: Path, data: bytes) -> None:
        self._check("write", path)
        super().write(path, data)

    def rename(self, old: Path, new: Path) -> bool:
        self._check("rename", new)
        return super().rename(old, new)


async def test_a_full_disk_is_told_and_leaves_the_old_face(desk: Desk) -> None:
    await desk.put("a", title="t")
    await desk.faces.write()
    await desk.put("a", title="new")
    faces = desk.open(disk=_Refusing("write", "temporary", errno.ENOSPC))
    with pytest.raises(StorageFull, match="no space is left for the readable files"):
        await faces.write()
    assert desk.shown("a") == {"title": "t"}
    await desk.faces.write()
    assert desk.shown("a") == {"title": "new"}


@pytest.mark.parametrize("number", [1, 2])
async def test_a_disk_that_is_full_at_any_write_leaves_the_old_face(
    desk: Desk, number: int
) -> None:
    await desk.put("a", title="t")
    await desk.faces.write()
    await desk.put("a", title="new")
    with pytest.raises(StorageFull):
        await desk.open(disk=_FullAfter(number)).write()
    assert desk.shown("a") == {"title": "t"}
    await desk.open(disk=_FullAfter(3)).write()
    assert desk.shown("a") == {"title": "new"}


class _FullAfter(SystemFaceDisk):
    """Take one write less than `number`."""

    def __init__(self, number: int) -> None:
        self.left = number - 1

    def write(self, path: Path, data: bytes) -> None:
        if not self.left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.left -= 1
        super().write(path, data)


async def test_a_folder_that_cannot_be_used_is_told(desk: Desk) -> None:
    await desk.put("a", title="t")
    desk.folder.write_text("a file where the folder belongs")
    with pytest.raises(StorageUnavailable, match="cannot work on the readable files"):
        await desk.faces.write()
    with pytest.raises(StorageUnavailable):
        await desk.faces.take_in()


async def test_a_file_that_cannot_be_read_is_told_and_holds_up_no_other(desk: Desk) -> None:
    await desk.put("a", title="t")
    await desk.put("b", title="t")
    await desk.faces.write()
    desk.edit("a", title="T")
    desk.edit("b", title="T")
    report = await desk.open(disk=_Refusing("read", "a.json", errno.EACCES)).take_in()
    assert [each.path.name for each in report.waiting] == ["a.json"]
    assert [each.path.name for each in report.applied] == ["b.json"]
    assert len((await desk.faces.take_in()).applied) == 1


async def test_a_store_that_fails_midway_leaves_the_edit_for_later(desk: Desk) -> None:
    for name in "abc":
        await desk.put(name, title="t")
    await desk.faces.write()
    for name in "abc":
        desk.edit(name, title="T")
    store = FaultyStore(desk.store, {("put", 2): StorageUnavailable("the server is away")})
    report = await desk.open(store).take_in()
    assert [each.path.name for each in report.applied] == ["a.json", "c.json"]
    assert "b.json: not taken in yet: the server is away" in tell(report.waiting)
    await desk.faces.write()
    (applied,) = (await desk.faces.take_in()).applied
    assert applied.path.name == "b.json"
    assert await desk.get("b") == {"title": "T"}


async def test_file_systems_without_hard_links_will_do(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*names: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    await desk.put("a", title="t")
    await desk.faces.write()
    desk.edit("a", title="T")
    assert len((await desk.faces.take_in()).applied) == 1
    assert desk.shown("a") == {"title": "T"}
    disk = SystemFaceDisk()
    assert disk.link(desk.path("a"), desk.path("a")) is False
    assert desk.shown("a") == {"title": "T"}


async def test_links_that_fail_for_other_reasons_are_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*names: object) -> None:
        raise OSError(errno.EIO, "the disk fails")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    await desk.put("a", title="t")
    with pytest.raises(StorageUnavailable, match="the disk fails"):
        await desk.faces.write()
