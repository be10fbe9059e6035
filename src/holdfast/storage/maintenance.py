"""The seam of looking after a store: verify, repair, compact, back up, restore.

A backend that keeps its data in files of its own implements `Upkeep`; the servers have tools of
their own. All of it blocks the thread: it is for commands, not for programs at work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

Remedy = Literal["healed", "rebuilt", "recovered", "lost", "remade", "removed", "none"]
"""What `repair` does about damage.

- `healed`: the right bytes were found by a search, and checksum and hash chain prove them
- `rebuilt`: the right bytes were put together again from redundant data, and are proven as well
- `recovered`: the bytes are gone; what they said is taken over from the index
- `lost`: the bytes are gone, and nothing else says what they held
- `remade`: what is damaged was derived, and is made anew
- `removed`: what is damaged holds nothing that is missed
- `none`: there is no remedy but a backup
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One place that is damaged. `file` is relative to the store; `means` is what it comes to."""

    file: str
    offset: int
    length: int
    reason: str
    means: str
    remedy: Remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a store looks like. `promise` is what an acknowledged write survives at this place.

    `notes` are worth knowing and no damage: a torn tail, a loss that an earlier repair noted.
    """

    store: str
    promise: str
    findings: Sequence[Finding]
    notes: Sequence[str]
    counts: Mapping[str, int]

    @property
    def is_clean(self) -> bool:
        """Whether nothing is damaged."""
        return not self.findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What a repair did, or would do: what it found, what was left afterwards, what it wrote.

    `actions` are sentences in the order in which things are done. `left` is None in a dry run.
    """

    found: Report
    actions: Sequence[str]
    left: Report | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """The size of a store before and after a compaction, and what it did not do."""

    store: str
    bytes_before: int
    bytes_after: int
    notes: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What a backup or a restore copied, and the report on the copy.

    `replaced` is where a restore has put what was there before.
    """

    source: str
    target: str
    files: int
    bytes: int
    report: Report
    replaced: str | None = None


class Upkeep(Protocol):
    """Look after one store. Every verb raises a `StorageError` where it cannot do its work."""

    def verify(self, *, thorough: bool = True) -> Report:
        """Look at everything and change nothing; other processes may go on with their work.

        Without `thorough`, copies that may be deleted at any time are not compared with the truth.
        """
        ...

    def repair(self, *, dry_run: bool = False) -> Repaired:
        """Mend what is damaged; whatever is replaced is kept in quarantine first.

        Raises:
            StorageUnavailable: another process has the store open.
        """
        ...

    def compact(self) -> Compacted:
        """Drop the history that nobody can read any more; other processes may go on.

        Raises:
            StorageCorrupt: the store is damaged, and compacting would make that final.
        """
        ...

    def backup(self, target: Path) -> Copied:
        """Copy the store as it was at one moment into an empty folder, durably, and check the copy.

        Raises:
            UsageError: the folder is not empty.
        """
        ...

    def restore(self, source: Path, *, force: bool = False) -> Copied:
        """Put a backup in place of an empty store; with `force` what is there is moved aside.

        Raises:
            UsageError: the store holds something, or the folder is no backup.
            StorageCorrupt: the backup is damaged.
            StorageUnavailable: another process has the store open.
        """
        ...
