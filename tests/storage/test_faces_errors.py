"""Disks and stores that fail are told, and leave faces and edits as they were."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from holdfast.errors import StorageFull, StorageUnavailable
from holdfast.storage.faces.disk import SystemFaceDisk
from holdfast.testing.stores import FaultyStore
from tests.storage.faces_desk import Desk, desk, tell

__all__ = ["desk"]  # a fixture


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
