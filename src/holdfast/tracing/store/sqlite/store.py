"""Traces in one SQLite file: see schema.sql for what lies where."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from sqlite3 import Connection as _Connection
from types import TracebackType
from typing import Self

from holdfast.clock import Clock, SystemClock
from holdfast.errors import UsageError
from holdfast.frozen import replace
from holdfast.tracing.digest import Call, Digester, TraceDigest
from holdfast.tracing.entries import Entry, Position
from holdfast.tracing.span import Span
from holdfast.tracing.store.seam import (
    ANY,
    CostBy,
    CostRow,
    ErrorGroup,
    NameStatistics,
    Order,
    Page,
    Query,
    Retention,
    StoreState,
    Swept,
)
from holdfast.tracing.store.sqlite import counting, keeping, listing
from holdfast.tracing.store.sqlite.connection import Database
from holdfast.tracing.store.sqlite.loading import Names, every_span, finished, open_spans
from holdfast.tracing.store.sqlite.settling import Settling
from holdfast.tracing.store.sqlite.writing import sort, touch, write

IN_MEMORY = ":memory:"
_AT_ONCE = 64
"""Traces settled or removed in one transaction, so that nobody waits long for the file."""
_RECENT_NS = 3_600_000_000_000


class SqliteTraceStore:
    """A `TraceStore` and `Askable` in the file `path`; `":memory:"` is gone with the object."""

    def __init__(self, path: str, *, digester: Digester, clock: Clock | None = None) -> None:
        self._database = Database(path)
        self._digester = digester
        self._clock = clock or SystemClock()
        self._names = Names()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()

    def add(self, entries: Iterable[Entry]) -> None:
        found = sort(entries)
        with self._database.writing() as connection:
            write(connection, found, ring="", now_ns=self._now_ns())

    def position(self, ring: str) -> Position:
        with self._database.reading() as connection:
            row = connection.execute("SELECT segment, offset FROM rings WHERE ring = ?", (ring,))
            return Position(
                **dict(zip(("segment", "offset"), row.fetchone() or (0, 0), strict=True))
            )

    def advance(self, ring: str, entries: Sequence[Entry], *, was: Position, now: Position) -> bool:
        found = sort(entries)
        with self._database.writing() as connection:
            if self.position(ring) != was:
                return False
            write(connection, found, ring=ring, now_ns=self._now_ns())
            connection.execute(
                "INSERT OR REPLACE INTO rings (ring, segment, offset) VALUES (?, ?, ?)",
                (ring, now.segment, now.offset),
            )
        return True

    def bury(self, ring: str, *, at_ns: int) -> int:
        with self._database.writing() as connection:
            rows = connection.execute(
                "SELECT DISTINCT trace FROM open_spans WHERE ring = ?", (ring,)
            )
            traces = [trace for (trace,) in rows]
            lost = [span for trace in traces for span in self._lost(trace, ring, at_ns)]
            connection.execute("DELETE FROM open_spans WHERE ring = ?", (ring,))
            write(connection, sort(lost), ring="", now_ns=self._now_ns())
            touch(connection, traces)
            connection.execute("DELETE FROM rings WHERE ring = ?", (ring,))
        return len(lost)

    def settle(self, *, most: int | None = None) -> int:
        done = 0
        while most is None or done < most:
            some = _AT_ONCE if most is None else min(_AT_ONCE, most - done)
            settled = self._settle_some(some)
            done += settled
            if settled < some:
                break
        return done

    def spans(self, trace_id: str) -> Sequence[Span]:
        with self._database.reading() as connection:
            name_of = self._names.name(connection)
            return every_span(connection, trace_id, name_of, self._now_ns())

    def find(self, prefix: str, *, limit: int = 10) -> Sequence[str]:
        self.settle()
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT trace FROM digests WHERE trace >= ? AND trace < ? "
                "ORDER BY start_ns DESC, trace DESC LIMIT ?",
                (prefix, f"{prefix}\U0010ffff", limit),
            )
            return [trace for (trace,) in rows]

    def digest(self, trace_id: str) -> TraceDigest | None:
        self.settle()
        with self._database.reading() as connection:
            row = connection.execute(f"{listing.SELECT} WHERE d.trace = ?", (trace_id,)).fetchone()
            if row is None:
                return None
            calls = listing.calls_of(connection, trace_id)
            return listing.digest_of_row(row, calls, listing.sightings_of(connection, trace_id))

    def traces(
        self, query: Query = ANY, *, order: Order = "newest", limit: int = 20, cursor: str = ""
    ) -> Page:
        with self._settled() as connection:
            return listing.page(connection, query, order, limit, cursor)

    def part(self, hash_: bytes) -> bytes | None:
        with self._database.reading() as connection:
            row = connection.execute("SELECT data FROM parts WHERE hash = ?", (hash_,)).fetchone()
            return row[0] if row else None

    def statistics(
        self, query: Query = ANY, *, exact: bool = False, limit: int | None = None
    ) -> Sequence[NameStatistics]:
        with self._settled() as connection:
            if exact or not counting.is_sketched(query):
                found = counting.counted(connection, query, self._names.name(connection))
            else:
                found = counting.sketched(connection, query)
        found.sort(key=lambda each: (-each.total_ns, each.name))
        return found[:limit]

    def durations(self, name: str, query: Query = ANY) -> Mapping[str, Sequence[int]]:
        with self._settled() as connection:
            return counting.durations(connection, name, query)

    def slowest(self, name: str, *, limit: int = 10, query: Query = ANY) -> Sequence[Span]:
        with self._settled() as connection:
            name_of = self._names.name(connection)

            def load(trace: str) -> Sequence[Span]:
                return finished(connection, trace, name_of)

            return counting.slowest(connection, name, limit, query, load)

    def errors(self, query: Query = ANY, *, limit: int = 50) -> Sequence[ErrorGroup]:
        with self._settled() as connection:
            return counting.errors(connection, query, limit)

    def costs(self, by: CostBy, query: Query = ANY, *, limit: int = 100) -> Sequence[CostRow]:
        with self._settled() as connection:
            return counting.costs(connection, by, query, limit)

    def calls(self, query: Query = ANY, *, limit: int = 1000) -> Sequence[tuple[str, Call]]:
        with self._settled() as connection:
            return counting.calls(connection, query, limit)

    def pin(self, trace_id: str, *, pinned: bool = True) -> bool:
        self.settle()
        with self._database.writing() as connection:
            done = connection.execute(
                "UPDATE digests SET pinned = ? WHERE trace = ?", (pinned, trace_id)
            )
            return done.rowcount > 0

    def sweep(self, retention: Retention, *, now_ns: int) -> Swept:
        self.settle()
        with self._database.reading() as connection:
            before = keeping.used(connection)
        gone = self._remove_while(lambda c: keeping.outdated(c, retention, now_ns, _AT_ONCE))
        with self._database.writing() as connection:
            keeping.drop_old_payloads(connection, retention, now_ns)
            parts, _ = keeping.drop_parts(connection, now_ns - _RECENT_NS)
        return Swept(traces=gone, parts=parts, bytes=max(0, before - self._give_back()))

    def forget(self, query: Query) -> int:
        self.settle()
        gone = self._remove_while(lambda c: keeping.meant(c, query, _AT_ONCE))
        with self._database.writing() as connection:
            keeping.drop_parts(connection, self._now_ns() + 1)
        self._give_back()
        return gone

    def state(self) -> StoreState:
        with self._settled() as connection:
            return keeping.state_of(connection)

    def ask(
        self, sql: str, *, limit: int = 1000
    ) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
        from holdfast.tracing.store.sqlite.asking import ask  # noqa: PLC0415 - only here

        if self._database.in_memory:
            raise UsageError("traces in memory cannot be asked in SQL")
        self.settle()
        return ask(self._database.path, sql, limit, self._clock)

    @contextmanager
    def _settled(self) -> Generator[_Connection]:
        self.settle()
        with self._database.reading() as connection:
            yield connection

    def _settle_some(self, some: int) -> int:
        with self._database.reading() as connection:
            waiting = connection.execute("SELECT 1 FROM dirty LIMIT 1").fetchone()
        if waiting is None:
            return 0
        with self._changing() as (connection, settling):
            rows = connection.execute("SELECT trace FROM dirty ORDER BY number LIMIT ?", (some,))
            traces = [trace for (trace,) in rows]
            for trace in traces:
                settling.settle(trace)
                connection.execute("DELETE FROM dirty WHERE trace = ?", (trace,))
        return len(traces)

    def _remove_while(self, choose: Callable[[_Connection], Sequence[str]]) -> int:
        """Remove traces, some at a time, as long as any are chosen."""
        gone = 0
        while True:
            with self._changing() as (connection, settling):
                traces = choose(connection)
                for trace in traces:
                    settling.remove(trace)
            if not traces:
                return gone
            gone += len(traces)

    @contextmanager
    def _changing(self) -> Generator[tuple[_Connection, Settling]]:
        try:
            with self._database.writing() as connection:
                settling = Settling(connection, self._names, self._digester, self._now_ns())
                yield connection, settling
                settling.finish()
        except BaseException:
            self._names.forget()  # numbers that were given out are not in the file
            raise

    def _lost(self, trace: str, ring: str, at_ns: int) -> list[Span]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT span FROM open_spans WHERE trace = ? AND ring = ?", (trace, ring)
            )
            mine = {span for (span,) in rows}
            ended = finished(connection, trace, self._names.name(connection))
            mine -= {span.span_id for span in ended}
            return [
                replace(span, status="lost")
                for span in open_spans(connection, trace, at_ns)
                if span.span_id in mine
            ]

    def _give_back(self) -> int:
        """Give free pages back to the file system; return how many bytes are in use."""
        self._database.give_back()
        with self._database.reading() as connection:
            return keeping.used(connection)

    def _now_ns(self) -> int:
        return self._clock.now_ms() * 1_000_000
