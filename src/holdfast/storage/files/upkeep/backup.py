"""Copy a store while others write to it, and put such a copy in the place of a store."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

from holdfast.clock import Clock
from holdfast.errors import StorageCorrupt, StorageUnavailable, UsageError
from holdfast.ids import new_file_id
from holdfast.storage.files.disk import Disk, SystemDisk
from holdfast.storage.files.errors import translated
from holdfast.storage.files.index import remove_index
from holdfast.storage.files.indexer import write_file
from holdfast.storage.files.journal import QUARANTINE
from holdfast.storage.files.rebuild import INDEX, JOURNAL
from holdfast.storage.files.segments import (
    SHARED,
    SUFFIX,
    read_file,
    segment_name,
    segment_numbers,
    without_zeros,
)
from holdfast.storage.files.snapshot import snapshot_numbers
from holdfast.storage.files.upkeep.shelf import locked
from holdfast.storage.files.upkeep.verify import require_store, verify
from holdfast.storage.files.users import alone
from holdfast.storage.maintenance import Copied, Report

_TRIES = 5


def backup(path: Path, target: Path, *, clock: Clock) -> Copied:
    """Copy the journal as it is at one moment into an empty folder, and check the copy.

    Raises:
        UsageError: the folder is not empty.
        StorageCorrupt: the copy was made, and is damaged as the store is.
        StorageUnavailable: there is no store.
    """
    disk = SystemDisk()
    require_store(disk, path)
    _require_empty(target)
    with translated(str(target)):
        make_folders(disk, target)
        with _incoming(disk, target) as incoming:
            _copy_steadily(disk, path / JOURNAL, incoming)
            incoming.rename(target / JOURNAL)
        disk.sync_folder(target)
        report = verify(target, now=clock.now_ms())
    if not report.is_clean:
        raise StorageCorrupt(
            f"the backup in {str(target)!r} was made, and is as damaged as the store: "
            f"{len(report.findings)} places",
            hint="run `holdfast store repair`, and make another backup",
        )
    return _copied(path, target, report)


def restore(source: Path, path: Path, *, clock: Clock, force: bool = False) -> Copied:
    """Put a backup in place of a store that is empty, or with `force` of any.

    What was there is moved to `journal.replaced-TIME`, never deleted.

    Raises:
        UsageError: the store holds something.
        StorageCorrupt: the backup is damaged.
        StorageUnavailable: there is no backup, or another process has the store open.
    """
    disk, now = SystemDisk(), clock.now_ms()
    report = _require_sound(source, now)
    with translated(str(path)):
        make_folders(disk, path)
        with _incoming(disk, path) as incoming, _vacated(disk, path) as journal:
            holds = bool(segment_numbers(disk, journal) or snapshot_numbers(disk, journal))
            if holds and not force:
                raise UsageError(
                    f"the store {str(path)!r} is not empty",
                    hint="restore to another path, or add --force to move what is there aside",
                )
            _copy(disk, source / JOURNAL, incoming)
            if SHARED in disk.names(journal):
                write_file(disk, incoming / SHARED, read_file(disk, journal / SHARED))
            replaced = path / f"{JOURNAL}.replaced-{now}" if journal.exists() else None
            if replaced:
                journal.rename(replaced)
            incoming.rename(journal)
            disk.sync_folder(path)
            remove_index(path / INDEX)
    report = verify(path, now=now)
    return _copied(source, path, report, replaced=replaced if holds else None)


def _copied(source: Path, target: Path, report: Report, replaced: Path | None = None) -> Copied:
    counts = report.counts
    return Copied(
        source=str(source),
        target=str(target),
        files=counts["segments"] + counts["snapshots"],
        bytes=counts["bytes"],
        report=report,
        replaced=str(replaced) if replaced else None,
    )


@contextmanager
def _incoming(disk: Disk, path: Path) -> Generator[Path]:
    """Give a new folder for a copy, which counts as a journal only once it has that name."""
    folder = path / f"{JOURNAL}.incoming-{new_file_id()}"
    disk.make_folder(folder)
    try:
        yield folder
    finally:
        rmtree(folder, ignore_errors=True)


def make_folders(disk: Disk, folder: Path) -> None:
    """Make a folder and what is missing above it, durably."""
    if folder.is_dir():
        return
    make_folders(disk, folder.parent)
    disk.make_folder(folder)
    disk.sync_folder(folder.parent)


def _require_sound(source: Path, now: int) -> Report:
    report = verify(source, now=now, thorough=False)
    if not report.is_clean:
        raise StorageCorrupt(
            f"the backup in {str(source)!r} is damaged in {len(report.findings)} places",
            hint=f"look at it with `holdfast store verify --store files:{source}`; a copy of it can "
            "be repaired like a store",
        )
    return report


def _require_empty(target: Path) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(
            f"the folder {str(target)!r} is not empty", hint="name one that is, or a new one"
        )


@contextmanager
def _vacated(disk: Disk, path: Path) -> Generator[Path]:
    """Give the journal of a store that nobody has open, if there is any."""
    journal = path / JOURNAL
    if not journal.exists():
        yield journal
        return
    with alone(journal, disk, "restore"):
        yield journal


def _copy_steadily(disk: Disk, source: Path, target: Path) -> None:
    """Copy a journal; where a compaction takes files away meanwhile, begin anew."""
    for _ in range(_TRIES):
        try:
            _copy(disk, source, target)
        except FileNotFoundError:
            for name in [name for name in disk.names(target) if ".jsonl" in name]:
                disk.unlink(target / name)
        else:
            return
    raise StorageUnavailable(
        f"the journal in {str(source)!r} is compacted again and again", hint="try again later"
    )


def _copy(disk: Disk, source: Path, target: Path) -> None:
    """Copy the files of a journal, the open segment up to a line that is on the disk."""
    with locked(disk, source):
        names = [name for name in disk.names(source) if ".jsonl" in name]
        numbers = segment_numbers(disk, source)
        last = segment_name(numbers[-1]) if numbers else ""
        end = _synced_end(disk, source / last) if last in names else b""
    copied = set[str]()
    for listed in names:
        name, data = (last, end) if listed == last else _read(disk, source, listed)
        if name not in copied:
            write_file(disk, target / name, data)
            copied.add(name)
    kept = disk.names(source / QUARANTINE)
    if kept:
        disk.make_folder(target / QUARANTINE)
        for name in kept:
            write_file(
                disk, target / QUARANTINE / name, read_file(disk, source / QUARANTINE / name)
            )
        disk.sync_folder(target / QUARANTINE)
    disk.sync_folder(target)


def _synced_end(disk: Disk, path: Path) -> bytes:
    """Return the open segment up to its last line, all of it on the disk. Needs the lock."""
    handle = disk.open(path)
    try:
        disk.sync(handle)
        data = without_zeros(disk.read(handle, disk.size(handle), 0))
    finally:
        disk.close(handle)
    return data[: data.rfind(b"\n") + 1]


def _read(disk: Disk, source: Path, name: str) -> tuple[str, bytes]:
    """Return a file that does not change any more; if it was compressed meanwhile, its twin."""
    if not name.endswith(SUFFIX):
        return name, read_file(disk, source / name)
    try:
        return name, without_zeros(read_file(disk, source / name))
    except FileNotFoundError:
        packed = f"{name}.zst"
        return packed, read_file(disk, source / packed)
