"""What writers tell, and whether a store still holds it.

A writer works in *lanes*, one operation at a time in each. Its values say who wrote them and
when, and can be made again from that: nobody has to remember what was attempted. Of each kind
and lane, at most one write behind the last acknowledged one was ever attempted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast
from zlib import crc32

from holdfast.storage.seam import Key, Store

Kind = Literal["log", "record", "pair", "turn"]

SHARED_LOG: Key = ("crash", "log")
RECORD: Key = ("crash", "record")
PAIR: Key = ("crash", "pair")
PAIRS: Key = ("crash", "pairs")
TURNS: Key = ("crash", "turns")
"""Logs of one lane each that are begun and erased in turn: there is one entry or none."""

_LONG_VALUE = 20_000


@dataclass(frozen=True, slots=True)
class Ack:
    """A write that the store acknowledged, stamped behind that.

    `count` is the writer's own number, `place` that of the entry or the version.
    """

    stamp: int
    kind: Kind
    writer: str
    lane: str
    count: int
    place: int

    def line(self) -> str:
        """Return it as a line of text."""
        return f"{self.stamp} {self.kind} {self.writer} {self.lane} {self.count} {self.place}"


def parse_ack(words: Sequence[str]) -> Ack | None:
    """Return the acknowledgement that a line tells, None if it tells something else."""
    if len(words) != 6 or words[1] not in ("log", "record", "pair", "turn"):
        return None
    stamp, kind, writer, lane, count, place = words
    return Ack(int(stamp), cast("Kind", kind), writer, lane, int(count), int(place))


def payload(writer: str, lane: str, count: int) -> bytes:
    """Return the value that a writer writes; now and then a long one."""
    head = f"{writer} {lane} {count} ".encode()
    mixed = crc32(head)
    length = _LONG_VALUE if mixed % 64 == 0 else mixed % 600
    return head + (b"%08x" % mixed) * (length // 8)


def author(value: bytes) -> tuple[str, str, int] | None:
    """Return who wrote a value, in which lane and as which count; None if nobody did."""
    parts = value.split(b" ", 3)
    if len(parts) != 4 or not parts[2].isdigit():
        return None
    found = parts[0].decode(errors="replace"), parts[1].decode(errors="replace"), int(parts[2])
    return found if payload(*found) == value else None


@dataclass(slots=True)
class Verdict:
    """What was found in a store: `lost` acknowledged writes, and other broken promises."""

    acknowledged: int = 0
    held: int = 0
    lost: list[str] = field(default_factory=list[str])
    wrong: list[str] = field(default_factory=list[str])

    def require_clean(self) -> None:
        """Raise an AssertionError that tells the first broken promises, if there are any."""
        told = "\n".join(f"- {each}" for each in (*self.lost[:5], *self.wrong[:5]))
        is_clean = not self.lost and not self.wrong
        assert is_clean, (
            f"{len(self.lost)} of {self.acknowledged} acknowledged writes are lost, "
            f"{len(self.wrong)} things are wrong:\n{told}"
        )


class Evidence:
    """Hold a store against the acknowledgements of its writers."""

    def __init__(self, certain: Iterable[Ack], told: Iterable[Ack]) -> None:
        """Take what must be there, and everything that was told: it may be there."""
        self._certain = list(certain)
        self._attempted: dict[tuple[str, str, str], int] = defaultdict(lambda: 1)
        for ack in told:
            lane = ack.kind, ack.writer, ack.lane
            self._attempted[lane] = max(self._attempted[lane], ack.count + 1)
        self._verdict = Verdict(len(self._certain))

    async def hold_against(self, store: Store) -> Verdict:
        """Read everything, and return what is lost and what is wrong."""
        await self._check_logs(store)
        await self._check_records(store)
        await self._check_pairs(store)
        await self._check_turns(store)
        return self._verdict

    async def _check_logs(self, store: Store) -> None:
        certain = {(ack.lane, ack.place): ack for ack in self._certain if ack.kind == "log"}
        for lane in sorted({lane for lane, _ in certain}):
            name = (*SHARED_LOG, lane)
            entries = await store.read(name)
            self._require_no_gaps(name, [entry.number for entry in entries])
            found = {entry.number: self._known("log", entry.value) for entry in entries}
            self._require_once(name, list(found.values()))
            for (at, place), ack in certain.items():
                if at == lane and found.get(place) != (ack.writer, ack.lane, ack.count):
                    self._verdict.lost.append(f"entry {place} of {name}: {found.get(place)}")

    async def _check_records(self, store: Store) -> None:
        found = await self._records(store, RECORD, "record")
        for lane, ack in self._last("record").items():
            count, version = found.get(lane, (0, 0))
            if count < ack.count or version < ack.place:
                self._verdict.lost.append(f"record {lane}: {count} of {ack.count} writes")

    async def _check_pairs(self, store: Store) -> None:
        found = await self._records(store, PAIR, "pair")
        certain = self._last("pair")
        for lane in sorted({*found, *certain}):
            count = found.get(lane, (0, 0))[0]
            entries = await store.read((*PAIRS, *lane))
            self._require_no_gaps((*PAIRS, *lane), [entry.number for entry in entries])
            written = [self._known("pair", entry.value) for entry in entries]
            if written != [(*lane, number) for number in range(1, count + 1)]:
                self._verdict.wrong.append(f"batch {lane}: {count} and {len(written)} halves")
            if lane in certain and count < certain[lane].count:
                self._verdict.lost.append(f"batch {lane}: {count} of {certain[lane].count}")

    async def _check_turns(self, store: Store) -> None:
        for lane, ack in self._last("turn").items():
            entries = await store.read((*TURNS, *lane))
            found = [(entry.number, self._known("turn", entry.value)) for entry in entries]
            counts = range(ack.count, self._attempted["turn", *lane] + 1)
            if all(found != _left_by_turn(lane, count) for count in counts):
                self._verdict.lost.append(f"log in turns {lane}: {found} behind turn {ack.count}")

    async def _records(
        self, store: Store, prefix: Key, kind: Kind
    ) -> dict[tuple[str, str], tuple[int, int]]:
        """Return the count and the version of each lane's record."""
        found: dict[tuple[str, str], tuple[int, int]] = {}
        after: Key | None = None
        while page := await store.scan(prefix, after=after, limit=500):
            for record in page:
                known = self._known(kind, record.value)
                if known is None or known[:2] != record.key[2:]:
                    self._verdict.wrong.append(f"record {record.key} holds a value of {known}")
                    continue
                found[known[0], known[1]] = known[2], record.version
            after = page[-1].key
        return found

    def _known(self, kind: Kind, value: bytes) -> tuple[str, str, int] | None:
        """Return who wrote a value; note one that nobody can have written."""
        found = author(value)
        self._verdict.held += 1
        if found is None or found[2] > self._attempted[kind, found[0], found[1]]:
            self._verdict.wrong.append(f"nobody wrote {value[:60]!r} ({kind})")
        return found

    def _last(self, kind: Kind) -> dict[tuple[str, str], Ack]:
        """Return the last acknowledgement of each lane."""
        last: dict[tuple[str, str], Ack] = {}
        for ack in self._certain:
            if ack.kind != kind:
                continue
            lane = ack.writer, ack.lane
            if lane not in last or last[lane].count <= ack.count:
                last[lane] = ack
        return last

    def _require_no_gaps(self, log: Key, numbers: Sequence[int]) -> None:
        if list(numbers) != list(range(1, len(numbers) + 1)):
            self._verdict.wrong.append(f"the entries of {log} are not numbered without gaps")

    def _require_once(self, log: Key, authors: Sequence[object]) -> None:
        if len(set(authors)) != len(authors):
            self._verdict.wrong.append(f"an entry of {log} is there twice")


def _left_by_turn(
    lane: tuple[str, str], count: int
) -> list[tuple[int, tuple[str, str, int] | None]]:
    """Return what is in a log behind a turn: an odd one adds an entry, an even one erases it."""
    return [(count // 2 + 1, (*lane, count))] if count % 2 else []
