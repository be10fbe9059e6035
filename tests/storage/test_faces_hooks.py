"""Owners, codecs and stores may refuse an edit, and a new file may become a record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from holdfast.errors import UsageError
from holdfast.storage.faces import FaceError, JsonCodec
from holdfast.storage.seam import ABSENT, ANY, Key, Put
from holdfast.testing.stores import FaultyStore
from tests.storage.faces_desk import Desk, Meddling, desk, tell

__all__ = ["desk"]  # a fixture


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
    store = Meddling(desk.store, {("get", 1): ("a", {"title": "t", "state": "done"})})
    assert len((await desk.open(store, accept=accept).take_in()).refused) == 1
    assert await desk.get("a") == {"title": "t", "state": "done"}


async def test_a_write_in_between_is_merged_too(desk: Desk) -> None:
    await desk.put("a", title="t", n=1)
    await desk.faces.write()
    desk.edit("a", title="T")
    store = Meddling(desk.store, {("get", n): ("a", {"title": "t", "n": n + 1}) for n in (1, 2)})
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
