"""Put a merged journal in the place of the files that are there, all of it or nothing.

The new files are written beside the old ones and synced. Then a list of them gets the name
`merged.json`: from that moment on the merge has happened, and whoever finds the list finishes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from holdfast.errors import StorageUnavailable
from holdfast.ids import new_file_id
from holdfast.storage.files import journal
from holdfast.storage.files.disk import Disk
from holdfast.storage.files.indexer import write_file
from holdfast.storage.files.lines import Line
from holdfast.storage.files.merging.chains import chains_of, join_all
from holdfast.storage.files.merging.heaps import heap_lines
from holdfast.storage.files.merging.joining import Joined
from holdfast.storage.files.merging.pending import HEAD, MERGED
from holdfast.storage.files.merging.rewriting import Rewriter
from holdfast.storage.files.segments import (
    read_compressed,
    read_file,
    segment_name,
    segment_numbers,
    without_zeros,
)
from holdfast.storage.files.users import alone_if_possible

_STAGED = ".staged"


def settle_pending(disk: Disk, folder: Path) -> None:
    """Finish the merge of a journal that waits for it. Nobody has the store open.

    Raises:
        StorageCorrupt: lines are missing.
        StorageUnavailable: another process has the store open.
    """
    with alone_if_possible(folder, disk) as is_alone:
        if is_alone:
            settle(disk, folder)
            return
    raise StorageUnavailable(
        f"the journal of the store {str(folder.parent)!r} was merged by git and has to be sorted, and "
        "another process has it open",
        hint="stop all who use the store, then try again; nothing is lost",
    )


def settle(disk: Disk, folder: Path) -> Joined | None:
    """Finish a merge that was begun, and sort what git has merged. The caller is alone."""
    finish(disk, folder)
    contents = read_segments(disk, folder, 0)
    heaps = [number for number, data in contents.items() if data.startswith(HEAD)]
    if not heaps:
        return None
    first = heaps[0]
    lines = [
        line
        for number, data in contents.items()
        if number >= first
        for line in heap_lines(data, segment_name(number))
    ]
    joined = join_all(chains_of(lines), longest=journal.SEGMENT_BYTES)
    segments = split(joined.lines, first, max(contents))
    files = {segment_name(number): data for number, data in segments.items()}
    kept = {name for name in disk.names(folder) if is_before(name, first)}
    replace_files(disk, folder, files, kept)
    return joined


def read_segments(disk: Disk, folder: Path, first: int) -> dict[int, bytes]:
    """Return the contents of the segments from a number on, compressed or not, by their numbers."""
    return {
        number: _content(disk, folder, number)
        for number in segment_numbers(disk, folder)
        if number >= first
    }


def split(lines: Sequence[Line], first: int, last: int) -> dict[int, bytes]:
    """Return the contents of segments from `first` to `last` or beyond that hold the lines.

    There are never fewer files than before: for git a file that is gone on one side and changed on the
    other is a conflict.
    """
    padded = Rewriter(lines, lines[0], {}, None)
    missing = last - first - sum(line.is_seal for line in lines[:-1])
    for _ in range(missing):
        padded.begin_segment()
    segments: dict[int, list[bytes]] = {first: []}
    number = first
    for line in padded.lines:
        segments.setdefault(number, []).append(line.data)
        number += line.is_seal
    return {number: b"".join(parts) for number, parts in segments.items()}


def replace_files(disk: Disk, folder: Path, files: Mapping[str, bytes], kept: set[str]) -> None:
    """Let a journal be these files and those that are `kept`, durably, all or nothing."""
    _drop_staged(disk, folder)
    staged: dict[str, str] = {}
    for name, data in files.items():
        path = folder / f"{new_file_id()}{_STAGED}"
        write_file(disk, path, data)
        staged[path.name] = name
    listed = json.dumps({"staged": staged, "files": sorted({*files, *kept})})
    path = folder / f"{new_file_id()}{_STAGED}"
    write_file(disk, path, listed.encode())
    disk.sync_folder(folder)
    disk.rename(path, folder / MERGED)
    disk.sync_folder(folder)
    finish(disk, folder)


def finish(disk: Disk, folder: Path) -> None:
    """Put the files of a merge that has happened where they belong."""
    names = set(disk.names(folder))
    if MERGED not in names:
        return
    listed = cast("dict[str, Any]", json.loads(read_file(disk, folder / MERGED)))
    for staged, name in listed["staged"].items():
        if staged in names:
            disk.rename(folder / staged, folder / name)
    wanted = set(listed["files"])
    for name in disk.names(folder):
        if ".jsonl" in name and name[:8].isdigit() and name not in wanted:
            disk.unlink(folder / name)
    disk.sync_folder(folder)
    disk.unlink(folder / MERGED)
    disk.sync_folder(folder)


def is_before(name: str, first: int) -> bool:
    """Return whether a file of a journal lies before a segment; so does the snapshot it follows."""
    number = int(name[:8]) if ".jsonl" in name and name[:8].isdigit() else first
    return number < first or (".snapshot." in name and number == first)


def _content(disk: Disk, folder: Path, number: int) -> bytes:
    with suppress(FileNotFoundError):
        return without_zeros(read_file(disk, folder / segment_name(number)))
    return read_compressed(disk, folder, number)


def _drop_staged(disk: Disk, folder: Path) -> None:
    """Remove what a merge left behind that was killed before it had happened."""
    for name in disk.names(folder):
        if name.endswith(_STAGED):
            disk.unlink(folder / name)
