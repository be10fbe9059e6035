"""Merge the journal of another folder into that of a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from holdfast.errors import UsageError
from holdfast.storage.files import journal
from holdfast.storage.files.cursor import behind
from holdfast.storage.files.disk import Disk, SystemDisk
from holdfast.storage.files.errors import translated
from holdfast.storage.files.lines import Line
from holdfast.storage.files.merging.chains import chains_of, join_all
from holdfast.storage.files.merging.heaps import heap_lines
from holdfast.storage.files.merging.joining import Joined
from holdfast.storage.files.merging.settling import (
    is_before,
    read_segments,
    replace_files,
    settle,
    split,
)
from holdfast.storage.files.rebuild import JOURNAL
from holdfast.storage.files.segments import read_file, segment_name
from holdfast.storage.files.snapshot import last_line, snapshot_numbers, snapshot_path
from holdfast.storage.files.upkeep.shelf import locked
from holdfast.storage.files.upkeep.verify import require_store
from holdfast.storage.files.users import alone


@dataclass(frozen=True, slots=True)
class _Book:
    """The lines of a journal from its first segment on, or from that behind its snapshot.

    `all_lines` has the line before those too, if a snapshot replaces what was there.
    """

    folder: Path
    first: int
    contents: dict[int, bytes]
    lines: Sequence[Line]
    all_lines: Sequence[Line]


def merge_stores(path: Path, other: Path, *, disk: Disk | None = None) -> Joined:
    """Bring everything that the store in `other` holds into the one in `path`; `other` stays as it is.

    Raises:
        UsageError: both are one folder.
        StorageCorrupt: one of them is damaged, or lines that were compacted away are missing.
        StorageUnavailable: there is no store, or another process has the first one open.
    """
    disk = disk or SystemDisk()
    if path.resolve() == other.resolve():
        raise UsageError(f"{str(path)!r} cannot be merged with itself", hint="name another folder")
    with translated(str(other)):
        require_store(disk, other)
        with locked(disk, other / JOURNAL):
            there = _read(disk, other / JOURNAL)
    with translated(str(path)), alone(path / JOURNAL, disk, "merge"):
        settle(disk, path / JOURNAL)
        require_store(disk, path)
        here = _read(disk, path / JOURNAL)
        joined = _join(here, there)
        _write(disk, here, there, joined)
    return joined


def settle_store(path: Path, *, disk: Disk | None = None) -> Joined | None:
    """Finish what git has merged, if there is anything to finish.

    Raises:
        StorageCorrupt: lines are missing.
        StorageUnavailable: another process has the store open.
    """
    disk = disk or SystemDisk()
    with translated(str(path)), alone(path / JOURNAL, disk, "merge"):
        return settle(disk, path / JOURNAL)


def _read(disk: Disk, folder: Path) -> _Book:
    snapshots = snapshot_numbers(disk, folder)
    contents = read_segments(disk, folder, snapshots[-1] if snapshots else 0)
    lines = [
        line
        for number, data in contents.items()
        for line in heap_lines(data, str(folder / segment_name(number)))
    ]
    last = last_line(disk, folder, snapshots[-1]) if snapshots else None
    return _Book(folder, min(contents), contents, lines, [last, *lines] if last else lines)


def _join(here: _Book, there: _Book) -> Joined:
    if _holds(here, there):
        return Joined(lines=here.lines)
    if _holds(there, here):
        new = sum(line.number > here.lines[-1].number for line in there.lines)
        return Joined(lines=there.lines, new_there=new)
    chains = chains_of([*here.all_lines, *there.all_lines])
    # Ours first, for the figures; what comes out is the same.
    chains.sort(key=lambda chain: chain[-1].hash != here.lines[-1].hash)
    return join_all(chains, longest=journal.SEGMENT_BYTES)


def _holds(book: _Book, other: _Book) -> bool:
    """Return whether a journal goes on where the other one ends, or ends further on."""
    end = behind(other.lines[-1])[1]
    return any(behind(line)[1] == end for line in book.all_lines)


def _write(disk: Disk, here: _Book, there: _Book, joined: Joined) -> None:
    lines, base = joined.lines, here
    starts = {line.hash: at for at, line in enumerate(lines)}
    at = starts.get(here.lines[0].hash)
    if at is None:
        # What the snapshot here replaces has other lines in between now: begin where the other does.
        base, at = there, starts[there.lines[0].hash]
    segments = split(lines[at:], base.first, max(*here.contents, *there.contents))
    changed = {
        segment_name(number): data
        for number, data in segments.items()
        if here.contents.get(number) != data
    }
    if not changed:
        return
    kept = {name for name in disk.names(here.folder) if _stays(name, here, changed)}
    if base is there:
        changed |= _snapshot_of(disk, there)
        kept.clear()
        changed |= {segment_name(number): data for number, data in segments.items()}
    replace_files(disk, here.folder, changed, kept)


def _stays(name: str, here: _Book, changed: dict[str, bytes]) -> bool:
    if ".snapshot." in name or is_before(name, here.first):
        return True
    return ".jsonl" in name and f"{name[:8]}.jsonl" not in changed


def _snapshot_of(disk: Disk, book: _Book) -> dict[str, bytes]:
    path = snapshot_path(book.folder, book.first)
    return {path.name: read_file(disk, path)} if path.name in disk.names(book.folder) else {}
