"""What the journal says of every record and log, in short: to compare it with the index."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from holdfast.storage.files.index import Index
from holdfast.storage.files.lines import Line
from holdfast.storage.files.tail import Cell, Change, Erased, Stored, changes_of


class Fact(NamedTuple):
    """A record: all of it but the value, which has a digest. `number` is the line that wrote it."""

    version: int
    expires_at: int | None
    due_at: int | None
    digest: bytes
    number: int

    def agrees(self, cell: Cell) -> bool:
        """Return whether the index says the same."""
        return self[:4] == fact_of(cell, 0)[:4]


class LogFact(NamedTuple):
    """A log: its last number, a digest of all entries, and whether entries are missing.

    All up to `erased` were removed, and are no holes.
    """

    last: int
    digest: bytes
    has_holes: bool
    erased: int = 0


class Hole(NamedTuple):
    """Entries of a log that no line of the journal holds, and the last gap before they were due."""

    log: bytes
    first: int
    last: int
    gap: int


EMPTY = LogFact(0, b"", has_holes=False)


@dataclass(slots=True)
class Facts:
    """Everything that the lines so far come to. `gap` is the number of the last gap among them."""

    records: dict[bytes, Fact] = field(default_factory=dict[bytes, Fact])
    logs: dict[bytes, LogFact] = field(default_factory=dict[bytes, LogFact])
    holes: list[Hole] = field(default_factory=list[Hole])
    gap: int = -1

    def take(self, line: Line) -> None:
        """Take in a line."""
        self.change(changes_of(line).changes, line.number)

    def change(self, changes: Iterable[Change], number: int) -> None:
        """Take in changes."""
        for change in changes:
            if isinstance(change, Erased):
                self._erase(change.log, change.last)
            elif not isinstance(change, Stored):
                self._extend(change.log, change.first, change.values)
            elif change.cell.value is None:
                self.records.pop(change.key, None)
            else:
                self.records[change.key] = fact_of(change.cell, number)

    def _extend(self, log: bytes, first: int, values: Iterable[bytes]) -> None:
        last, digest, has_holes, erased = self.logs.get(log, EMPTY)
        if first > last + 1:
            self.holes.append(Hole(log, last + 1, first - 1, self.gap))
            has_holes = True
        for number, value in enumerate(values, first):
            # A snapshot may hold entries that the lines behind it tell of once more.
            if number > last:
                last, digest = number, chain_entry(digest, number, value)
        self.logs[log] = LogFact(last, digest, has_holes, erased)

    def _erase(self, log: bytes, erased: int) -> None:
        # A snapshot may know that the log was begun again, and the lines behind it not yet.
        if erased > self.logs.get(log, EMPTY).erased:
            self.logs[log] = erased_fact(erased)
            self.holes = [hole for hole in self.holes if hole.log != log]


def erased_fact(erased: int) -> LogFact:
    """Return what is kept of a log from which everything up to a number was removed."""
    return LogFact(erased, b"", has_holes=False, erased=erased)


def fact_of(cell: Cell, number: int) -> Fact:
    """Return what is kept of a record."""
    digest = blake2b(cell.value or b"", digest_size=16).digest()
    return Fact(cell.version, cell.expires_at, cell.due_at, digest, number)


def chain_entry(digest: bytes, number: int, value: bytes) -> bytes:
    """Return the digest of a log behind one more entry."""
    short = blake2b(value, digest_size=16).digest()
    return blake2b(b"%b%d %b" % (digest, number, short), digest_size=16).digest()


def log_facts(index: Index) -> dict[bytes, LogFact]:
    """Return what an index says of the logs."""
    found = {name: erased_fact(erased) for name, erased in index.erasures()}
    for name, first, values in index.all_logs(1000):
        last, digest, has_holes, erased = found.get(name, EMPTY)
        has_holes = has_holes or first > last + 1
        for number, value in enumerate(values, first):
            digest = chain_entry(digest, number, value)
        found[name] = LogFact(first + len(values) - 1, digest, has_holes, erased)
    return found
