"""Several processes and cancelled callers work on one folder of readable files."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from holdfast.storage.faces.disk import SystemFaceDisk
from holdfast.storage.faces.folder import Claim
from holdfast.storage.threads import on_thread
from holdfast.testing.stores import FaultyStore
from tests.storage.faces_desk import Desk, desk

__all__ = ["desk"]  # a fixture


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
