"""Write and read snapshots: the whole state at the beginning of a segment, in lines of a journal.

A snapshot `NUMBER.snapshot.jsonl.zst` replaces all segments below NUMBER. It may hold changes
that the following segments tell of once more; telling them again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

from holdfast.frozen import frozen
from holdfast.ids import new_file_id
from holdfast.storage.files.cursor import Position, check_header
from holdfast.storage.files.disk import Disk
from holdfast.storage.files.index import Index
from holdfast.storage.files.lines import (
    FORMAT,
    START,
    BadLine,
    Line,
    read_line,
    write_key,
    write_line,
    write_value,
    write_values,
)
from holdfast.storage.files.parity import Parity, mended
from holdfast.storage.files.segments import (
    Damage,
    compress,
    decompress_frames,
    read_file,
    read_lines,
)
from holdfast.storage.files.tail import Cell, Generation, changes_of
from holdfast.storage.keys import decode_key

SUFFIX = ".snapshot.jsonl.zst"
_LINE_OPERATIONS = 200
_FRAME_BYTES = 1 << 20
_GENERATION_LINES = 50


def snapshot_numbers(disk: Disk, folder: Path) -> list[int]:
    """Return the numbers of the segments that snapshots lead to, in order."""
    names = disk.names(folder)
    return sorted(int(name[:8]) for name in names if name[8:] == SUFFIX and name[:8].isdigit())


def snapshot_path(folder: Path, number: int) -> Path:
    """Return the file of the snapshot that leads to a segment."""
    return folder / f"{number:08d}{SUFFIX}"


def write_snapshot(
    disk: Disk,
    folder: Path,
    index: Index,
    position: Position,
    now: int,
    *,
    is_lossy: bool = False,
    last: bytes = b"",
) -> Path:
    """Write the state of an index that has reached `position`, the beginning of a segment.

    `is_lossy` notes that records and entries are missing in it. `last` is the line in front of the
    position: a clone that has the one before that knows by it where the two belong together.
    """
    path = snapshot_path(folder, position.segment)
    packed = folder / f"{new_file_id()}.tmp"
    handle = disk.open(packed, exclusive=True)
    try:
        offset = 0
        lines = _lines(index, position, now, is_lossy=is_lossy, last=last)
        for frame in _protected(_frames(lines)):
            written = 0
            while written < len(frame):
                written += disk.write(handle, frame[written:], offset + written)
            offset += written
        disk.sync(handle)
    finally:
        disk.close(handle)
    disk.rename(packed, path)
    disk.sync_folder(folder)
    return path


@frozen(kw_only=False)
class Snapshot:
    """A snapshot to load: where it leads to, and its state in portions."""

    position: Position
    generations: Iterator[Generation]


def open_snapshot(disk: Disk, folder: Path) -> Snapshot | None:
    """Return the newest snapshot, or None.

    Raises:
        BadLine: it is damaged.
    """
    numbers = snapshot_numbers(disk, folder)
    if not numbers:
        return None
    lines = _read(disk, snapshot_path(folder, numbers[-1]))
    position = position_of(next(lines))
    return Snapshot(position, _generations(lines, position))


def position_of(line: Line) -> Position:
    """Return where the snapshot leads to whose first line this is."""
    header = check_header(line.operations[0])
    return Position(header["segment"], 0, header["number"], header["hash"], header["version"])


def check_snapshot(disk: Disk, path: Path) -> int:
    """Return the number of lines of a snapshot.

    Raises:
        BadLine: it is damaged.
    """
    return sum(1 for _ in _read(disk, path))


def _generations(lines: Iterator[Line], position: Position) -> Iterator[Generation]:
    yield Generation(position)  # a state without anything in it has its place too
    while portion := list(islice(lines, _GENERATION_LINES)):
        generation = Generation(position)
        for line in portion:
            generation.apply(changes_of(line))
        yield generation


def _read(disk: Disk, path: Path) -> Iterator[Line]:
    return snapshot_lines(mended(read_file(disk, path)), path.name)


def snapshot_lines(frames: bytes, name: str) -> Iterator[Line]:
    """Give the lines of a snapshot, which must all be there.

    Raises:
        BadLine: it is damaged.
    """
    previous = START
    for data in decompress_frames(frames):
        for found in read_lines(data, 0, 0):
            if isinstance(found, Damage) or found.line.previous != previous:
                raise BadLine(f"the snapshot {name} is damaged")
            previous = found.line.hash
            if found.line.operations[0][0] == "end":
                return
            yield found.line
    raise BadLine(f"the snapshot {name} has no end")


def last_line(disk: Disk, folder: Path, number: int) -> Line | None:
    """Return the line that was the last one before a snapshot, if the snapshot tells.

    Raises:
        BadLine: the snapshot is damaged.
    """
    header = check_header(next(_read(disk, snapshot_path(folder, number))).operations[0])
    return read_line(header["last"].encode()) if "last" in header else None


def _lines(
    index: Index, position: Position, now: int, *, is_lossy: bool, last: bytes
) -> Iterator[bytes]:
    more = ',"lossy":true' if is_lossy else ""
    more += f',"last":{write_value(last)}' if last else ""
    header = (
        f'["snapshot",{{"format":{FORMAT},"version":{position.version},'
        f'"segment":{position.segment},"number":{position.number},"hash":"{position.hash}"{more}}}]'
    )
    previous = START
    texts = chain((header,), _grouped(_operations(index, now)), ('["end"]',))
    for number, text in enumerate(texts, 1):
        data, previous = write_line(
            number,
            text,
            synced=number - 1,
            version=position.version,
            written_at=now,
            previous=previous,
        )
        yield data


def _grouped(operations: Iterator[str]) -> Iterator[str]:
    while portion := list(islice(operations, _LINE_OPERATIONS)):
        yield ",".join(portion)


def _operations(index: Index, now: int) -> Iterator[str]:
    for key, cell in index.all_records():
        if cell.is_live(now) and cell.value is not None:
            yield _put(key, cell, cell.value)
    for name, last in index.erasures():
        yield f'["erase",{write_key(decode_key(name))},{last}]'
    for name, first, values in index.all_logs(_LINE_OPERATIONS):
        yield f'["append",{write_key(decode_key(name))},{first},{write_values(values)}]'


def _put(key: bytes, cell: Cell, value: bytes) -> str:
    expires = "null" if cell.expires_at is None else cell.expires_at
    due = "null" if cell.due_at is None else cell.due_at
    head = f'["put",{write_key(decode_key(key))},{cell.version},{write_value(value)}'
    return f"{head},{expires},{due}]"


def _protected(frames: Iterable[bytes]) -> Iterator[bytes]:
    parity = Parity()
    for frame in frames:
        parity.add(frame)
        yield frame
    yield parity.frame()


def _frames(lines: Iterable[bytes]) -> Iterator[bytes]:
    parts: list[bytes] = []
    size = 0
    for line in lines:
        parts.append(line)
        size += len(line)
        if size >= _FRAME_BYTES:
            yield compress(b"".join(parts))
            parts, size = [], 0
    yield compress(b"".join(parts))
