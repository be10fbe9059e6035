"""Mend a damaged journal. Whatever is replaced is in quarantine first.

Each file is written anew beside the old one, synced and put in its place, so that a repair that is
killed has either mended a file or not touched it; the next one goes on. The index is deleted last:
until then it may be the only one that knows what is lost.
"""

from __future__ import annotations

from pathlib import Path

from holdfast.clock import Clock
from holdfast.ids import new_file_id
from holdfast.storage.files.disk import Disk, SystemDisk
from holdfast.storage.files.errors import translated
from holdfast.storage.files.index import Index, remove_index
from holdfast.storage.files.indexer import write_file
from holdfast.storage.files.journal import QUARANTINE
from holdfast.storage.files.parity import protect
from holdfast.storage.files.rebuild import INDEX, JOURNAL
from holdfast.storage.files.segments import COMPRESSED, compress, read_file, segment_name
from holdfast.storage.files.snapshot import write_snapshot
from holdfast.storage.files.upkeep.examination import Examination
from holdfast.storage.files.upkeep.looking import LookingDisk
from holdfast.storage.files.upkeep.shelf import FileFault, locked
from holdfast.storage.files.upkeep.verify import looked_at, report, require_store, verify
from holdfast.storage.files.users import alone
from holdfast.storage.maintenance import Repaired


def repair(
    path: Path, *, clock: Clock, dry_run: bool = False, disk: Disk | None = None
) -> Repaired:
    """Mend the store in a folder, or with `dry_run` only say what would be done.

    Raises:
        StorageUnavailable: there is no store, or another process has it open.
        StorageTooNew: the journal has a format of the future.
    """
    now = clock.now_ms()
    if dry_run:
        looking = disk or LookingDisk()
        with looked_at(path, looking, now=now) as (seen, fault):
            plan = _Plan(path, looking, seen, fault)
            return Repaired(found=plan.report, actions=plan.actions(), left=None)
    disk = disk or SystemDisk()
    require_store(disk, path)
    with translated(str(path)), alone(path / JOURNAL, disk, "repair"):
        with looked_at(path, disk, now=now) as (seen, fault):
            plan = _Plan(path, disk, seen, fault)
            actions = plan.actions()
            if plan.writes:
                with locked(disk, path / JOURNAL):
                    plan.perform()
        if plan.drops_index:
            remove_index(path / INDEX)
    left = verify(path, now=now, disk=disk)
    return Repaired(found=plan.report, actions=actions, left=left)


class _Plan:
    """What a repair does, in its order."""

    def __init__(self, path: Path, disk: Disk, seen: Examination, fault: str) -> None:
        self._path = path
        self._disk = disk
        self._seen = seen
        self._folder = seen.folder
        self.report = report(path, disk, seen, fault)
        snapshot = seen.start.fault
        self._rewrites = {
            fault.name: fault.frames
            for fault in seen.faults
            if fault.frames is not None and not self._is_changed(fault.name)
        }
        self._new_snapshot = snapshot is not None and snapshot.frames is None
        originals = dict(map(self._original, seen.faults))
        self._saves = {name: data for name, data in {**seen.saves, **originals}.items() if data}

    @property
    def writes(self) -> bool:
        """Whether anything in the journal has to be written."""
        return bool(self._seen.shelf.changed or self._rewrites or self._new_snapshot)

    @property
    def drops_index(self) -> bool:
        """Whether the index has to be made anew."""
        own = any(finding.file == INDEX for finding in self.report.findings)
        has_index = isinstance(self._disk, SystemDisk) and (self._path / INDEX).exists()
        return has_index and (own or self.writes)

    def actions(self) -> list[str]:
        """Return what is done, in words."""
        quarantine = f"{JOURNAL}/{QUARANTINE}"
        told = [
            f"save {len(data)} bytes as {quarantine}/{name}" for name, data in self._saves.items()
        ]
        names = [self._name(number) for number in sorted(self._seen.shelf.changed)]
        names += [*self._rewrites, *([self._seen.start.name] if self._new_snapshot else ())]
        told += [f"write {JOURNAL}/{name} anew" for name in names]
        return [*told, f"delete {INDEX}; it is made anew"] if self.drops_index else told

    def perform(self) -> None:
        """Do all of it but the index."""
        self._save()
        for number, data in sorted(self._seen.shelf.changed.items()):
            name = self._name(number)
            self._write(name, protect(compress(data)) if name.endswith(COMPRESSED) else data)
        for name, frames in self._rewrites.items():
            self._write(name, protect(frames))
        if self._new_snapshot:
            self._write_snapshot()

    def _save(self) -> None:
        folder = self._folder / QUARANTINE
        self._disk.make_folder(folder)
        self._disk.sync_folder(self._folder)
        for name, data in self._saves.items():
            packed = folder / f"{new_file_id()}.tmp"
            write_file(self._disk, packed, data)
            self._disk.rename(packed, folder / name)
        self._disk.sync_folder(folder)

    def _write(self, name: str, data: bytes) -> None:
        packed = self._folder / f"{new_file_id()}.tmp"
        write_file(self._disk, packed, data)
        self._disk.rename(packed, self._folder / name)
        self._disk.sync_folder(self._folder)

    def _write_snapshot(self) -> None:
        start, now = self._seen.start, self._seen.now
        if self._seen.trusted and self._seen.index:
            write_snapshot(self._disk, self._folder, self._seen.index, start.position, now)
            return
        rest = Index(Path(":memory:"))
        try:
            rest.fill(start.generations(), now)
            write_snapshot(self._disk, self._folder, rest, start.position, now, is_lossy=True)
        finally:
            rest.close()

    def _original(self, fault: FileFault) -> tuple[str, bytes]:
        """Return the bytes of a compressed file that are replaced, and a name for them."""
        data = read_file(self._disk, self._folder / fault.name)
        if fault.frames is not None:
            data = data[fault.offset : fault.offset + fault.length]
        return f"{fault.name}-{fault.offset}-{self._seen.now}.damaged", data

    def _name(self, number: int) -> str:
        return self._seen.shelf.names.get(number, segment_name(number))

    def _is_changed(self, name: str) -> bool:
        return any(self._name(number) == name for number in self._seen.shelf.changed)
