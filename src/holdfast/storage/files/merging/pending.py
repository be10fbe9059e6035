"""Know whether the journal of a store has to be sorted before anybody reads it. Every opening asks."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from holdfast.storage.files.disk import Disk
from holdfast.storage.files.lines import START, write_line
from holdfast.storage.files.segments import SHARED, SUFFIX

MERGED = "merged.json"
"""The list of the files of a merge that has happened and is not finished."""

HEAP_FORMAT = 1_000_000
"""Far above those of segments: a Holdfast that knows no heaps refuses to open one."""

HEAD: Final = write_line(
    0,
    f'["segment",{{"format":{HEAP_FORMAT},"heap":true}}]',
    synced=0,
    version=0,
    written_at=0,
    previous=START,
)[0]
"""The first line of a heap, see `heaps`."""


def is_pending(disk: Disk, folder: Path) -> bool:
    """Return whether a merge of the journal in a folder has to be finished."""
    names = disk.names(folder)
    if MERGED in names:
        return True
    return SHARED in names and any(
        _is_heap(disk, folder / name) for name in names if name.endswith(SUFFIX)
    )


def _is_heap(disk: Disk, path: Path) -> bool:
    handle = disk.open(path)
    try:
        return disk.read(handle, len(HEAD), 0) == HEAD
    finally:
        disk.close(handle)
