"""Merge one file of a journal, as git asks for it: it shows neither the files before nor behind it.

Where the file is the last one on both sides, the merge is done at once. Else what comes out is a
*heap*: every line of both, once. It is no segment, and whoever opens the store has to sort it first
(`settling`). Heaps of heaps are heaps, in any order of merging.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from holdfast.storage.files.lines import Line
from holdfast.storage.files.merging.chains import chains_of, lines_in
from holdfast.storage.files.merging.joining import Joined, join
from holdfast.storage.files.merging.origins import format_named
from holdfast.storage.files.merging.pending import HEAD


class MergedFile(NamedTuple):
    """The bytes of a merged segment, and what was joined; a heap waits to be."""

    data: bytes
    joined: Joined | None

    @property
    def is_heap(self) -> bool:
        """Whether it has to be sorted yet."""
        return self.data.startswith(HEAD)


def merge_segments(ours: bytes, theirs: bytes, name: str) -> MergedFile:
    """Return a file with every line of both.

    Raises:
        StorageCorrupt: one of them is damaged.
    """
    if ours.startswith(HEAD) or theirs.startswith(HEAD):
        return MergedFile(_heap(ours, theirs, name), None)
    here, there = lines_in(ours, f"{name} (ours)"), lines_in(theirs, f"{name} (theirs)")
    if not (here and there):
        return MergedFile(ours if here else theirs, None)
    if not (_is_last(here) and _is_last(there) and _begin_alike(here[0], there[0])):
        return MergedFile(_heap(ours, theirs, name), None)
    joined = join(here, there, longest=None)
    return MergedFile(b"".join(line.data for line in joined.lines), joined)


def heap_lines(data: bytes, name: str) -> list[Line]:
    """Return the lines of a heap or a segment.

    Raises:
        StorageCorrupt: it is damaged.
    """
    return lines_in(data.removeprefix(HEAD), name)


def _is_last(lines: Sequence[Line]) -> bool:
    """Return whether lines are a whole segment that is still written to, and nothing else."""
    return not lines[-1].is_seal and lines[0].is_header and len(chains_of(lines)) == 1


def _begin_alike(here: Line, there: Line) -> bool:
    return here.previous == there.previous and format_named(here) == format_named(there)


def _heap(ours: bytes, theirs: bytes, name: str) -> bytes:
    lines = (*heap_lines(ours, f"{name} (ours)"), *heap_lines(theirs, f"{name} (theirs)"))
    found = {line.hash: line for line in lines}
    ordered = sorted(found.values(), key=lambda line: (line.number, line.hash))
    return HEAD + b"".join(line.data for line in ordered)
