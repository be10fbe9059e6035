"""A damaged byte anywhere in a small store never gives wrong data."""

from __future__ import annotations

import asyncio
import json
import logging
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.errors import StorageError
from holdfast.storage.files.store import FilesStore
from holdfast.storage.seam import ABSENT, Append, Put, Store
from holdfast.storage.sqlite import SqliteStore
from holdfast.testing.clock import ManualClock
from holdfast.testing.crash import (
    ROOT,
    Content,
    Flipped,
    Image,
    RecordingDisk,
    flip_every_byte,
)
from holdfast.testing.crash.figures import CrashFigures

WRITES = 4
Held = dict[str, bytes]


class Warnings(logging.Handler):
    """Counts what the store says."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


async def write(store: Store) -> None:
    async with store:
        for number in range(WRITES):
            value = b"value %d " % number * 3
            await store.batch(
                [
                    Put(key=("record", str(number)), value=value, expected=ABSENT),
                    Append(log=("log",), entries=[value]),
                ]
            )


async def read(store: Store) -> Held:
    async with store:
        records = await store.scan(("record",))
        entries = await store.read(("log",))
    held = {f"record {record.key[1]}": record.value for record in records}
    return held | {f"entry {entry.number}": entry.value for entry in entries}


def judge(truth: Held, held: Held, *, noticed: bool) -> Flipped:
    if any(truth.get(name) != value for name, value in held.items()):
        return Flipped.WRONG
    if held == truth:
        return Flipped.HEALED if noticed else Flipped.UNHARMED
    return Flipped.DETECTED if noticed else Flipped.WRONG


def checker(truth: Held, open_image: Callable[[Image], tuple[Store, Callable[[], bool]]]):
    """Return a check that opens an image and holds what it reads against the truth."""
    warnings = Warnings()
    logger = logging.getLogger("holdfast.storage")

    def check(image: Image) -> Flipped:
        warnings.count = 0
        store, left_evidence = open_image(image)
        logger.addHandler(warnings)
        try:
            held = asyncio.run(read(store))
        except StorageError:
            return Flipped.DETECTED
        finally:
            logger.removeHandler(warnings)
        return judge(truth, held, noticed=bool(warnings.count) or left_evidence())

    return check


def files_store(disk: RecordingDisk) -> FilesStore:
    return FilesStore(ROOT / "store", clock=ManualClock(), disk=disk)


def flip_files(step: int, figures: CrashFigures) -> None:
    disk = RecordingDisk()
    asyncio.run(write(files_store(disk)))
    truth = asyncio.run(read(files_store(RecordingDisk(disk.image))))
    assert len(truth) == 2 * WRITES

    def open_image(image: Image):
        damaged = RecordingDisk(image)
        # What is not believed is kept for people to look at.
        quarantine = ROOT / "store" / "journal" / "quarantine"
        return files_store(damaged), lambda: bool(damaged.names(quarantine))

    found = flip_every_byte(disk.image, checker(truth, open_image), step=step)
    figures.add("flipped bytes, files", found.figures())
    found.require_clean()
    assert found.counts[Flipped.DETECTED] > found.counts.total() // 2


@pytest.mark.promise("damage-is-noticed")
def test_a_flipped_byte_of_a_files_store_is_noticed(crash_figures: CrashFigures) -> None:
    flip_files(7, crash_figures)


@pytest.mark.torture
def test_every_flipped_byte_of_a_files_store_is_noticed(crash_figures: CrashFigures) -> None:
    flip_files(1, crash_figures)


def test_a_flipped_byte_of_sqlite_can_give_wrong_data(
    tmp_path: Path, crash_figures: CrashFigures
) -> None:
    """It has no checksums: the control that shows what the ones of the files store are for."""
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.mkdir()
    copy.mkdir()
    asyncio.run(write(SqliteStore(original / "store", clock=ManualClock())))
    truth = asyncio.run(read(SqliteStore(original / "store", clock=ManualClock())))
    image = Image.of_folder(original)

    def open_image(damaged: Image):
        for path in copy.iterdir():
            path.unlink()
        damaged.write_to(copy, root=original)
        return SqliteStore(copy / "store", clock=ManualClock()), lambda: False

    found = flip_every_byte(image, checker(truth, open_image), masks=(0x01,), step=89)
    crash_figures.add("flipped bytes, sqlite", found.figures())
    assert found.counts[Flipped.WRONG] > 0
    with pytest.raises(AssertionError, match="flips gave wrong data"):
        found.require_clean()


@pytest.mark.parametrize("checks", [True, False])
def test_only_a_store_with_a_checksum_passes(checks: bool) -> None:
    body = json.dumps({"value": 12345}).encode()
    image = Image({"file": Content.of(body + b"%08x" % zlib.crc32(body))})

    def check(damaged: Image) -> Flipped:
        data = damaged.files["file"].bytes()
        try:
            if checks and data[-8:] != b"%08x" % zlib.crc32(data[:-8]):
                return Flipped.DETECTED
            value = json.loads(data[:-8]).get("value")
        except (ValueError, AttributeError):
            return Flipped.DETECTED
        return Flipped.UNHARMED if value == 12345 else Flipped.WRONG

    found = flip_every_byte(image, check)
    assert found.counts.total() == 3 * len(image.files["file"].data)
    assert bool(found.counts[Flipped.WRONG]) is not checks
