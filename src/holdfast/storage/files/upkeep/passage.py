"""Go over the journal once: what it says, where it is damaged, and whether the index agrees."""

from __future__ import annotations

from dataclasses import dataclass, field

from holdfast.storage.files.cursor import Position, behind
from holdfast.storage.files.upkeep.comparison import (
    Bounds,
    Comparison,
    bounds_of,
    compare,
    last_version,
)
from holdfast.storage.files.upkeep.facts import Facts
from holdfast.storage.files.upkeep.healing import Anchor, heal
from holdfast.storage.files.upkeep.looking import LookingIndex
from holdfast.storage.files.upkeep.shelf import Shelf
from holdfast.storage.files.upkeep.start import Start
from holdfast.storage.files.upkeep.survey import PROVEN, Gap, Good, Part, walk

KNOWN_LOSS = -2
"""The gap of a hole that an earlier repair left."""


@dataclass(slots=True)
class Passage:
    """What one walk over the journal has found.

    `gaps` are the damaged places, but for what a dying writer left at the end (`torn`). `compared`
    is the index's view, with what it holds of each of the gaps in front of its place; a broken
    snapshot counts as the first of these. `is_stale` says that its place is none of this journal.
    """

    facts: Facts
    end: Position
    gaps: list[Gap] = field(default_factory=list[Gap])
    torn: Gap | None = None
    lines: int = 0
    losses: list[Good] = field(default_factory=list[Good])
    compared: Comparison | None = None
    is_stale: bool = False


def pass_over(shelf: Shelf, start: Start, index: LookingIndex | None, now: int) -> Passage:
    """Walk over the whole journal."""
    return _Passing(shelf, start, index, now).run()


class _Passing:
    def __init__(self, shelf: Shelf, start: Start, index: LookingIndex | None, now: int) -> None:
        self._shelf = shelf
        self._start = start
        self._index = index
        self._place = index.place if index else None
        self._now = now
        self._found = Passage(start.facts(), start.position)
        # What a broken snapshot held is looked for in the index like that of any other gap.
        self._bounds = [Bounds(-1, start.version + 1)] if start.is_broken else []
        self._version = start.version

    def run(self) -> Passage:
        found, place = self._found, self._place
        if self._bounds or self._start.is_lossy:
            found.facts.gap = 0 if self._bounds else KNOWN_LOSS
        if place and place.number <= found.end.number:
            self._meet(is_stale=found.end[:4] != place[:4])
        for item in walk(self._shelf, self._start.anchor, self._start.version):
            if isinstance(item, Good):
                self._take(item)
            elif item.is_torn and not self._is_known(item):
                found.torn = item
                break
            else:
                self._note(item)
        if self._place:
            self._meet_beyond()
        return found

    def _is_known(self, gap: Gap) -> bool:
        """Return whether somebody knows what looks like the tail of a dying writer."""
        if self._place and self._place.number > gap.before.number:
            return True
        healed = heal(gap.parts[0].data, gap.before, gap.last)
        return bool(healed.left or healed.right)

    def _take(self, item: Good) -> None:
        found = self._found
        number, digest, is_sealed = behind(item.line)
        if self._place and number > self._place.number:
            # It stands within what is damaged here, or was when an earlier repair gave it up.
            self._meet(is_stale=not found.gaps)
        if item.line.is_lost:
            found.losses.append(item)
            found.facts.gap = KNOWN_LOSS if found.facts.gap == -1 else found.facts.gap
        found.facts.take(item.line)
        found.lines += 1
        self._version = max(self._version, last_version(item))
        version = item.line.version
        found.end = Position(item.segment, item.end, number, digest, version, is_sealed)
        if self._place and number == self._place.number:
            self._meet(is_stale=found.end[:4] != self._place[:4])

    def _note(self, gap: Gap) -> None:
        self._found.gaps.append(gap)
        if (
            gap.count == 0
        ):  # bytes between two lines that belong together: they explain no difference
            return
        self._bounds.append(bounds_of(gap, self._version))
        self._found.facts.gap = len(self._bounds) - 1

    def _meet(self, *, is_stale: bool) -> None:
        """Compare the index, at whose place the walk has come, with what was read so far."""
        assert self._index
        self._place = None
        self._found.is_stale = is_stale
        if not is_stale or self._bounds:
            self._found.compared = compare(self._found.facts, self._index, self._bounds, self._now)

    def _meet_beyond(self) -> None:
        """Compare an index that knows of lines behind the end: they are gone."""
        found, end = self._found, self._found.end
        is_cut = not found.gaps or found.gaps[-1].after is not None
        if is_cut:
            segment, offset = (end.segment + 1, 0) if end.is_sealed else (end.segment, end.offset)
            part = Part(segment, offset, b"", "lines are missing at the end", PROVEN)
            self._note(Gap((part,), Anchor(end.number, end.hash), end.version, None))
        self._meet(is_stale=False)
        if found.compared and found.compared.wrong_count:
            # It is not the journal that is wrong: this index belongs to another one.
            found.is_stale = True
            if is_cut:
                found.gaps.pop()
