"""A merge that is cut off at any moment: the store is as before or merged, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from holdfast.errors import StorageError
from holdfast.storage.files import FilesStore, journal
from holdfast.storage.files.disk import Disk
from holdfast.storage.files.merging.heaps import merge_segments
from holdfast.storage.files.merging.pending import HEAD
from holdfast.storage.files.segments import SHARED
from holdfast.storage.files.upkeep.merge import merge_stores, settle_store
from holdfast.testing.clock import ManualClock
from holdfast.testing.crash.exploring import Examiner, Ledger
from holdfast.testing.crash.failing import FailingDisk
from holdfast.testing.crash.image import Content, Image
from holdfast.testing.crash.recording import ROOT, RecordingDisk
from holdfast.testing.crash.states import Bounds

STORE, OTHER = ROOT / "store", ROOT / "other"


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 700)


@pytest.mark.parametrize("how", ["kill", "EIO", "ENOSPC", "short"])
def test_a_merge_that_breaks_at_any_call_is_whole_or_not_begun(how: str) -> None:
    image = two_clones()
    before, whole = RecordingDisk(image), RecordingDisk(image)
    merge_stores(STORE, OTHER, disk=whole)
    for at in count(1):
        disk = RecordingDisk(image)
        failing = FailingDisk(disk, at=at, how=how)  # type: ignore[arg-type]
        with suppress(StorageError):  # and no other error
            merge_stores(STORE, OTHER, disk=failing)
        disk.release_locks()
        assert entries(RecordingDisk(disk.image)) in (entries(before), entries(whole)), at
        again = RecordingDisk(disk.image)
        merge_stores(STORE, OTHER, disk=again)
        assert segments(again.image) == segments(whole.image), at
        if failing.broken is None:
            assert at > 4
            return


@pytest.mark.parametrize("by_git", [False, True])
def test_a_power_cut_at_any_moment_of_a_merge_loses_nothing(by_git: bool) -> None:
    image = merged_by_git() if by_git else two_clones()
    seen = entries(RecordingDisk(image))
    disk, whole = RecordingDisk(image), RecordingDisk(image)
    merge(whole, by_git=by_git)
    ledger = Ledger(disk, seen=frozenset(seen))
    new = set(entries(whole)) - set(seen)
    for value in new:
        ledger.attempt(value)
    merge(disk, by_git=by_git)
    for value in new:
        ledger.acknowledge(value)
    examiner = Examiner(entries, "weak", Bounds(per_cut=100, tears=4))
    examiner.examine(disk, ledger)
    examiner.found.require_clean()
    assert examiner.found.states > 50


def test_what_git_merged_over_several_segments_is_whole_when_it_is_opened() -> None:
    image = merged_by_git()
    assert any(content.bytes().startswith(HEAD) for content in image.files.values())
    merged = RecordingDisk(two_clones())
    merge_stores(STORE, OTHER, disk=merged)
    assert sorted(entries(RecordingDisk(image))) == sorted(entries(merged))


def merge(disk: Disk, *, by_git: bool) -> None:
    if by_git:
        settle_store(STORE, disk=disk)
    else:
        merge_stores(STORE, OTHER, disk=disk)


def two_clones() -> Image:
    """Return a disk with two clones of a store that went on over several segments each."""
    disk = RecordingDisk()
    asyncio.run(write(disk, STORE, b"common", 4))
    one = disk.image
    other = {to_other(path): content for path, content in one.files.items()}
    folders = one.folders | {to_other(path) for path in one.folders}
    disk = RecordingDisk(Image({**one.files, **other}, frozenset(folders)))
    asyncio.run(write(disk, STORE, b"here", 12))
    asyncio.run(write(disk, OTHER, b"there", 7))
    return disk.image


def merged_by_git() -> Image:
    """Return a disk with what git makes of the two clones: each file by itself."""
    image = two_clones()
    ours, theirs = (
        {path: data for path, data in segments(image).items() if path.startswith(str(side))}
        for side in (STORE, OTHER)
    )
    for path, data in theirs.items():
        mine = path.replace(str(OTHER), str(STORE))
        if ours.get(mine, b"") != data:
            merged = merge_segments(ours.get(mine, b""), data, path).data
            image = image.replace(mine, Content.of(merged))
    return image.replace(f"{STORE}/journal/{SHARED}", Content.of(b"yes\n"))


async def write(disk: Disk, path: Path, name: bytes, times: int) -> None:
    async with FilesStore(path, clock=ManualClock(), disk=disk) as store:
        for number in range(times):
            await store.append(("log",), [b"%s %d" % (name, number)])


def to_other(path: str) -> str:
    return path.replace(str(STORE), str(OTHER))


def entries(disk: Disk) -> Collection[bytes]:
    async def read() -> Collection[bytes]:
        async with FilesStore(STORE, clock=ManualClock(), disk=disk) as store:
            return [entry.value for entry in await store.read(("log",))]

    return asyncio.run(read())


def segments(image: Image) -> dict[str, bytes]:
    return {
        path: content.bytes().rstrip(b"\0")
        for path, content in image.files.items()
        if ".jsonl" in path
    }
