"""The end of the journal in memory: what was acknowledged and is not in the index yet.

Changes are kept in two generations. The *active* one takes what is published. When it has
grown, it is *frozen*, the index takes it over as a whole, and it is dropped. A reader looks at the
active one, then at the frozen one, then at the index.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from typing import TypeAlias

from holdfast.frozen import NamedTuple
from holdfast.storage.files.cursor import Position
from holdfast.storage.files.lines import Fields, Line, read_value
from holdfast.storage.keys import encode_key


class Cell(NamedTuple):
    """What the journal says of a key; a deleted record has no value and version 0."""

    value: bytes | None
    version: int
    expires_at: int | None = None
    due_at: int | None = None

    def is_live(self, now: int) -> bool:
        """Return whether readers see a record at this time."""
        return self.value is not None and (self.expires_at is None or now < self.expires_at)

    def current(self, now: int) -> int:
        """Return the version that a writer compares with; 0 if there is no live record."""
        return self.version if self.is_live(now) else 0


DELETED = Cell(None, 0)


class Stored(NamedTuple):
    """A record was written or deleted."""

    key: bytes
    cell: Cell


End: TypeAlias = int
"""Where a log ends: the number of its last entry. Below zero, or zero, if no entry is left: then it
is the greatest number that was ever given out, with its sign turned."""


class Extended(NamedTuple):
    """Entries were added to a log."""

    log: bytes
    first: int
    values: Sequence[bytes]

    @property
    def end(self) -> End:
        """Where the log ends then."""
        return self.first + len(self.values) - 1


class Erased(NamedTuple):
    """All entries of a log up to a number were removed."""

    log: bytes
    last: int

    @property
    def end(self) -> End:
        """Where the log ends then."""
        return -self.last


Change: TypeAlias = Stored | Extended | Erased

Hidden: TypeAlias = "Sequence[dict[bytes, Cell]]"
"""Records of which something newer is known elsewhere."""


class Changes(NamedTuple):
    """The changes of one line."""

    number: int
    changes: Sequence[Change]


class LogPart:
    """The last entries of a log; their numbers have no gaps unless the journal was damaged.

    All up to `erased` were removed, also those that are known elsewhere. Two lists and no pairs: the
    garbage collector looks at every pair again and again.
    """

    __slots__ = ("end", "erased", "numbers", "values")

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.values: list[bytes] = []
        self.erased = 0
        self.end: End = 0

    def erase(self, last: int) -> None:
        """Remove the entries up to a number."""
        self.erased = max(self.erased, last)
        start = bisect_right(self.numbers, last)
        del self.numbers[:start], self.values[:start]
        if not self.numbers:
            self.end = -self.erased

    def extend(self, first: int, values: Sequence[bytes]) -> None:
        """Add entries; those that are here already, or were erased, are left out."""
        known = abs(self.end) + 1 - first
        if known > 0:
            first, values = first + known, values[known:]
        if values:
            self.end = last = first + len(values) - 1
            self.numbers += range(first, last + 1)
            self.values += values

    def between(self, after: int, limit: int | None) -> list[tuple[int, bytes]]:
        """Return the entries behind a number, at most `limit`."""
        start = bisect_right(self.numbers, after)
        stop = None if limit is None else start + limit
        return list(zip(self.numbers[start:stop], self.values[start:stop], strict=True))


class Generation:
    """The newest state of every record and log that some stretch of the journal changed."""

    __slots__ = ("begin", "count", "due", "logs", "order", "position", "records", "weight")

    def __init__(self, position: Position) -> None:
        self.begin = self.position = position
        self.records: dict[bytes, Cell] = {}
        self.order: list[bytes] = []
        self.logs: dict[bytes, LogPart] = {}
        self.due: dict[bytes, list[tuple[int, bytes]]] = {}
        self.count = 0
        self.weight = 0

    def apply(self, changes: Changes) -> None:
        """Take in the changes of one line."""
        self.count += len(changes.changes)
        logs = self.logs
        for change in changes.changes:
            if isinstance(change, Extended):
                log, first, values = change
                part = logs.get(log) or self._part(log)
                part.extend(first, values)
                self.weight += sum(map(len, values))
            elif isinstance(change, Stored):
                self._store(change.key, change.cell)
            else:
                self._part(change.log).erase(change.last)

    def keys(self, low: bytes, high: bytes | None) -> Iterator[bytes]:
        """Return the keys from `low` on and below `high`, also of what was deleted, in order."""
        start = bisect_left(self.order, low)
        end = len(self.order) if high is None else bisect_left(self.order, high)
        return (self.order[place] for place in range(start, end))

    def next_due(self, queue: bytes, now: int, hidden: Hidden) -> Due | None:
        """Return the record of a queue that has been due longest, but for the `hidden` ones."""
        for due_at, key in self.due.get(queue, ()):
            if due_at > now:
                break
            cell = self.records[key]
            if cell.is_live(now) and not any(key in records for records in hidden):
                return Due(due_at, key, cell)
        return None

    def _store(self, key: bytes, cell: Cell) -> None:
        old = self.records.get(key)
        if old is None:
            insort(self.order, key)
        elif old.due_at is not None:
            waiting = self.due[queue_of(key)]
            del waiting[bisect_left(waiting, (old.due_at, key))]
        self.records[key] = cell
        self.weight += len(cell.value or b"")
        if cell.due_at is not None:
            insort(self.due.setdefault(queue_of(key), []), (cell.due_at, key))

    def _part(self, log: bytes) -> LogPart:
        part = self.logs.get(log)
        if part is None:
            part = self.logs[log] = LogPart()
        return part


class Due(NamedTuple):
    """A record that may be claimed; the order of these is the order of claims."""

    due_at: int
    key: bytes
    cell: Cell


class Cut(NamedTuple):
    """The generations at one moment. The index may have dropped them since, and they still hold."""

    generations: Sequence[Generation]
    number: int
    base: Position

    def find(self, key: bytes) -> Cell | None:
        """Return what is known of a key here; None says to ask the index."""
        for generation in self.generations:
            cell = generation.records.get(key)
            if cell is not None:
                return cell
        return None

    def log_end(self, log: bytes) -> End | None:
        """Return where a log ends; None says to ask the index."""
        for generation in self.generations:
            part = generation.logs.get(log)
            if part is not None:
                return part.end
        return None

    def log_part(self, log: bytes) -> LogPart | None:
        """Return the newest part of a log that is known here."""
        for generation in self.generations:
            part = generation.logs.get(log)
            if part is not None:
                return part
        return None

    def next_due(self, queue: bytes, now: int, hidden: dict[bytes, Cell]) -> Due | None:
        """Return the record of a queue that has been due longest, but for the `hidden` ones."""
        found: list[Due] = []
        newer: list[dict[bytes, Cell]] = [hidden]
        for generation in self.generations:
            due = generation.next_due(queue, now, newer)
            if due:
                found.append(due)
            newer.append(generation.records)
        return min(found, default=None)

    def has(self, key: bytes) -> bool:
        """Return whether something is known of a key here."""
        return any(key in generation.records for generation in self.generations)


class Tail:
    """Both generations. Whoever uses it from several threads holds a lock around each call."""

    def __init__(self, position: Position) -> None:
        self.position = position
        self.active = Generation(position)
        self.frozen: Generation | None = None

    def cut(self) -> Cut:
        """Return the generations of this moment, the newest first."""
        generations = (self.active, self.frozen) if self.frozen else (self.active,)
        return Cut(generations, self.position.number, self.base)

    @property
    def base(self) -> Position:
        """Where the index must have come to so that nothing is missing between it and the tail."""
        return (self.frozen or self.active).begin

    def publish(self, lines: Iterable[Changes], position: Position) -> list[Changes]:
        """Take in the lines that are new here, and return those."""
        fresh = [line for line in lines if line.number > self.position.number]
        for line in fresh:
            self.active.apply(line)
        if position.number > self.position.number:
            self.position = self.active.position = position
        return fresh

    def freeze(self) -> Generation:
        """Begin a new active generation and return the old one, which never changes again."""
        assert self.frozen is None
        self.frozen, self.active = self.active, Generation(self.position)
        return self.frozen

    def thaw(self) -> None:
        """Drop the frozen generation: the index has it."""
        self.frozen = None

    def first(
        self, low: bytes, high: bytes | None, now: int, limit: int
    ) -> tuple[dict[bytes, Cell], bytes | None]:
        """Return the newest state of the first records in a range, and below which key they lie.

        There are `limit` live ones among them, or they are all that is known here of the range:
        what lies behind is on no page of that size, and may be very much.
        """
        generations = self.cut().generations
        found: dict[bytes, Cell] = {}
        for key in merge(*(each.keys(low, high) for each in generations)):
            if key in found:
                continue
            found[key] = cell = next(
                each.records[key] for each in generations if key in each.records
            )
            limit -= cell.is_live(now)
            if limit <= 0:
                return found, key + b"\0"
        return found, high

    def entries(self, log: bytes, after: int, limit: int | None) -> list[tuple[int, bytes]]:
        """Return the entries of a log that are known here."""
        after = max(after, self.erased(log))
        found: list[tuple[int, bytes]] = []
        for generation in (self.frozen, self.active):
            part = generation.logs.get(log) if generation else None
            if part is not None:
                found += part.between(found[-1][0] if found else after, limit)
        return found

    def erased(self, log: bytes) -> int:
        """Return the number up to which a log was erased, as far as it is known here."""
        generations = self.cut().generations
        parts = [each.logs[log] for each in generations if log in each.logs]
        return max((part.erased for part in parts), default=0)

    def logs(self, low: bytes, high: bytes | None) -> tuple[set[bytes], set[bytes]]:
        """Return the names of the logs in a range that have entries here, and of the empty ones."""
        cut = self.cut()
        filled, empty = set[bytes](), set[bytes]()
        for name in {name for generation in cut.generations for name in generation.logs}:
            if low <= name and (high is None or name < high):
                part = cut.log_part(name)
                (filled if part and part.numbers else empty).add(name)
        return filled, empty


def changes_of(line: Line) -> Changes:
    """Return what a line changes."""
    return Changes(line.number, [change for change in map(_change, line.operations) if change])


def queue_of(key: bytes) -> bytes:
    """Return the encoded key without its last part."""
    return key[: key.rfind(b"\0", 0, -1) + 1]


def _change(fields: Fields) -> Change | None:
    match fields[0]:
        case "put":
            _, key, version, value, *times = fields
            return Stored(encode_key(tuple(key)), Cell(read_value(value), version, *times))
        case "delete":
            return Stored(encode_key(tuple(fields[1])), DELETED)
        case "append":
            _, log, first, values = fields
            return Extended(encode_key(tuple(log)), first, [read_value(each) for each in values])
        case "erase":
            return Erased(encode_key(tuple(fields[1])), fields[2])
        case _:
            return None
