"""Find where the journal begins: at its first line, or behind the newest snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from holdfast.storage.files.cursor import Position
from holdfast.storage.files.disk import Disk
from holdfast.storage.files.lines import START, BadLine, Line
from holdfast.storage.files.parity import Inspection, inspect
from holdfast.storage.files.segments import Found, read_file, read_lines
from holdfast.storage.files.snapshot import (
    position_of,
    snapshot_lines,
    snapshot_numbers,
    snapshot_path,
)
from holdfast.storage.files.tail import Generation, changes_of
from holdfast.storage.files.upkeep.facts import Facts
from holdfast.storage.files.upkeep.healing import Anchor
from holdfast.storage.files.upkeep.shelf import FileFault, Shelf, file_fault
from holdfast.storage.files.zstandard import salvage


@dataclass(slots=True)
class Start:
    """The beginning of what has to be read: a segment, and what its first line refers to.

    `fault` says what is wrong with the snapshot, whose right `frames` are there unless `is_broken`.
    `is_lossy` says that an earlier repair could not save all of it.
    """

    segment: int
    anchor: Anchor
    version: int = 0
    name: str = ""
    frames: bytes = b""
    fault: FileFault | None = None
    is_lossy: bool = False

    @property
    def is_broken(self) -> bool:
        """Whether the state that the snapshot held is not known any more."""
        return self.fault is not None and self.fault.frames is None

    @property
    def position(self) -> Position:
        """Where the journal goes on."""
        return Position(self.segment, 0, self.anchor.number, self.anchor.hash, self.version)

    def complete(self, shelf: Shelf) -> None:
        """Learn from the first line of the journal where a broken snapshot led to."""
        items = read_lines(shelf.content(self.segment).data, self.segment, 0)
        first = next(items, None) if self.is_broken else None
        if isinstance(first, Found):
            self.anchor = Anchor(first.line.number - 1, first.line.previous)
            self.version = first.line.version

    def facts(self) -> Facts:
        """Return what the snapshot says, as far as it can be read."""
        facts = Facts()
        for line in self.lines():
            facts.take(line)
        facts.holes.clear()  # losses of long ago, that a compaction has made final
        return facts

    def lines(self) -> Iterator[Line]:
        """Give the lines that can be read."""
        if self.is_broken:
            items = read_lines(salvage(self.frames), 0, 0)
            yield from (item.line for item in items if isinstance(item, Found))
        elif self.name:
            yield from snapshot_lines(self.frames, self.name)

    def generations(self) -> Iterator[Generation]:
        """Give what can be read in portions."""
        for line in self.lines():
            generation = Generation(self.position)
            generation.apply(changes_of(line))
            yield generation


def find_start(disk: Disk, folder: Path) -> Start:
    """Return the beginning of the journal in a folder."""
    numbers = snapshot_numbers(disk, folder)
    if not numbers:
        return Start(1, Anchor(0, START))
    path = snapshot_path(folder, numbers[-1])
    seen = inspect(read_file(disk, path))
    try:
        position, is_lossy = _check(seen, path.name)
    except BadLine:
        fault = file_fault(path.name, seen, is_readable=False)
        return Start(numbers[-1], Anchor(0, START), 0, path.name, seen.frames, fault)
    is_whole = seen.is_sound and not seen.damaged
    return Start(
        position.segment,
        Anchor(position.number, position.hash),
        position.version,
        path.name,
        seen.frames,
        None if is_whole else file_fault(path.name, seen, is_readable=True),
        is_lossy,
    )


def _check(seen: Inspection, name: str) -> tuple[Position, bool]:
    """Return where a snapshot leads to and whether it is lossy, if all of it can be read."""
    lines = snapshot_lines(seen.frames, name)
    first = next(lines, None)
    if first is None:
        raise BadLine(f"the snapshot {name} is empty")
    for _ in lines:
        pass
    return position_of(first), "lossy" in first.operations[0][1]
