"""Look at everything in a store and say what is damaged; nothing is changed, and nobody waits."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from holdfast.errors import StorageUnavailable
from holdfast.storage.files.cursor import behind
from holdfast.storage.files.disk import Disk, SystemDisk
from holdfast.storage.files.errors import translated
from holdfast.storage.files.merging.pending import is_pending
from holdfast.storage.files.place import promise
from holdfast.storage.files.rebuild import INDEX, JOURNAL
from holdfast.storage.files.segments import segment_numbers
from holdfast.storage.files.snapshot import snapshot_numbers
from holdfast.storage.files.upkeep.examination import MEANS, Examination, examine
from holdfast.storage.files.upkeep.looking import LookingDisk, LookingIndex, look_at_index
from holdfast.storage.files.upkeep.shelf import file_size
from holdfast.storage.maintenance import Finding, Report

_TRIES = 5


def verify(path: Path, *, now: int, thorough: bool = True, disk: Disk | None = None) -> Report:
    """Return what the store in a folder looks like.

    With `thorough` the index is compared with the journal. `disk` is for tests.

    Raises:
        StorageUnavailable: there is no store.
        StorageTooNew: the journal has a format of the future.
    """
    disk = disk or LookingDisk()
    with looked_at(path, disk, now=now, thorough=thorough) as (seen, index_fault):
        return report(path, disk, seen, index_fault)


@contextmanager
def looked_at(
    path: Path, disk: Disk, *, now: int, thorough: bool = True
) -> Generator[tuple[Examination, str]]:
    """Give the examination of a store, and what is wrong with its index if that cannot be used."""
    with translated(str(path)):
        require_store(disk, path)
        found = look_at_index(path / INDEX) if thorough and isinstance(disk, SystemDisk) else None
        if not isinstance(found, LookingIndex):
            yield _examine(disk, path, None, now), found or ""
            return
        with closing(found):
            yield _examine(disk, path, found, now), ""


def require_store(disk: Disk, path: Path) -> None:
    """Refuse a folder without a journal.

    Raises:
        StorageUnavailable: it has none, or one that git has merged and nobody has sorted.
    """
    folder = path / JOURNAL
    with translated(str(path)):
        exists = bool(segment_numbers(disk, folder) or snapshot_numbers(disk, folder))
        if exists and is_pending(disk, folder):
            raise StorageUnavailable(
                f"git has merged the store {str(path)!r}, and its journal is not sorted yet",
                hint="run `holdfast merge`, or open the store with any other command",
            )
    if not exists:
        raise StorageUnavailable(
            f"there is no store in {str(path)!r}",
            hint="nothing was kept yet, or check the path: `files:PATH` names a folder",
        )


def report(path: Path, disk: Disk, seen: Examination, index_fault: str) -> Report:
    """Return what was seen, in words."""
    return Report(
        store=str(path),
        promise=promise(path),
        findings=[*seen.findings, *_index_findings(seen, index_fault)],
        notes=_notes(disk, seen),
        counts=_counts(disk, seen),
    )


def _examine(disk: Disk, path: Path, index: LookingIndex | None, now: int) -> Examination:
    for _ in range(_TRIES - 1):
        try:
            return examine(disk, path / JOURNAL, now=now, index=index)
        except FileNotFoundError:
            continue  # a compaction has taken a file away; what replaces it is there
    return examine(disk, path / JOURNAL, now=now, index=index)


def _index_findings(seen: Examination, fault: str) -> list[Finding]:
    compared = seen.first.compared
    reason = f"the index is of no use: {fault}" if fault else ""
    if seen.first.is_stale:
        reason = "the index stands at a place that is not in this journal"
    elif compared and compared.wrong_count:
        rest = compared.wrong_count - len(compared.wrong)
        more = f", and {rest} more" if rest else ""
        reason = f"the index disagrees with the journal: {'; '.join(compared.wrong)}{more}"
    if not reason:
        return []
    means = MEANS["remade"]
    return [Finding(file=INDEX, offset=0, length=0, reason=reason, means=means, remedy="remade")]


def _notes(disk: Disk, seen: Examination) -> list[str]:
    notes: list[str] = []
    if seen.last.torn:
        length = sum(len(part.data) for part in seen.last.torn.parts)
        notes.append(
            f"{length} bytes behind the last line are what a writer left that died: nobody was told "
            "that they were stored, and the next opening moves them into quarantine"
        )
    for good in seen.first.losses:
        last, _, _ = behind(good.line)
        lost = good.line.operations[0][1]["quarantine"]
        where = f"; the bytes are in journal/quarantine/{lost}" if lost else ""
        first = good.line.number
        which = f"line {first} was" if first == last else f"lines {first} to {last} were"
        notes.append(f"{which} given up by an earlier repair{where}")
    if seen.start.is_lossy:
        notes.append(
            f"the snapshot {seen.start.name} holds what an earlier repair could save of it"
        )
    leftovers = left_over(disk, seen)
    if leftovers:
        notes.append(f"left over, and deleted by the next compaction: {', '.join(leftovers)}")
    return notes


def left_over(disk: Disk, seen: Examination) -> list[str]:
    """Return the names of files that nothing refers to any more."""
    first = seen.start.segment if seen.start.name else 0
    return [
        name for name in disk.names(seen.folder) if name[:8].isdigit() and int(name[:8]) < first
    ] + seen.shelf.twins


def _counts(disk: Disk, seen: Examination) -> dict[str, int]:
    facts = seen.last.facts
    snapshot = file_size(disk, seen.folder / seen.start.name) if seen.start.name else 0
    return {
        "segments": len(seen.shelf.names),
        "snapshots": 1 if seen.start.name else 0,
        "lines": seen.last.lines,
        "records": len(facts.records),
        "logs": sum(log.last > log.erased for log in facts.logs.values()),
        "entries": sum(log.last - log.erased for log in facts.logs.values()),
        "bytes": seen.shelf.size() + snapshot,
    }
