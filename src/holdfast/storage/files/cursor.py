"""Follow the journal from line to line and from segment to segment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from holdfast.errors import StorageTooNew, StorageUnavailable
from holdfast.frozen import NamedTuple
from holdfast.storage.files.disk import Disk
from holdfast.storage.files.lines import FORMAT, START, BadLine, Fields, Line, read_line
from holdfast.storage.files.segments import (
    Damage,
    Found,
    Segment,
    open_segment,
    read_lines,
    segment_numbers,
)

_LONGEST_HEADER = 1024
UNCHAINED = ""
"""The hash of a position whose predecessor nobody can read: the next good line is believed."""


class Position(NamedTuple):
    """A place between two lines.

    `number` and `hash` are those of the line before it, `version` is the greatest version that
    was given out by then. A position behind the seal of a segment leads on to the next one, which
    may not have been made yet.
    """

    segment: int
    offset: int = 0
    number: int = 0
    hash: str = START
    version: int = 0
    is_sealed: bool = False


class Reading(NamedTuple):
    """What a cursor found on its way: good lines, and what was damaged between them."""

    lines: list[Line]
    damages: list[Damage]


class Cursor:
    """A reader of the journal with handles of its own. It only believes lines that chain."""

    def __init__(self, disk: Disk, folder: Path, position: Position) -> None:
        self._disk = disk
        self._folder = folder
        self.position = position
        self.segment = Segment(disk, position.segment)
        self._broken: list[Damage] = []
        self._enter(position.segment)

    def move(self, position: Position) -> None:
        """Go to a position."""
        if position.segment != self.position.segment:
            self._enter(position.segment)
        self.position = position

    def close(self) -> None:
        """Give the handle back."""
        self.segment.close()

    def holds_more(self) -> bool:
        """Return whether something was written behind the position."""
        if self.position.is_sealed and not self.enter_next() and not self._enter_late():
            return False
        return self.segment.holds_more(self.position.offset)

    def enter_next(self) -> bool:
        """Go from behind a seal to the beginning of the next segment, if there is one."""
        number = self.position.segment + 1
        try:
            self._enter(number)
        except FileNotFoundError:
            return False
        self.position = self.position._replace(segment=number, offset=0, is_sealed=False)
        return True

    def advance(self) -> list[Line]:
        """Return the lines that were written since, and stand behind the last good one.

        A line that is being written at this moment is not there yet.
        """
        lines: list[Line] = []
        while self.holds_more():
            passed = self._pass()
            if not passed:
                break
            lines += passed
        return lines

    def _pass(self) -> list[Line]:
        """Go behind the good lines that follow in this segment.

        Only the first one's hash is compared: what others write at this moment was chained by a
        writer that held the lock, and the checksums and the numbers say that nothing is missing.
        """
        base = self.position.offset
        data = self.segment.read_on(base)
        lines: list[Line] = []
        last: Found | None = None
        for found in read_lines(data, self.segment.number, base):
            if isinstance(found, Damage):
                break
            fits = found.line.number == last.line.number + 1 if last else self.follows(found.line)
            if not fits:
                break
            if not lines and found.offset == 0:
                check_format(found.line)
            lines.append(found.line)
            last = found
        if last:
            self.step(last)
        return lines

    def readings(self) -> Iterator[Reading]:
        """Read on to the end of the journal, a segment at a time, and skip what is damaged.

        Bytes that are no line are damage if a later line proves that a line was on the disk
        there, or if their segment was sealed; otherwise they are the tail that a dying writer
        left, and the cursor stays in front of them. Only a holder of the lock knows the
        difference, since others may be writing.
        """
        while True:
            lines, damages = self._advance_in_segment()
            damages += self._broken
            self._broken.clear()
            yield Reading(lines, damages)
            if not (self.position.is_sealed and self.enter_next()) and not self._leave_unsealed():
                return

    def advance_over_damage(self) -> Reading:
        """Return all `readings` as one."""
        lines: list[Line] = []
        damages: list[Damage] = []
        for reading in self.readings():
            lines += reading.lines
            damages += reading.damages
        return Reading(lines, damages)

    def follows(self, line: Line) -> bool:
        """Return whether a line belongs behind the position."""
        if self.position.hash == UNCHAINED:
            return line.number > self.position.number
        return line.number == self.position.number + 1 and line.previous == self.position.hash

    def step(self, found: Found) -> None:
        """Go behind a line."""
        line = found.line
        if found.offset == 0:
            check_format(line)
        number, digest, is_sealed = behind(line)
        self.position = Position(
            segment=self.segment.number,
            offset=found.end,
            number=number,
            hash=digest,
            version=max(self.position.version, line.version),
            is_sealed=is_sealed,
        )

    def _enter_late(self) -> bool:
        """Look once more for the next segment if there are later ones: it may be gone for good.

        Raises:
            StorageUnavailable: a compaction has deleted it.
        """
        numbers = segment_numbers(self._disk, self._folder)
        if not numbers or numbers[-1] <= self.position.segment + 1:
            return False
        if self.enter_next():  # others made it, and another one behind it, a moment ago
            return True
        raise StorageUnavailable(
            f"the store {str(self._folder.parent)!r} was compacted by another process while this "
            "one did not look at it",
            hint="close the store and open it again; nothing is lost",
        )

    def _advance_in_segment(self) -> tuple[list[Line], list[Damage]]:
        """Read on to the end of this segment, or over its end if it is sealed."""
        lines: list[Line] = []
        damages: list[Damage] = []
        segment = self.segment.number
        data = self.segment.read_all(self.position.offset)
        items = list(read_lines(data, segment, self.position.offset))
        sealed = segment < (segment_numbers(self._disk, self._folder) or [0])[-1]
        for index, item in enumerate(items):
            if isinstance(item, Found) and self.follows(item.line):
                self.step(item)
                lines.append(item.line)
                continue
            if not (sealed or _proven(items[index:], self.position.number + 1)):
                break
            damage = item if isinstance(item, Damage) else _broken_chain(segment, item)
            damages.append(damage)
            if isinstance(item, Found):
                self.step(item)
                lines.append(item.line)
            else:
                end = item.offset + item.length
                self.position = self.position._replace(offset=end, hash=UNCHAINED)
        return lines, damages

    def _leave_unsealed(self) -> bool:
        """Go on to the next segment if there is one, though this one has no seal that is good."""
        later = [n for n in segment_numbers(self._disk, self._folder) if n > self.segment.number]
        if not later:
            return False
        self._enter(later[0])
        self.position = self.position._replace(
            segment=later[0], offset=0, hash=UNCHAINED, is_sealed=False
        )
        return True

    def _enter(self, number: int) -> None:
        try:
            segment = open_segment(self._disk, self._folder, number)
        except BadLine as error:
            self._broken.append(Damage(number, 0, 0, str(error)))
            segment = Segment(self._disk, number)
        self.segment.close()
        self.segment = segment


def behind(line: Line) -> tuple[int, str, bool]:
    """Return the number and the hash that the next line refers to, and whether this one is a seal.

    A line that a repair put in place of lost ones leads on to what was behind those.
    """
    if not line.is_lost:
        return line.number, line.hash, line.is_seal
    lost = cast("dict[str, Any]", line.operations[0][1])
    return lost["number"], lost["hash"] or line.hash, lost["seals"]


def check_format(line: Line) -> None:
    """Refuse a segment whose first line has a format of the future.

    Raises:
        StorageTooNew: it has.
    """
    if line.is_header:
        check_header(line.operations[0])


def format_of(segment: Segment) -> int:
    """Return the format that the first line of a segment names; 0 if that line is damaged."""
    head = segment.read(_LONGEST_HEADER, 0).split(b"\n", 1)[0]
    try:
        line = read_line(head + b"\n")
    except BadLine:
        return 0
    return check_header(line.operations[0])["format"] if line.is_header else 0


def check_header(fields: Fields) -> dict[str, Any]:
    """Return the header of a segment or a snapshot.

    Raises:
        StorageTooNew: it has a format of the future.
    """
    header = cast("dict[str, Any]", fields[1])
    if header["format"] > FORMAT:
        raise StorageTooNew(
            f"a newer Holdfast wrote this store: it has format {header['format']}, "
            f"and this one knows {FORMAT}",
            hint="upgrade Holdfast, or open another store",
        )
    return header


def _proven(items: list[Found | Damage], number: int) -> bool:
    """Return whether a later line says that the line of this number was on the disk."""
    return any(isinstance(item, Found) and item.line.synced >= number for item in items)


def _broken_chain(segment: int, found: Found) -> Damage:
    return Damage(segment, found.offset, 0, "a line is missing before this one")
