"""Clones whose journals were compressed or compacted, or wait to be sorted."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.errors import StorageCorrupt, StorageUnavailable, UsageError
from holdfast.storage.files import journal
from holdfast.storage.files.merging.heaps import merge_segments
from holdfast.storage.files.segments import SHARED
from holdfast.storage.files.upkeep.backup import backup, restore
from holdfast.storage.files.upkeep.compaction import compact
from holdfast.storage.seam import Key
from tests.storage.files_damage import compress_all
from tests.storage.files_merging import Clone

LOG: Key = ("log",)


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 600)


async def add(clone: Clone, name: str, times: int) -> None:
    for number in range(times):
        clone.clock.advance(0.01)
        async with clone.store() as store:
            await store.append(LOG, [f"{name} {number}".encode()])


async def two_clones(tmp_path: Path) -> tuple[Clone, Clone]:
    one = Clone(tmp_path / "one")
    await add(one, "common", 6)
    other = one.copy_to(tmp_path / "other")
    other.clock.advance(10)
    one.clock.advance(10)
    return one, other


async def log(clone: Clone) -> list[bytes]:
    return (await clone.entries())[LOG]


def expected(**counts: int) -> list[bytes]:
    return sorted(f"{name} {n}".encode() for name, count in counts.items() for n in range(count))


@pytest.mark.parametrize("packed", ["one", "other", "both"])
async def test_compressed_segments_merge(tmp_path: Path, packed: str) -> None:
    one, other = await two_clones(tmp_path)
    await add(one, "a", 8)
    await add(other, "b", 8)
    for clone in (one, other):
        if packed in (clone.path.name, "both"):
            compress_all(clone.path)
    one.take(other)
    assert sorted(await log(one)) == expected(common=6, a=8, b=8)
    assert one.is_clean()


async def test_a_clone_that_was_compacted_where_both_stood_merges(tmp_path: Path) -> None:
    one, other = await two_clones(tmp_path)
    compact(other.path, clock=other.clock)
    await add(one, "a", 3)
    await add(other, "b", 3)
    third = one.copy_to(tmp_path / "third")
    one.take(other)
    assert sorted(await log(one)) == expected(common=6, a=3, b=3)
    other.take(third)
    assert sorted(await log(other)) == expected(common=6, a=3, b=3)
    assert one.is_clean()
    assert other.is_clean()
    assert await log(one) == await log(other)


async def test_a_compacted_clone_merges_by_way_of_what_it_was_before(tmp_path: Path) -> None:
    one, other = await two_clones(tmp_path)
    await add(one, "a", 4)
    before = one.copy_to(tmp_path / "before")
    compact(one.path, clock=one.clock)
    await add(one, "late", 2)
    await add(other, "b", 4)
    before.take(one)
    other.take(before)
    assert sorted(await log(other)) == expected(common=6, a=4, b=4, late=2)
    assert other.is_clean()


async def test_clones_of_a_compacted_store_merge(tmp_path: Path) -> None:
    first = Clone(tmp_path / "first")
    await add(first, "common", 6)
    compact(first.path, clock=first.clock)
    other = first.copy_to(tmp_path / "other")
    await add(first, "a", 6)
    await add(other, "b", 6)
    backup = first.copy_to(tmp_path / "backup")
    first.take(other)
    other.take(backup)
    assert first.journal() == other.journal()
    assert sorted(await log(first)) == expected(common=6, a=6, b=6)
    assert first.is_clean()


async def test_a_clone_without_the_lines_that_were_compacted_is_refused(tmp_path: Path) -> None:
    one, other = await two_clones(tmp_path)
    await add(one, "a", 4)
    compact(one.path, clock=one.clock)
    await add(other, "b", 4)
    for mine, theirs in ((one, other), (other, one)):
        untouched = mine.journal()
        with pytest.raises(StorageCorrupt, match="no common beginning") as refused:
            mine.take(theirs)
        assert "before the compaction" in refused.value.hint
        assert mine.journal() == untouched


async def test_a_shared_store_is_neither_compressed_nor_compacted(tmp_path: Path) -> None:
    one, _ = await two_clones(tmp_path)
    (one.path / "journal" / SHARED).touch()
    compress_all(one.path)
    assert not list(one.path.glob("journal/*.zst"))
    with pytest.raises(UsageError, match="git carries the store"):
        compact(one.path, clock=one.clock)


async def test_a_shared_store_is_still_shared_after_a_restore(tmp_path: Path) -> None:
    one, _ = await two_clones(tmp_path)
    backup(one.path, tmp_path / "backup", clock=one.clock)
    (one.path / "journal" / SHARED).write_text("yes")
    restore(tmp_path / "backup", one.path, clock=one.clock, force=True)
    assert (one.path / "journal" / SHARED).read_text() == "yes"


async def test_a_damaged_clone_is_not_merged(tmp_path: Path) -> None:
    one, other = await two_clones(tmp_path)
    await add(one, "a", 1)
    await add(other, "b", 1)
    path = min(other.path.glob("journal/*.jsonl"))
    path.write_bytes(path.read_bytes().replace(b"common 0", b"c0mmon 0"))
    untouched = one.journal()
    with pytest.raises(StorageCorrupt, match="checksum"):
        one.take(other)
    assert one.journal() == untouched


async def test_a_store_cannot_be_merged_with_itself(tmp_path: Path) -> None:
    one, _ = await two_clones(tmp_path)
    with pytest.raises(UsageError, match="with itself"):
        one.take(one)


async def test_an_open_store_is_not_merged(tmp_path: Path) -> None:
    one, other = await two_clones(tmp_path)
    async with one.store():
        with pytest.raises(StorageUnavailable, match="open in another process"):
            one.take(other)
    async with other.store():
        one.take(other)


async def test_what_git_has_merged_is_sorted_only_when_nobody_has_it_open(tmp_path: Path) -> None:
    one, other = await two_clones(tmp_path)
    await add(one, "a", 8)
    await add(other, "b", 8)
    (one.path / "journal" / SHARED).touch()
    async with one.store():
        for path in sorted(other.path.glob("journal/*.jsonl")):
            mine = one.path / "journal" / path.name
            ours = mine.read_bytes() if mine.exists() else b""
            mine.write_bytes(merge_segments(ours, path.read_bytes(), path.name).data)
        with pytest.raises(StorageUnavailable, match="another process has it open"):
            await log(one)
        with pytest.raises(StorageUnavailable, match="not sorted yet"):
            backup(one.path, tmp_path / "backup", clock=one.clock)
    assert sorted(await log(one)) == expected(common=6, a=8, b=8)
    assert one.is_clean()
