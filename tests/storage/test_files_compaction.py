"""Compacting drops history and no state, and whoever has the store open goes on."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from holdfast.errors import StorageCorrupt, StorageUnavailable
from holdfast.storage.files import journal, view
from holdfast.storage.files.upkeep import compaction
from holdfast.storage.files.upkeep.compaction import compact
from holdfast.storage.maintenance import Compacted
from holdfast.storage.seam import ABSENT, ANY, Append, Put
from holdfast.testing.clock import ManualClock
from tests.storage.files_damage import (
    change,
    check,
    compress_all,
    fill_mixed,
    journal_files,
    mend,
    remedies,
    rewrite_lines,
    state_of,
    state_of_store,
    write_on,
)
from tests.storage.files_help import LOG, drop_index, fill, segment, store_at


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 1500)


def pack(path: Path) -> Compacted:
    return compact(path, clock=ManualClock())


def names(path: Path) -> list[str]:
    return [each.name for each in journal_files(path)]


@pytest.mark.parametrize("has_index", [True, False])
@pytest.mark.parametrize("is_compressed", [True, False])
async def test_all_that_readers_see_is_kept(
    tmp_path: Path,
    small_segments: None,
    monkeypatch: pytest.MonkeyPatch,
    has_index: bool,
    is_compressed: bool,
) -> None:
    if has_index:
        monkeypatch.setattr(view, "FREEZE_CHANGES", 7)
    await fill_mixed(tmp_path, 40)
    if is_compressed:
        compress_all(tmp_path)
    before = await state_of(tmp_path)
    size = sum(each.stat().st_size for each in journal_files(tmp_path))
    compacted = pack(tmp_path)
    assert compacted.notes == []
    assert compacted.bytes_before >= size
    assert len(names(tmp_path)) == 2
    assert names(tmp_path)[1].endswith(".snapshot.jsonl.zst")
    assert check(tmp_path).is_clean
    assert await state_of(tmp_path) == before
    drop_index(tmp_path)
    assert await state_of(tmp_path) == before
    await write_on(tmp_path)
    assert check(tmp_path).is_clean


async def test_a_store_shrinks_to_what_it_holds(tmp_path: Path) -> None:
    async with store_at(tmp_path) as store:
        for number in range(2000):
            await store.put(("k",), b"x" * 1000 + b"%d" % number, expected=ANY)
    compacted = pack(tmp_path)
    assert compacted.bytes_before > 2_000_000
    assert sum(each.stat().st_size for each in journal_files(tmp_path)) < 2000
    assert compacted.bytes_after < 0.1 * compacted.bytes_before
    async with store_at(tmp_path) as store:
        record = await store.get(("k",))
        assert record is not None
        assert record.version == 2000
        assert await store.put(("k",), b"", expected=2000) == 2001


async def test_what_has_expired_is_dropped_and_versions_grow_on(tmp_path: Path) -> None:
    clock = ManualClock()
    async with store_at(tmp_path, clock=clock) as store:
        await store.put(("gone",), b"", expected=ABSENT, expires_at=clock.now_ms() + 1)
        version = await store.put(("short",), b"", expected=ABSENT)
        assert isinstance(version, int)
        await store.delete(("short",), expected=version)
    clock.advance(1)
    compact(tmp_path, clock=clock)
    drop_index(tmp_path)
    assert check(tmp_path).counts["records"] == 0
    async with store_at(tmp_path, clock=clock) as store:
        assert await store.put(("short",), b"", expected=ABSENT) == version + 1


async def test_to_compact_twice_does_nothing_more(tmp_path: Path) -> None:
    await fill(tmp_path, 5)
    pack(tmp_path)
    before = {each: each.read_bytes() for each in journal_files(tmp_path)}
    compacted = pack(tmp_path)
    assert compacted.bytes_before == compacted.bytes_after
    assert {each: each.read_bytes() for each in journal_files(tmp_path)} == before
    await fill(tmp_path, 1)
    pack(tmp_path)
    assert names(tmp_path) == ["00000003.jsonl", "00000003.snapshot.jsonl.zst"]


async def test_who_has_the_store_open_reads_and_writes_on(
    tmp_path: Path, small_segments: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "FREEZE_CHANGES", 7)
    await fill_mixed(tmp_path, 30)
    async with store_at(tmp_path) as idle, store_at(tmp_path) as busy:
        before = await state_of_store(idle)
        compacted = pack(tmp_path)
        assert "another process" in compacted.notes[0]
        assert await state_of_store(idle) == before
        assert await busy.append(LOG, [b"one"]) == 1
        assert await idle.append(LOG, [b"two"]) == 2
        for _ in range(4):
            pack(tmp_path)
            for store in (idle, busy):
                last = await store.append(LOG, [b"more" * 100])
                assert isinstance(last, int)
                assert len(await idle.read(LOG)) == last
                assert len(await busy.read(LOG)) == last
        after = await state_of_store(busy)
    pack(tmp_path)
    assert len(names(tmp_path)) == 2
    drop_index(tmp_path)
    assert await state_of(tmp_path) == after
    assert check(tmp_path).is_clean


async def test_who_has_slept_through_it_is_told_and_forks_nothing(
    tmp_path: Path, small_segments: None
) -> None:
    await fill(tmp_path, 1)
    async with store_at(tmp_path) as sleeper:
        for _ in range(3):
            await fill(tmp_path, 10)
            pack(tmp_path)
        found = names(tmp_path)
        with pytest.raises(StorageUnavailable):
            await sleeper.read(LOG)
        for _ in range(3):
            with pytest.raises(StorageUnavailable):
                await sleeper.append(LOG, [b"late"])
        assert names(tmp_path) == found
    assert check(tmp_path).is_clean
    async with store_at(tmp_path) as store:
        assert len(await store.read(LOG)) == 31


async def test_writers_and_compactions_side_by_side_lose_nothing(
    tmp_path: Path, small_segments: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "FREEZE_CHANGES", 20)
    await fill(tmp_path, 1)
    stop = asyncio.Event()

    async def write(name: str) -> int:
        written = 0
        while not stop.is_set():
            # Who is so slow that two compactions go by is told to open the store again.
            with suppress(StorageUnavailable):
                async with store_at(tmp_path) as store:
                    while not stop.is_set():
                        append = Append(log=(name,), entries=[b"x" * 50], expected=written)
                        put = Put(key=(name,), value=b"%d" % (written + 1), expected=ANY)
                        assert await store.batch([append, put]) is None
                        written += 1
        return written

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(write(name)) for name in ("one", "other")]
        for _ in range(8):
            await asyncio.to_thread(pack, tmp_path)
        stop.set()
    assert check(tmp_path).is_clean
    drop_index(tmp_path)
    async with store_at(tmp_path) as store:
        for name, task in zip(("one", "other"), tasks, strict=True):
            record = await store.get((name,))
            assert record is not None
            assert record.value == b"%d" % task.result()
            assert len(await store.read((name,))) == task.result()


async def test_a_damaged_store_is_not_compacted(tmp_path: Path) -> None:
    await fill(tmp_path, 5, ack="disk")
    change(segment(tmp_path), lambda data: data.__setitem__(300, data[300] ^ 1))
    before = segment(tmp_path).read_bytes()
    with pytest.raises(StorageCorrupt, match="final") as caught:
        pack(tmp_path)
    assert "store repair" in caught.value.hint
    assert segment(tmp_path).read_bytes() == before
    mend(tmp_path)
    pack(tmp_path)


async def test_a_snapshot_that_cannot_be_read_again_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(tmp_path, 5)
    before = await state_of(tmp_path)

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(compaction, "check_snapshot", fail)
    with pytest.raises(Exception, match="Input/output"):
        pack(tmp_path)
    assert "00000001.jsonl" in names(tmp_path)
    assert await state_of(tmp_path) == before


async def test_a_compaction_that_died_before_it_deleted_anything_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(tmp_path, 5)
    before = await state_of(tmp_path)

    def die(*_: object) -> list[str]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(compaction, "_delete", die)
        with pytest.raises(KeyboardInterrupt):
            pack(tmp_path)
    (tmp_path / "journal" / "0123456789abcdef.tmp").write_bytes(b"left over")
    report = check(tmp_path)
    assert report.is_clean
    assert "00000001.jsonl" in report.notes[0]
    assert await state_of(tmp_path) == before
    pack(tmp_path)
    assert names(tmp_path) == ["00000002.jsonl", "00000002.snapshot.jsonl.zst"]
    assert not list((tmp_path / "journal").glob("*.tmp"))
    assert await state_of(tmp_path) == before


async def test_lost_entries_leave_their_numbers_to_nobody(tmp_path: Path) -> None:
    await fill(tmp_path, 5, ack="disk")

    def wipe(lines: list[bytes]) -> list[bytes]:
        at = next(at for at, each in enumerate(lines) if b"entry 2" in each)
        return [*lines[:at], b"?" * 20 + b"\n", *lines[at + 1 :]]

    rewrite_lines(segment(tmp_path), wipe)
    mend(tmp_path)
    before = await state_of(tmp_path)
    assert sorted(before.logs[LOG]) == [1, 2, 4, 5]
    pack(tmp_path)
    assert check(tmp_path).is_clean
    drop_index(tmp_path)
    assert await state_of(tmp_path) == before


@pytest.mark.parametrize("has_index", [True, False])
@pytest.mark.parametrize("blocks", ["one", "all"])
async def test_a_damaged_snapshot_is_healed_or_written_anew_from_the_index(
    tmp_path: Path, has_index: bool, blocks: str
) -> None:
    await fill_mixed(tmp_path, 40)
    pack(tmp_path)
    await fill_mixed(tmp_path, 10, begin=40)
    before = await state_of(tmp_path)
    snapshot = next((tmp_path / "journal").glob("*.snapshot.*"))
    whole = snapshot.read_bytes()
    spoilt = bytearray(whole)
    spoilt[200:230] = bytes(30)
    if blocks == "all":
        spoilt[-60:] = bytes(60)
    snapshot.write_bytes(spoilt)
    if not has_index:
        drop_index(tmp_path)
    repaired = mend(tmp_path)
    remedy = "healed" if blocks == "one" else "recovered" if has_index else "lost"
    assert remedies(repaired.found) == [remedy]
    assert repaired.left is not None
    assert repaired.left.findings == []
    if blocks == "one":
        assert snapshot.read_bytes() == whole
    if remedy != "lost":
        assert await state_of(tmp_path) == before
    await write_on(tmp_path)
    assert check(tmp_path).is_clean
