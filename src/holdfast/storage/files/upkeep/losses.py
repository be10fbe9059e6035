"""Write the lines that a repair puts in place of lost ones."""

from __future__ import annotations

import json
from collections.abc import Sequence

from holdfast.storage.files.lines import write_line
from holdfast.storage.files.upkeep.healing import Anchor
from holdfast.storage.files.upkeep.survey import Gap

_LEAST_PUT = len('["put",["a"],1,""]')


def lost_lines(
    gap: Gap, operations: Sequence[str], *, names: Sequence[str], seals: Sequence[bool], now: int
) -> list[bytes]:
    """Return a line for each part of a gap, which lead from the line before it to the one behind.

    The first operation of such a line is `["lost", {…}]`: `number` and `hash` are those of the last
    line that it stands for (no hash: its own), `seals` says that it ends its segment, `quarantine`
    is the file with the original bytes. `operations` are what could be recovered.
    """
    anchor, lines = gap.before, list[bytes]()
    for at, (name, ends) in enumerate(zip(names, seals, strict=True)):
        number = anchor.number + 1
        is_final = at == len(names) - 1
        stands_for = gap.last if is_final and gap.last else Anchor(number, "")
        lost = {
            "number": max(stands_for.number, number),
            "hash": stands_for.hash,
            "seals": ends,
            "quarantine": name,
        }
        first = json.dumps(["lost", lost], separators=(",", ":"))
        line, digest = write_line(
            number,
            ",".join([first, *(operations if at == 0 else ())]),
            synced=gap.before.number,
            version=_version(gap),
            written_at=now,
            previous=anchor.hash,
        )
        anchor = Anchor(number, digest)
        lines.append(line)
    return lines


def _version(gap: Gap) -> int:
    """Return a version that no lost line can have exceeded."""
    if gap.after:
        return max(gap.after.line.version, gap.version)
    return gap.version + sum(len(part.data) for part in gap.parts) // _LEAST_PUT + 1
