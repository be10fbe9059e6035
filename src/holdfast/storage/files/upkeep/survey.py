"""Walk the whole chain of the journal, and find every gap in it.

A line is believed if its checksum is right and it belongs to the chain; where two good lines that
touch do not agree, the later one is believed, because all that follows stands behind it. At the end
of the last segment a dying writer may have left anything: there a line counts as lost only if a
later one says that it was on the disk (`proof`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.storage.files.cursor import behind, check_format
from holdfast.storage.files.lines import Line
from holdfast.storage.files.segments import Found, read_lines
from holdfast.storage.files.upkeep.healing import Anchor
from holdfast.storage.files.upkeep.shelf import Shelf


@dataclass(frozen=True, slots=True)
class Good:
    """A line of the chain, and where it lies."""

    segment: int
    offset: int
    line: Line
    proof: int

    @property
    def anchor(self) -> Anchor:
        """What the next line refers to."""
        return Anchor(*behind(self.line)[:2])

    @property
    def end(self) -> int:
        """The offset behind it."""
        return self.offset + len(self.line.data)


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a segment that are no line of the chain. There may be none where lines are gone.

    `proof` is the number up to which all lines were on the disk, as the lines behind them say.
    """

    segment: int
    offset: int
    data: bytes
    reason: str
    proof: int


@dataclass(frozen=True, slots=True)
class Gap:
    """What is damaged between two good lines: a part in each segment that it touches.

    `before` is what the first lost line referred to, with the greatest `version` by then. `after` is
    the good line that follows; None at the end of the journal.
    """

    parts: tuple[Part, ...]
    before: Anchor
    version: int
    after: Good | None

    @property
    def last(self) -> Anchor | None:
        """The number and the hash of the last lost line, if they are known."""
        return Anchor(self.after.line.number - 1, self.after.line.previous) if self.after else None

    @property
    def count(self) -> int | None:
        """How many lines are lost, if that is known."""
        return self.after.line.number - 1 - self.before.number if self.after else None

    @property
    def is_torn(self) -> bool:
        """Whether this looks like what a dying writer leaves: nobody says that it was complete.

        What was never written reads as zeros, and the last line may lack its end.
        """
        part = self.parts[-1]
        if len(self.parts) > 1 or part.proof > self.before.number:
            return False
        return b"\0" in part.data or part.data[-1:] != b"\n" or part.reason == _MISPLACED


_MISPLACED = "a line stands where it does not belong"
PROVEN = 1 << 62


def walk(shelf: Shelf, start: Anchor, version: int = 0) -> Iterator[Good | Gap]:
    """Give the lines and the gaps of the journal behind `start`, in their order."""
    return _Walk(shelf, start, version).run()


class _Walk:
    """The lines are given one behind: the next one may show that a line was changed."""

    def __init__(self, shelf: Shelf, start: Anchor, version: int) -> None:
        self._shelf = shelf
        self._before = start
        self._version = version
        self._last: Good | None = None
        self._parts: list[Part] = []

    def run(self) -> Iterator[Good | Gap]:
        for item in self._items():
            if isinstance(item, Part):
                self._add(item)
            else:
                yield from self._take(item)
        yield from self._release()
        if self._parts:
            yield self._gap(None)

    def _items(self) -> Iterator[Good | Part]:
        numbers = self._shelf.numbers
        last = numbers[-1] if numbers else 0
        for number in range(self._first(), last + 1):
            content = self._shelf.content(number)
            yield from _read(number, content.data, is_last=number == last)
            if content.broken:
                yield Part(number, len(content.data), b"", content.broken, PROVEN)

    def _first(self) -> int:
        """Return the segment that the chain begins in, though it may be missing."""
        numbers, first = self._shelf.numbers, self._shelf.first
        if self._before.number or not numbers:
            return first
        return max(first, numbers[0] - 1)

    def _take(self, item: Good) -> Iterator[Good | Gap]:
        anchor, number = self._anchor, item.line.number
        if number == anchor.number + 1 and item.line.previous == anchor.hash and not self._parts:
            yield from self._release()
            self._last = item
        elif number <= anchor.number:
            self._add(_misplaced(item))
        elif self._parts:
            yield from self._close(item)
        elif item.proof < number - 1:
            self._add(_misplaced(item))
        elif number == anchor.number + 1:
            yield from self._distrust(item)
        else:
            reason = "lines are missing here"
            self._add(Part(item.segment, item.offset, b"", reason, item.proof))
            yield from self._close(item)

    def _close(self, item: Good) -> Iterator[Good | Gap]:
        yield from self._release()
        yield self._gap(item)
        self._last = item

    def _distrust(self, item: Good) -> Iterator[Good | Gap]:
        """Give the line in front of this one as a gap: this one stands behind another one."""
        reason = "the line was changed after it was written"
        if self._last:
            bad, self._last = self._last, None
            self._add(Part(bad.segment, bad.offset, bad.line.data, reason, item.proof))
        else:
            reason = "the journal does not follow from the snapshot"
            self._add(Part(item.segment, item.offset, b"", reason, item.proof))
        yield from self._close(item)

    @property
    def _anchor(self) -> Anchor:
        return self._last.anchor if self._last else self._before

    def _release(self) -> Iterator[Good]:
        if self._last:
            yield self._last
            self._before, self._version = self._last.anchor, self._last.line.version
            self._last = None

    def _add(self, part: Part) -> None:
        if self._parts and self._parts[-1].segment == part.segment:
            first = self._parts.pop()
            data, proof = first.data + part.data, max(first.proof, part.proof)
            part = Part(first.segment, first.offset, data, first.reason, proof)
        self._parts.append(part)

    def _gap(self, after: Good | None) -> Gap:
        gap = Gap(tuple(self._parts), self._before, self._version, after)
        self._parts.clear()
        return gap


def _read(number: int, data: bytes, *, is_last: bool) -> Iterator[Good | Part]:
    """Give the lines and the damage of a segment, each with what the lines behind it prove."""
    items = list(read_lines(data, number, 0))
    proofs: list[int] = []
    proof = 0 if is_last else PROVEN
    for item in reversed(items):
        proof = max(proof, item.line.synced) if isinstance(item, Found) else proof
        proofs.append(proof)
    for item, proof in zip(items, reversed(proofs), strict=True):
        if isinstance(item, Found):
            if item.offset == 0:
                check_format(item.line)
            yield Good(number, item.offset, item.line, proof)
            continue
        part = data[item.offset : item.offset + item.length]
        yield Part(number, item.offset, part, item.reason, proof)


def _misplaced(item: Good) -> Part:
    return Part(item.segment, item.offset, item.line.data, _MISPLACED, item.proof)
