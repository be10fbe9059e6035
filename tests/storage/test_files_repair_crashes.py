"""A repair that is cut off at any moment."""

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
from holdfast.storage.files.upkeep.repair import repair
from holdfast.testing.clock import ManualClock
from holdfast.testing.crash.exploring import Examiner, Ledger
from holdfast.testing.crash.failing import FailingDisk
from holdfast.testing.crash.image import Image
from holdfast.testing.crash.recording import ROOT, RecordingDisk
from holdfast.testing.crash.states import Bounds
from tests.storage.files_damage import (
    remedies,
)


@pytest.mark.parametrize("how", ["kill", "EIO", "ENOSPC", "short"])
def test_a_repair_that_breaks_at_any_call_is_finished_by_the_next(how: str) -> None:
    image, store = _damaged_image()
    expected = _repaired_image(image, store)
    for at in count(1):
        disk = RecordingDisk(image)
        failing = FailingDisk(disk, at=at, how=how)  # type: ignore[arg-type]
        readable = _values(RecordingDisk(image))
        _try_repair(store, failing)
        disk.release_locks()
        assert _values(RecordingDisk(disk.image)) >= readable, at
        again = RecordingDisk(disk.image)
        repaired = repair(store, clock=ManualClock(), disk=again)
        assert repaired.left is not None
        assert repaired.left.is_clean, at
        assert _journal(again.image) == expected, at
        if failing.broken is None:
            assert at > 4
            return


def test_a_power_cut_at_any_moment_of_a_repair_loses_nothing_more() -> None:
    image, store = _damaged_image()
    readable = _values(RecordingDisk(image))
    healed = _values(RecordingDisk(_repaired_image(image, store, whole=True)))
    assert readable < healed
    disk = RecordingDisk(image)
    ledger = Ledger(disk, seen=frozenset(readable))
    for value in healed - readable:
        ledger.attempt(value)
    repair(store, clock=ManualClock(), disk=disk)
    for value in healed - readable:
        ledger.acknowledge(value)
    examiner = Examiner(_values, "weak", Bounds(per_cut=200, tears=8))
    examiner.examine(disk, ledger)
    examiner.found.require_clean()
    assert examiner.found.states > 50


def _damaged_image() -> tuple[Image, Path]:
    """Return a disk with a store whose two segments are damaged, one so that it can be healed."""
    disk = RecordingDisk()
    store = ROOT / "store"

    async def write() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(journal, "SEGMENT_BYTES", 700)
            async with _open(disk) as opened:
                for number in range(9):
                    await opened.append(("log",), [b"entry %d" % number])

    asyncio.run(write())
    image = disk.image
    for name, old, new in (("1", b"entry 1", b"entrx 1"), ("2", b"entry 5", b"?????? ")):
        path = f"{store}/journal/0000000{name}.jsonl"
        content = image.files[path]
        assert old in content.data
        image = image.replace(path, content.write(content.data.replace(old, new), 0))
    return image, store


def _repaired_image(image: Image, store: Path, *, whole: bool = False) -> object:
    disk = RecordingDisk(image)
    repaired = repair(store, clock=ManualClock(), disk=disk)
    assert sorted(remedies(repaired.found)) == ["healed", "lost"]
    return disk.image if whole else _journal(disk.image)


def _journal(image: Image) -> dict[str, bytes]:
    return {path: content.data for path, content in image.files.items() if ".jsonl" in path}


def _try_repair(store: Path, disk: Disk) -> None:
    with suppress(StorageError):  # and no other error
        repair(store, clock=ManualClock(), disk=disk)


def _values(disk: Disk) -> Collection[bytes]:
    async def read() -> Collection[bytes]:
        async with _open(disk) as store:
            return {entry.value for entry in await store.read(("log",))}

    return asyncio.run(read())


def _open(disk: Disk) -> FilesStore:
    return FilesStore(ROOT / "store", clock=ManualClock(), disk=disk)
