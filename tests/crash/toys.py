"""Small stores, some right and some wrong, that the crash kit must tell apart.

A toy holds the numbers that were committed to it. The wrong ones are what people write.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from holdfast.storage.files.disk import Disk
from holdfast.testing.crash import ROOT, Bounds, Exploration, Ledger, RecordingDisk
from holdfast.testing.crash.exploring import Examiner
from holdfast.testing.crash.pending import Model

FILE = ROOT / "state"
TEMPORARY = ROOT / "state.tmp"


class Toy(Protocol):
    def commit(self, disk: Disk, value: int) -> None: ...

    def read(self, disk: Disk) -> Collection[int]: ...


def read_file(disk: Disk, path: Path) -> bytes:
    try:
        handle = disk.open(path)
    except FileNotFoundError:
        return b""
    try:
        return disk.read(handle, disk.size(handle), 0)
    finally:
        disk.close(handle)


def write_all(disk: Disk, handle: int, data: bytes, offset: int) -> None:
    while data:
        taken = disk.write(handle, data, offset)
        data, offset = data[taken:], offset + taken


class InPlace:
    """The whole state, written over the old one and synced."""

    def commit(self, disk: Disk, value: int) -> None:
        data = json.dumps([*self.read(disk), value]).encode()
        handle = disk.open(FILE, create=True)
        disk.truncate(handle, 0)
        write_all(disk, handle, data, 0)
        disk.sync(handle)
        disk.close(handle)
        if value == 1:
            disk.sync_folder(ROOT)

    def read(self, disk: Disk) -> Collection[int]:
        data = read_file(disk, FILE)
        return json.loads(data) if data else []


class Replaced(InPlace):
    """The whole state in a new file that replaces the old one."""

    syncs_file = True
    syncs_folder = True

    def commit(self, disk: Disk, value: int) -> None:
        data = json.dumps([*self.read(disk), value]).encode()
        with suppress(FileNotFoundError):
            disk.unlink(TEMPORARY)
        handle = disk.open(TEMPORARY, exclusive=True)
        write_all(disk, handle, data, 0)
        if self.syncs_file:
            disk.sync(handle)
        disk.close(handle)
        disk.rename(TEMPORARY, FILE)
        if self.syncs_folder:
            disk.sync_folder(ROOT)


class ReplacedUnsynced(Replaced):
    """The recipe of many programs: it looks safe on ext4 and leaves an empty file on XFS."""

    syncs_file = False
    syncs_folder = False


class ReplacedWithoutFolder(Replaced):
    syncs_folder = False


class Journal:
    """A line a commit, behind the last one."""

    checks = True
    syncs = True
    retries = False
    loops = True

    def commit(self, disk: Disk, value: int) -> None:
        handle = disk.open(self.path(value), create=True)
        try:
            self._append(disk, handle, value)
        finally:
            disk.close(handle)

    def _append(self, disk: Disk, handle: int, value: int) -> None:
        good = self._good(disk, self.path(value))
        if disk.size(handle) > len(good):
            disk.truncate(handle, len(good))
        # All of it: a sync may have failed before, and what it left no later one saves.
        data = good + self._line(value)
        if self.loops:
            write_all(disk, handle, data, 0)
        else:
            disk.write(handle, data, 0)
        # Always: the process that made the file may have died before it could do this.
        self.begin(disk)
        if self.syncs:
            self._sync(disk, handle)

    def _sync(self, disk: Disk, handle: int) -> None:
        try:
            disk.sync(handle)
        except OSError:
            if not self.retries:
                raise
            disk.sync(handle)

    def read(self, disk: Disk) -> Collection[int]:
        names = [name for name in disk.names(ROOT) if name.startswith("journal")]
        whole = b"".join(self._good(disk, ROOT / name) for name in names)
        return [json.loads(line[:-8])["value"] for line in whole.splitlines()]

    def path(self, value: int) -> Path:
        return ROOT / "journal"

    def begin(self, disk: Disk) -> None:
        disk.sync_folder(ROOT)

    def _line(self, value: int) -> bytes:
        data = json.dumps({"value": value, "pad": "x" * (value % 3)}).encode()
        check = b"%08x" % zlib.crc32(data) if self.checks else b""
        return data + check + b"\n"

    def _good(self, disk: Disk, path: Path) -> bytes:
        """Return the lines up to the first that is torn."""
        data = read_file(disk, path)
        if not self.checks:
            return data
        good = 0
        for line in data.splitlines(keepends=True):
            body, check = line[:-9], line[-9:]
            if not line.endswith(b"\n") or check[:8] != b"%08x" % zlib.crc32(body):
                break
            good += len(line)
        return data[:good]


class LazyJournal(Journal):
    """Syncs the folder for the first line only, whoever is alive by then."""

    def begin(self, disk: Disk) -> None:
        if self._line(1) == read_file(disk, self.path(1)):
            disk.sync_folder(ROOT)


class UncheckedJournal(Journal):
    checks = False

    def read(self, disk: Disk) -> Collection[int]:
        return [json.loads(line)["value"] for line in read_file(disk, self.path(0)).splitlines()]

    def _line(self, value: int) -> bytes:
        return json.dumps({"value": value}).encode() + b"\n"


class UnsyncedJournal(Journal):
    syncs = False


class RetryingJournal(Journal):
    """Tries a failed sync again, which then succeeds without having saved anything."""

    retries = True


class CarelessJournal(Journal):
    """Believes that a write takes everything."""

    loops = False


class RotatingJournal(Journal):
    """A new file every two commits."""

    def path(self, value: int) -> Path:
        return ROOT / f"journal-{value // 2}"


class RotatingWithoutFolder(RotatingJournal):
    def begin(self, disk: Disk) -> None:
        pass


class LyingDisk(RecordingDisk):
    """A disk whose syncs do nothing, as under `eatmydata`."""

    def sync(self, handle: int) -> None:
        pass


def examine(disk: RecordingDisk, ledger: Ledger, toy: Toy, model: Model) -> Exploration:
    examiner = Examiner(toy.read, model, Bounds(per_cut=500))
    examiner.examine(disk, ledger)
    return examiner.found
