"""Look after a files store."""

from __future__ import annotations

from pathlib import Path

from holdfast.clock import Clock
from holdfast.storage.files.upkeep.backup import backup, restore
from holdfast.storage.files.upkeep.compaction import compact
from holdfast.storage.files.upkeep.repair import repair
from holdfast.storage.files.upkeep.verify import verify
from holdfast.storage.maintenance import Compacted, Copied, Repaired, Report


class FilesUpkeep:
    """The `Upkeep` of the store in a folder."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path.expanduser().absolute()
        self._clock = clock

    def verify(self, *, thorough: bool = True) -> Report:
        return verify(self._path, now=self._clock.now_ms(), thorough=thorough)

    def repair(self, *, dry_run: bool = False) -> Repaired:
        return repair(self._path, clock=self._clock, dry_run=dry_run)

    def compact(self) -> Compacted:
        return compact(self._path, clock=self._clock)

    def backup(self, target: Path) -> Copied:
        return backup(self._path, target.expanduser().absolute(), clock=self._clock)

    def restore(self, source: Path, *, force: bool = False) -> Copied:
        source = source.expanduser().absolute()
        return restore(source, self._path, clock=self._clock, force=force)
