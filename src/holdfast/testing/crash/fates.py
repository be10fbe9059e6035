"""What may become of one write that no sync has covered."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from holdfast.testing.crash.image import Content
from holdfast.testing.crash.operations import Resize, Write

SECTOR = 512
PAGE = 4096
_ALL_SUBSETS_OF_PAGES = 4


@dataclass(frozen=True, slots=True)
class Fate:
    """The pieces of a write that reached the disk, and how long they leave the file at least."""

    what: str
    pieces: tuple[tuple[int, bytes], ...] = ()
    length: int = 0

    def apply(self, content: Content) -> Content:
        """Return the content with what reached the disk."""
        for offset, data in self.pieces:
            content = content.write(data, offset)
        return content.resize(self.length) if self.length > content.size else content


@dataclass(frozen=True, slots=True)
class Resized:
    """The fate of a change of length that reached the disk."""

    size: int
    grows: bool
    what: str = "whole"

    def apply(self, content: Content) -> Content:
        """Return the content with its new length."""
        return content.resize(max(self.size, content.size) if self.grows else self.size)


AnyFate = Fate | Resized
ABSENT = Fate("absent")


def whole(operation: Write | Resize) -> AnyFate:
    """Return the fate of an operation that reached the disk."""
    if isinstance(operation, Resize):
        return Resized(operation.size, operation.grows)
    return Fate("whole", ((operation.offset, operation.data),))


def fates(operation: Write | Resize, *, tears: int, chance: random.Random) -> Sequence[AnyFate]:
    """Return what may become of an operation: the first is nothing, the second all of it.

    A write may also be cut at a byte (at `tears` of them, at all if it is not longer), with and
    without the new length of the file; leave nothing but that length; and lack any of its pages.
    """
    if isinstance(operation, Resize):
        return ABSENT, whole(operation)
    cuts = tuple(_cuts(operation, tears, chance))
    return ABSENT, whole(operation), *_zeroed(operation), *cuts, *_missing_pages(operation, chance)


def _cuts(write: Write, tears: int, chance: random.Random) -> Iterator[Fate]:
    data, offset = write.data, write.offset
    end = offset + len(data)
    for cut in _places(write, tears, chance):
        pieces = ((offset, data[:cut]),)
        yield Fate(f"cut behind {cut} bytes", pieces)
        # The length of the file may be on the disk before the last of the content.
        if write.extends and (offset + cut) % SECTOR == 0:
            yield Fate(f"zeros behind {cut} bytes", pieces, end)


def _places(write: Write, tears: int, chance: random.Random) -> Sequence[int]:
    """Return where to cut: everywhere, or at sectors, at both ends, and somewhere."""
    length = len(write.data)
    if length - 1 <= tears:
        return range(1, length)
    first = -write.offset % SECTOR or SECTOR
    sectors = list(range(first, length, SECTOR))
    if len(sectors) > tears // 2:
        sectors = chance.sample(sectors, tears // 2)
    others = chance.sample(range(2, length - 1), max(tears - len(sectors) - 2, 0))
    return sorted({1, length - 1, *sectors, *others})


def _zeroed(write: Write) -> Iterator[Fate]:
    if write.extends:
        yield Fate("the length only", (), write.offset + len(write.data))


def _missing_pages(write: Write, chance: random.Random) -> Iterator[Fate]:
    """Give the write without some of its pages: they are written in any order."""
    pages = list(_pages(write))
    end = write.offset + len(write.data)
    if len(pages) <= _ALL_SUBSETS_OF_PAGES:
        kept = [some for size in range(1, len(pages)) for some in combinations(pages, size)]
    else:
        kept = [(*pages[:at], *pages[at + 1 :]) for at in range(len(pages))]
        kept += [tuple(page for page in pages if chance.random() < 0.5) for _ in pages]
    for some in kept:
        names = ", ".join(str(offset // PAGE) for offset, _ in some)
        yield Fate(f"only page {names}", some, end)
        # Without what lies behind the last page, the file is shorter.
        if write.extends and some:
            yield Fate(f"only page {names}, and shorter", some)


def _pages(write: Write) -> Iterator[tuple[int, bytes]]:
    start, end = write.offset, write.offset + len(write.data)
    while start < end:
        stop = min((start // PAGE + 1) * PAGE, end)
        yield start, write.data[start - write.offset : stop - write.offset]
        start = stop
