"""No edit is lost, wherever the process dies and whatever fails."""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from holdfast.errors import StorageError
from holdfast.testing.stores import Crashed, CrashingStore
from tests.storage.faces_crashing import (
    Death,
    OddDisk,
    check_edits,
    make_edits,
    operations_of,
    recover,
    work,
)
from tests.storage.faces_desk import Desk


async def test_the_edits_of_the_crash_tests_are_taken_in(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    async with desk.store:
        await make_edits(desk)
        report = await desk.faces.take_in()
        assert [len(each) for each in (report.applied, report.merged, report.conflicts)] == [
            1,
            1,
            2,
        ]
        await recover(desk)
        await check_edits(desk)


async def _die_at(folder: Path, number: int, when: str) -> bool:
    """Tell whether the process died; check that it lost nothing."""
    desk = Desk(folder)
    death = Death(number, when)
    async with desk.store:
        await make_edits(desk)
        with suppress(Crashed):
            await work(desk.open(disk=OddDisk(death)))
        await recover(desk)
        await check_edits(desk)
    return death.dead


@pytest.mark.timeout(300)
async def test_a_death_before_any_file_operation_loses_no_edit(tmp_path: Path) -> None:
    for number, _ in enumerate(await operations_of(tmp_path), 1):
        assert await _die_at(tmp_path / f"{number}", number, "before")


@pytest.mark.timeout(300)
async def test_a_death_within_any_write_to_a_file_loses_no_edit(tmp_path: Path) -> None:
    operations = enumerate(await operations_of(tmp_path), 1)
    writes = [number for number, operation in operations if operation == "write"]
    assert len(writes) > 10
    for number in writes:
        assert await _die_at(tmp_path / f"{number}", number, "torn")


async def test_a_face_left_by_a_death_can_be_edited_like_any_other(tmp_path: Path) -> None:
    edited = 0
    death = Death()
    for number in count(1):
        desk = Desk(tmp_path / f"{number}")
        async with desk.store:
            await desk.put("a", title="old", n=0)
            await desk.faces.write()
            await desk.put("a", title="old", n=1)
            death = Death(number)
            with suppress(Crashed):
                await desk.open(disk=OddDisk(death)).write()
            await desk.put("a", title="old", n=2)
            if desk.path("a").exists():
                edited += 1
                desk.edit("a", title="mine")
                report = await desk.faces.take_in()
                assert len(report.merged) == 1
                assert await desk.get("a") == {"title": "mine", "n": 2}
        if not death.dead:
            break
    assert edited > 20


@pytest.mark.torture
@pytest.mark.timeout(900)
async def test_a_death_after_any_file_operation_loses_no_edit(tmp_path: Path) -> None:
    for number, _ in enumerate(await operations_of(tmp_path), 1):
        assert await _die_at(tmp_path / f"{number}", number, "after")


@pytest.mark.parametrize("torn", [False, True])
async def test_a_death_at_any_write_to_the_store_loses_no_edit(tmp_path: Path, torn: bool) -> None:
    for number in range(3):
        desk = Desk(tmp_path / f"{number}")
        async with desk.store:
            await make_edits(desk)
            store = CrashingStore(desk.store, after=number, torn=torn)
            if number < 2:
                with pytest.raises(Crashed):
                    await work(desk.open(store))
            else:
                await work(desk.open(store))
            await recover(desk)
            await check_edits(desk)


@pytest.mark.timeout(300)
async def test_a_failure_of_a_file_operation_loses_no_edit(tmp_path: Path) -> None:
    await _fail_everywhere(tmp_path, step=4)


@pytest.mark.torture
@pytest.mark.timeout(900)
async def test_a_failure_of_any_file_operation_loses_no_edit(tmp_path: Path) -> None:
    await _fail_everywhere(tmp_path, step=1)


async def _fail_everywhere(folder: Path, *, step: int) -> None:
    total = len(await operations_of(folder))
    failures = 0
    for number in range(1, total + 1, step):
        desk = Desk(folder / f"{number}")
        async with desk.store:
            await make_edits(desk)
            try:
                await work(desk.open(disk=OddDisk(_failing(number))))
            except StorageError:
                failures += 1
            await recover(desk)
            await check_edits(desk)
    assert failures > total // step // 4


def _failing(number: int) -> Callable[[int, str, str], None]:
    def trouble(at: int, when: str, operation: str) -> None:
        if at == number and when != "after":
            raise OSError(errno.EIO, f"{operation} failed")

    return trouble
