"""A backup is a whole store of one moment; a restore replaces nothing without being told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from holdfast.errors import StorageCorrupt, StorageError, StorageUnavailable, UsageError
from holdfast.storage.files import journal, view
from holdfast.storage.files.upkeep import backup as backups
from holdfast.storage.files.upkeep.backup import backup, restore
from holdfast.storage.files.upkeep.compaction import compact
from holdfast.storage.maintenance import Copied
from holdfast.testing.clock import ManualClock
from tests.storage.files_damage import (
    all_bytes,
    change,
    check,
    compress_all,
    fill_mixed,
    journal_files,
    mend,
    rewrite_lines,
    state_of,
    write_on,
)
from tests.storage.files_help import LOG, MeddlingDisk, fill, segment, store_at


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 1500)


def back_up(path: Path, target: Path) -> Copied:
    return backup(path, target, clock=ManualClock())


def put_back(source: Path, path: Path, *, force: bool = False) -> Copied:
    return restore(source, path, clock=ManualClock(), force=force)


async def test_a_backup_is_a_store_with_the_same_content(
    tmp_path: Path, small_segments: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "FREEZE_CHANGES", 7)
    store, target = tmp_path / "store", tmp_path / "deep" / "backup"
    await fill_mixed(store, 20)
    compact(store, clock=ManualClock())
    await fill_mixed(store, 20, begin=20)
    compress_all(store, before=4)
    before = all_bytes(store)
    copied = back_up(store, target)
    assert all_bytes(store) == before
    assert copied.report.is_clean
    assert copied.files == len(journal_files(target))
    assert not (target / "index.db").exists()
    assert await state_of(target) == await state_of(store)


async def test_a_restored_backup_is_the_store_again(tmp_path: Path) -> None:
    store, target, again = tmp_path / "store", tmp_path / "backup", tmp_path / "again"
    await fill_mixed(store, 20)
    back_up(store, target)
    kept = all_bytes(target)
    copied = put_back(target, again)
    assert copied.replaced is None
    assert all_bytes(target) == kept
    assert await state_of(again) == await state_of(store)
    await write_on(again)
    assert check(again).is_clean


async def test_a_backup_beside_writers_holds_all_that_was_acknowledged_before_it(
    tmp_path: Path, small_segments: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "FREEZE_CHANGES", 20)
    store = tmp_path / "store"
    stop = asyncio.Event()
    acknowledged = 0

    async def write() -> None:
        nonlocal acknowledged
        async with store_at(store, ack="disk") as opened:
            while not stop.is_set():
                number = await opened.append(LOG, [b"x" * 40])
                assert isinstance(number, int)
                acknowledged = number

    async with asyncio.TaskGroup() as group:
        await fill(store, 1)
        group.create_task(write())
        for number in range(6):
            seen = acknowledged
            copied = await asyncio.to_thread(back_up, store, tmp_path / f"backup{number}")
            assert seen <= copied.report.counts["entries"] <= acknowledged + 1
            if number == 3:
                await asyncio.to_thread(compact, store, clock=ManualClock())
        stop.set()
    for number in range(6):
        assert check(tmp_path / f"backup{number}").is_clean


async def test_the_copy_is_synced_before_it_counts_as_a_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, target = tmp_path / "store", tmp_path / "backup"
    await fill(store, 3)
    disk = MeddlingDisk()
    monkeypatch.setattr(backups, "SystemDisk", lambda: disk)
    seen: list[bool] = []
    disk.before["sync"] = lambda _: seen.append((target / "journal").exists())
    disk.before["sync_folder"] = disk.before["sync"]
    back_up(store, target)
    assert seen.count(False) >= 4
    assert seen[-1]
    assert disk.calls.count("sync") >= 2


async def test_a_backup_that_breaks_leaves_no_journal_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, target = tmp_path / "store", tmp_path / "backup"
    await fill(store, 3)
    disk = MeddlingDisk()
    monkeypatch.setattr(backups, "SystemDisk", lambda: disk)

    def fail(_: object) -> None:
        raise OSError(28, "No space left on device")

    disk.before["write"] = fail
    with pytest.raises(StorageError, match="no space"):
        back_up(store, target)
    assert list(target.iterdir()) == []
    del disk.before["write"]
    back_up(store, target)


async def test_a_file_that_a_compaction_takes_away_lets_the_copy_begin_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, target = tmp_path / "store", tmp_path / "backup"
    await fill(store, 3)
    await fill(store, 3)
    before = await state_of(store)
    real, calls = backups._read, []

    def vanish(disk: object, source: Path, name: str) -> tuple[str, bytes]:
        calls.append(name)
        if len(calls) == 1:
            raise FileNotFoundError(2, "No such file", name)
        return real(disk, source, name)  # type: ignore[arg-type]

    compact(store, clock=ManualClock())
    monkeypatch.setattr(backups, "_read", vanish)
    assert back_up(store, target).report.is_clean
    assert len(calls) > 1
    assert await state_of(target) == before


async def test_segments_that_are_compressed_during_the_copy_are_copied(
    tmp_path: Path, small_segments: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, target = tmp_path / "store", tmp_path / "backup"
    await fill_mixed(store, 20)
    before = await state_of(store)
    disk = MeddlingDisk()
    monkeypatch.setattr(backups, "SystemDisk", lambda: disk)
    disk.before["unlock"] = lambda _: compress_all(store, before=4)
    assert back_up(store, target).report.is_clean
    assert len(list((target / "journal").glob("*.zst"))) == 3
    assert await state_of(target) == before


@pytest.mark.parametrize("kind", ["file", "full"])
async def test_a_backup_goes_into_an_empty_folder_only(tmp_path: Path, kind: str) -> None:
    store, target = tmp_path / "store", tmp_path / "backup"
    await fill(store, 1)
    if kind == "file":
        target.write_bytes(b"mine")
    else:
        target.mkdir()
        (target / "mine").write_bytes(b"mine")
    with pytest.raises(UsageError, match="not empty"):
        back_up(store, target)
    assert (target if kind == "file" else target / "mine").read_bytes() == b"mine"
    (tmp_path / "empty").mkdir()
    assert back_up(store, tmp_path / "empty").report.is_clean


def test_where_there_is_no_store_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="no store"):
        back_up(tmp_path / "store", tmp_path / "backup")
    with pytest.raises(StorageUnavailable, match="no store"):
        put_back(tmp_path / "backup", tmp_path / "store")
    assert list(tmp_path.iterdir()) == []


async def test_the_backup_of_a_damaged_store_is_made_and_told_to_be_damaged(
    tmp_path: Path,
) -> None:
    store, target = tmp_path / "store", tmp_path / "backup"
    await fill(store, 5, ack="disk")
    change(segment(store), lambda data: data.__setitem__(400, data[400] ^ 1))
    with pytest.raises(StorageCorrupt, match="as damaged as the store"):
        back_up(store, target)
    assert segment(target).read_bytes() == segment(store).read_bytes()
    with pytest.raises(StorageCorrupt, match="damaged in 1 places"):
        put_back(target, tmp_path / "again")
    assert not (tmp_path / "again").exists()
    mend(target)
    put_back(target, tmp_path / "again")


async def test_a_store_that_holds_something_is_moved_aside_only_when_told(tmp_path: Path) -> None:
    store, target, other = tmp_path / "store", tmp_path / "backup", tmp_path / "other"
    await fill(store, 3)
    back_up(store, target)
    await fill_mixed(other, 300)
    before = await state_of(other)
    assert (other / "index.db").exists()
    with pytest.raises(UsageError, match="not empty") as caught:
        put_back(target, other)
    assert "--force" in caught.value.hint
    assert await state_of(other) == before
    copied = put_back(target, other, force=True)
    assert await state_of(other) == await state_of(store)
    assert copied.replaced is not None
    replaced = Path(copied.replaced)
    assert replaced.name.startswith("journal.replaced-")
    replaced.rename(tmp_path / "journal")  # noqa: ASYNC240
    assert await state_of(tmp_path) == before


async def test_a_store_that_somebody_has_open_is_not_replaced(tmp_path: Path) -> None:
    store, target = tmp_path / "store", tmp_path / "backup"
    await fill(store, 3)
    back_up(store, target)
    before = await state_of(store)
    async with store_at(store):
        with pytest.raises(StorageUnavailable, match="open in another process"):
            put_back(target, store, force=True)
    assert await state_of(store) == before
    assert sorted(each.name for each in store.iterdir()) == ["journal"]


async def test_what_an_earlier_repair_has_kept_is_copied_too(tmp_path: Path) -> None:
    store, target = tmp_path / "store", tmp_path / "backup"
    await fill(store, 5, ack="disk")
    rewrite_lines(segment(store), lambda lines: [*lines[:4], b"???\n", *lines[5:]])
    mend(store)
    back_up(store, target)
    kept = list((target / "journal" / "quarantine").iterdir())
    assert [each.read_bytes() for each in kept] == [b"???\n"]
