"""Say what became of the files that people edited."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from holdfast.storage.faces.merging import Clash
from holdfast.storage.seam import Key


class Outcome(Enum):
    """What became of one file."""

    APPLIED = "applied"
    """The record has what the person wrote."""

    MERGED = "merged"
    """The record has what the person wrote, and what else had changed since."""

    CONFLICT = "conflict"
    """Some of what the person wrote could not be taken; the file was kept."""

    QUARANTINED = "quarantined"
    """The file is broken; it was kept and the face written anew."""

    RESTORED = "restored"
    """The file was missing and was written anew; removing a file removes no record."""

    UNKNOWN = "unknown"
    """The file belongs to no record; it was left alone."""

    REFUSED = "refused"
    """The owner of the records refused the change; the file was kept."""

    WAITING = "waiting"
    """The file is perhaps being saved right now, or cannot be read; it was left for later."""

    BLOCKED = "blocked"
    """The record has no face now: it cannot be shown, or something stands in the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What became of one file, in one sentence.

    `kept` is where the file of the person is now if it was not taken, or not in full; `line` is
    where a broken one breaks.
    """

    outcome: Outcome
    path: Path
    sentence: str
    key: Key | None = None
    clashes: tuple[Clash, ...] = ()
    kept: Path | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What became of all files. Files that nobody touched are not in it."""

    findings: tuple[Finding, ...] = ()

    @property
    def applied(self) -> tuple[Finding, ...]:
        """Edits that the records have."""
        return self._of(Outcome.APPLIED)

    @property
    def merged(self) -> tuple[Finding, ...]:
        """Edits that the records have, beside other changes."""
        return self._of(Outcome.MERGED)

    @property
    def conflicts(self) -> tuple[Finding, ...]:
        """Edits that were not taken in full."""
        return self._of(Outcome.CONFLICT)

    @property
    def quarantined(self) -> tuple[Finding, ...]:
        """Broken files."""
        return self._of(Outcome.QUARANTINED)

    @property
    def restored(self) -> tuple[Finding, ...]:
        """Files that were missing."""
        return self._of(Outcome.RESTORED)

    @property
    def unknown(self) -> tuple[Finding, ...]:
        """Files that belong to no record."""
        return self._of(Outcome.UNKNOWN)

    @property
    def refused(self) -> tuple[Finding, ...]:
        """Edits that the owner of the records did not want."""
        return self._of(Outcome.REFUSED)

    @property
    def waiting(self) -> tuple[Finding, ...]:
        """Files to look at again."""
        return self._of(Outcome.WAITING)

    def _of(self, outcome: Outcome) -> tuple[Finding, ...]:
        return tuple(each for each in self.findings if each.outcome is outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What `Faces.write` did.

    `edited` are files that it left alone because somebody edited them, `blocked` says of which
    records there is no face and why, `restored` which faces had been missing.
    """

    written: int = 0
    unchanged: int = 0
    removed: int = 0
    edited: tuple[Path, ...] = ()
    blocked: tuple[Finding, ...] = ()
    restored: tuple[Finding, ...] = ()


def sort_findings(findings: Iterable[Finding]) -> Report:
    """Return the report of these findings, in the order of the files."""
    return Report(tuple(sorted(findings, key=lambda each: str(each.path))))
