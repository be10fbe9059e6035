"""Records have readable files."""

from __future__ import annotations

import json
from pathlib import Path

from holdfast.storage.faces import JsonCodec, Outcome
from holdfast.storage.seam import ABSENT, ANY
from tests.storage.faces_desk import PREFIX, Desk, Meddling, desk, tell

__all__ = ["desk"]  # a fixture


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
    store = Meddling(desk.store, {("scan", 1): ("a", {"title": "2"})})
    await desk.open(store).write()
    assert desk.shown("a") == {"title": "2"}
    store = Meddling(desk.store, {("get", 1): ("a", {"title": "3"})})
    await desk.open(store).refresh(desk.key("a"))
    assert desk.shown("a") == {"title": "3"}


async def test_a_record_made_while_faces_are_removed_keeps_its_face(desk: Desk) -> None:
    await desk.put("a", title="1")
    await desk.faces.write()
    await desk.store.delete(desk.key("a"), expected=ANY)
    store = Meddling(desk.store, {("scan", 1): ("a", {"title": "1"})})
    written = await desk.open(store).write()
    assert written.removed == 0
    assert desk.shown("a") == {"title": "1"}
