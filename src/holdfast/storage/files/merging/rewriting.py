"""Write lines behind others: as they are where they fit, else with the numbers that belong there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from holdfast.storage.files.cursor import behind
from holdfast.storage.files.lines import FORMAT, Fields, Line, read_line, write_line
from holdfast.storage.files.merging.origins import ERASE, Written, format_named, write_origin

_HEADER = f'["segment",{{"format":{FORMAT}}}]'
_SEAL = '["seal"]'


class Rewriter:
    """The end of a journal that is being put together.

    All that it writes depends only on the lines before and on what is written, so that two clones
    that put the same together have the same bytes.
    """

    def __init__(
        self, lines: Sequence[Line], first: Line, last_numbers: dict[str, int], longest: int | None
    ) -> None:
        """Begin behind `lines`, or where `first` begins if there are none.

        `last_numbers` are those of the logs there, `longest` is the length from which on a segment is
        sealed; None for never.
        """
        self.lines = list(lines)
        self._numbers = last_numbers
        self._longest = longest
        self._offset = 0
        self._format = FORMAT
        self._number = first.number - 1
        self.hash = first.previous
        self._version = first.version if not lines else 0
        for line in lines:
            self._step(line)

    def keep(self, lines: Iterable[Line]) -> None:
        """Add lines that follow as they are."""
        for line in lines:
            self.lines.append(line)
            self._step(line)
            for fields in line.operations:
                if fields[0] == "append":
                    self._numbers[name_of(fields)] = fields[2] + len(fields[3]) - 1

    def write(self, written: Written) -> None:
        """Add what a line says, under numbers of its new place."""
        line = written.line
        self._ready(line.written_at)
        if self._format < FORMAT and any(fields[0] == ERASE for fields in written.operations):
            self.begin_segment()  # an older Holdfast must not pass over it
        operations = [self._renumbered(fields) for fields in written.operations]
        self._add([*operations, write_origin(written.origin)], line.written_at)

    def write_new(self, operations: Sequence[Fields], written_at: int) -> None:
        """Add a line that nobody has written before."""
        self._ready(written_at)
        self._add([self._renumbered(fields) for fields in operations], written_at)

    def begin_segment(self) -> None:
        """Seal the segment, unless it is sealed, and begin another one."""
        written_at = self.lines[-1].written_at
        if self._offset:
            self._put(_SEAL, written_at)
        self._put(_HEADER, written_at)

    def _ready(self, written_at: int) -> None:
        if self._offset == 0:
            self._put(_HEADER, written_at)
        elif self._longest is not None and self._offset >= self._longest:
            self.begin_segment()

    def _renumbered(self, fields: Fields) -> Fields:
        match fields[0]:
            case "put" | "delete":
                # A version that somebody has seen must not come again with something else.
                self._version = max(self._version + 1, fields[2])
                return [*fields[:2], self._version, *fields[3:]]
            case "append":
                name = name_of(fields)
                first = self._numbers.get(name, 0) + 1
                self._numbers[name] = first + len(fields[3]) - 1
                return [*fields[:2], first, fields[3]]
            case "erase":
                # All that its writer knew stands before it, and nothing else: see `erasing`.
                return [*fields[:2], self._numbers.get(name_of(fields), 0)]
            case "lost":
                # The lines around it are others now; what it tells stays readable.
                return ["was-lost", *fields[1:]]
            case _:
                return fields

    def _add(self, operations: Sequence[Fields], written_at: int) -> None:
        text = json.dumps(operations, ensure_ascii=False, separators=(",", ":"))
        self._put(text[1:-1], written_at)

    def _put(self, text: str, written_at: int) -> None:
        data, _ = write_line(
            self._number + 1,
            text,
            # The file takes its place only when all of it is on the disk.
            synced=self._number,
            version=self._version,
            written_at=written_at,
            previous=self.hash,
        )
        line = read_line(data)
        self.lines.append(line)
        self._step(line)

    def _step(self, line: Line) -> None:
        self._number, self.hash, _ = behind(line)
        self._version = max(self._version, line.version)
        self._offset = 0 if line.is_seal else self._offset + len(line.data)
        if line.is_header:
            self._format = format_named(line)


def name_of(fields: Fields) -> str:
    """Return the key or the log of an operation as a text."""
    return json.dumps(fields[1], ensure_ascii=False, separators=(",", ":"))
