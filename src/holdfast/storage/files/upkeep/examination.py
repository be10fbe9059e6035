"""Look at a whole journal, and plan what would mend it; nothing is changed here.

What would be changed is laid over the contents in memory (`Shelf.change`), and looked at again as if
it had been done: what is healed at one place gives the proof for the place before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.storage.files.disk import Disk
from holdfast.storage.files.upkeep.comparison import Comparison, Found
from holdfast.storage.files.upkeep.healing import Anchor, Healed, heal
from holdfast.storage.files.upkeep.looking import LookingIndex
from holdfast.storage.files.upkeep.losses import lost_lines
from holdfast.storage.files.upkeep.passage import Passage, pass_over
from holdfast.storage.files.upkeep.reconstruction import operations_of, rebuild
from holdfast.storage.files.upkeep.shelf import FileFault, Shelf
from holdfast.storage.files.upkeep.start import Start, find_start
from holdfast.storage.files.upkeep.survey import Gap, Part
from holdfast.storage.keys import decode_key
from holdfast.storage.maintenance import Finding, Remedy

MEANS: dict[Remedy, str] = {
    "healed": "nothing is lost: the right bytes are known and proven",
    "rebuilt": "nothing is lost: the right bytes were put together from the index and are proven",
    "recovered": "history is lost, and no record or entry: the index still has them as they are now",
    "lost": "what was written here is lost, but for what the index still has of it",
    "remade": "nothing is lost: it is derived, and is made anew",
    "removed": "nothing is lost: these bytes belong to nothing",
    "none": "only a backup helps",
}
_MOST_PASSES = 50


@dataclass(slots=True)
class Examination:
    """What was found in a journal, and what would mend it.

    `first` is what it says as it is, `last` what it would say then. `saves` are the bytes that go
    into quarantine, by name.
    """

    folder: Path
    now: int
    index: LookingIndex | None
    start: Start
    shelf: Shelf
    first: Passage
    last: Passage
    findings: list[Finding] = field(default_factory=list[Finding])
    saves: dict[str, bytes] = field(default_factory=dict[str, bytes])

    @property
    def trusted(self) -> Comparison | None:
        """What the index has of the gaps, if nothing in it contradicts the journal."""
        compared = self.last.compared
        return compared if compared and not compared.wrong_count else None

    @property
    def faults(self) -> list[FileFault]:
        """The compressed files that are damaged."""
        faults = [fault for _, fault in sorted(self.shelf.faults.items())]
        return [self.start.fault, *faults] if self.start.fault else faults


def examine(disk: Disk, folder: Path, *, now: int, index: LookingIndex | None) -> Examination:
    """Look at the journal in a folder, and compare its index if there is one.

    Raises:
        FileNotFoundError: a compaction was at work meanwhile; look again.
        StorageTooNew: the journal has a format of the future.
    """
    start = find_start(disk, folder)
    shelf = Shelf(disk, folder, start.segment)
    shelf.look()
    start.complete(shelf)
    first = pass_over(shelf, start, index, now)
    seen = Examination(folder, now, index, start, shelf, first, first)
    if first.gaps:
        _heal(seen)
        _put_together(seen)
        _give_up(seen)
        # What is laid over the contents now must be a whole journal.
        seen.last = pass_over(shelf, start, None, now)
        for part in [part for gap in seen.last.gaps for part in gap.parts]:
            _tell(seen, part, "none")
    _tell_files(seen)
    _tell_holes(seen)
    seen.findings.sort(key=lambda each: (each.file, each.offset))
    return seen


def _heal(seen: Examination) -> None:
    """Search for the right bytes until no more are found."""
    for _ in range(_MOST_PASSES):
        # From the end, so that what is in front keeps its place.
        if not sum([_heal_gap(seen, gap) for gap in reversed(seen.last.gaps)]):
            return
        seen.last = pass_over(seen.shelf, seen.start, seen.index, seen.now)


def _heal_gap(seen: Examination, gap: Gap) -> bool:
    if gap.count == 0:
        return _remove(seen, gap)
    progress = False
    for at, part in reversed(list(enumerate(gap.parts))):
        before = gap.before if at == 0 else None
        after = _last_known(seen, gap) if at == len(gap.parts) - 1 else None
        healed = heal(part.data, before, after)
        if healed.left or healed.right:
            progress = True
            _tell_healed(seen, part, healed)
            _replace(seen, part, healed.left + healed.rest + healed.right)
    return progress


def _last_known(seen: Examination, gap: Gap) -> Anchor | None:
    """Return the last lost line as the next one tells of it, or the index."""
    place = seen.index.place if seen.index else None
    if gap.after is None and place and place.number > gap.before.number:
        return Anchor(place.number, place.hash)
    return gap.last


def _tell_healed(seen: Examination, part: Part, healed: Healed) -> None:
    if not healed.rest:
        _tell(seen, part, "healed")
        return
    behind = part.offset + len(part.data) - len(healed.right)
    for offset, data in ((part.offset, healed.left), (behind, healed.right)):
        if data:
            _tell(seen, Part(part.segment, offset, data, part.reason, part.proof), "healed")


def _remove(seen: Examination, gap: Gap) -> bool:
    """Take out bytes between two lines that belong together."""
    parts = [part for part in gap.parts if part.data]
    for part in reversed(parts):
        _tell(seen, part, "removed")
        _replace(seen, part, b"")
    return bool(parts)


def _put_together(seen: Examination) -> None:
    """Rebuild what the index can prove, and look again at what it has of the rest."""
    rebuilt = [found and _rebuild(seen, gap, found) for gap, found in _with_found(seen)]
    if any(rebuilt):
        seen.last = pass_over(seen.shelf, seen.start, seen.index, seen.now)


def _give_up(seen: Examination) -> None:
    """Put lines that tell the loss in place of what is left."""
    for gap, found in _with_found(seen):
        _mark_lost(seen, gap, found)


def _with_found(seen: Examination) -> list[tuple[Gap, Found | None]]:
    """Return the gaps that lost something from the last to the first, each with what the index has of it."""
    held = seen.trusted.found if seen.trusted else []
    shift = 1 if seen.start.is_broken else 0
    gaps = list(enumerate((gap for gap in seen.last.gaps if gap.count != 0), shift))
    return [(gap, held[at] if at < len(held) else None) for at, gap in reversed(gaps)]


def _rebuild(seen: Examination, gap: Gap, found: Found) -> bool:
    if gap.count != 1 or len(gap.parts) != 1 or gap.after is None:
        return False
    part = gap.parts[0]
    data = rebuild(part.data, found, place=gap.before, version=gap.version, after=gap.after.line)
    if data is None:
        return False
    _tell(seen, part, "rebuilt")
    _replace(seen, part, data)
    return True


def _mark_lost(seen: Examination, gap: Gap, found: Found | None) -> None:
    """Put a line into each part that says what is lost, and holds what the index has of it."""
    is_covered = found is not None and _is_covered(seen, gap)
    names = [_name(seen, part) if part.data else "" for part in gap.parts]
    ends = [
        part.segment < seen.shelf.numbers[-1] and _reaches_end(seen, part) for part in gap.parts
    ]
    operations = operations_of(found) if found else []
    lines = lost_lines(gap, operations, names=names, seals=ends, now=seen.now)
    for part, line in reversed(list(zip(gap.parts, lines, strict=True))):
        _tell(seen, part, "recovered" if is_covered else "lost")
        _replace(seen, part, line)


def _is_covered(seen: Examination, gap: Gap) -> bool:
    """Return whether the index had taken over all of the lost lines."""
    place = seen.index.place if seen.index else None
    if place is None:
        return False
    if gap.last:
        return place.number >= gap.last.number
    # Nobody tells how many lines they were, but for the place where the index stands.
    part = gap.parts[-1]
    return (place.segment, place.offset) >= (part.segment, part.offset + len(part.data))


def _reaches_end(seen: Examination, part: Part) -> bool:
    return part.offset + len(part.data) >= len(seen.shelf.content(part.segment).data)


def _replace(seen: Examination, part: Part, data: bytes) -> None:
    content = seen.shelf.content(part.segment).data
    end = part.offset + len(part.data)
    seen.shelf.change(part.segment, content[: part.offset] + data + content[end:])


def _tell(seen: Examination, part: Part, remedy: Remedy) -> None:
    name = seen.shelf.names.get(part.segment, f"{part.segment:08d}.jsonl")
    seen.findings.append(
        Finding(
            file=f"journal/{name}",
            offset=part.offset,
            length=len(part.data),
            reason=part.reason,
            means=MEANS[remedy],
            remedy=remedy,
        )
    )
    if part.data and remedy != "none":
        seen.saves[_name(seen, part)] = part.data


def _name(seen: Examination, part: Part) -> str:
    return f"{part.segment}-{part.offset}-{seen.now}.damaged"


def _tell_files(seen: Examination) -> None:
    for fault in seen.faults:
        is_snapshot = fault is seen.start.fault
        if fault.frames is None and not is_snapshot:
            continue  # the gap in its content was told
        remedy: Remedy = "healed" if fault.length else "remade"
        if fault.frames is None:
            remedy = "recovered" if seen.trusted else "lost"
        seen.findings.append(
            Finding(
                file=f"journal/{fault.name}",
                offset=fault.offset,
                length=fault.length,
                reason=fault.reason,
                means=MEANS[remedy],
                remedy=remedy,
            )
        )


def _tell_holes(seen: Examination) -> None:
    """Report entries that no line holds though no line is missing: a fault of a writer."""
    unexplained: Sequence[tuple[bytes, int, int]] = [
        hole[:3] for hole in seen.last.facts.holes if hole.gap == -1
    ]
    for log, first, last in unexplained:
        seen.findings.append(
            Finding(
                file="journal",
                offset=0,
                length=0,
                reason=f"entries {first} to {last} of the log {decode_key(log)!r} were never written",
                means=MEANS["none"],
                remedy="none",
            )
        )
