"""Keep traces in the tables of a database: see its `schema.sql` for what lies where."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from holdfast.clock import Clock, SystemClock
from holdfast.frozen import replace
from holdfast.tracing.digest import Call, Digester, TraceDigest
from holdfast.tracing.entries import Entry, Position
from holdfast.tracing.span import Span
from holdfast.tracing.store.relational import counting, keeping, listing
from holdfast.tracing.store.relational.database import Connection, Database
from holdfast.tracing.store.relational.loading import Names, every_span, finished, open_spans
from holdfast.tracing.store.relational.settling import Settling
from holdfast.tracing.store.relational.texts import clean
from holdfast.tracing.store.relational.writing import move, sort, touch, write
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
from holdfast.tracing.watching import UNWATCHED, Watch

_AT_ONCE = 64
"""Traces settled or removed in one transaction, so that nobody waits long for the store."""
_SPANS_AT_ONCE = 20_000
"""Traces with so many spans together are settled in one transaction at most, or one trace."""
_RECENT_NS = 3_600_000_000_000


class RelationalTraceStore:
    """A `TraceStore` in a database."""

    def __init__(
        self, database: Database, *, digester: Digester, clock: Clock | None = None
    ) -> None:
        self._database = database
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
        with self._database.adding() as connection:
            write(connection, found, ring="", now_ns=self._now_ns())

    def position(self, ring: str) -> Position:
        with self._database.reading() as connection:
            found = connection.execute(
                'SELECT segment, "offset" FROM rings WHERE ring = ?', (ring,)
            ).fetchone()
            return Position(segment=found[0], offset=found[1]) if found else Position()

    def advance(self, ring: str, entries: Sequence[Entry], *, was: Position, now: Position) -> bool:
        found = sort(entries)
        with self._database.adding() as connection:
            if not move(connection, ring, was, now):
                return False
            write(connection, found, ring=ring, now_ns=self._now_ns())
        return True

    def bury(self, ring: str, *, at_ns: int) -> int:
        with self._database.changing() as connection:
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

    def settle(self, *, most: int | None = None, watch: Watch = UNWATCHED) -> int:
        # No more than wait by now: others may add for ever.
        with self._database.reading() as connection:
            (waiting,) = connection.execute("SELECT count(*) FROM dirty").fetchone()
        total = waiting if most is None else min(most, waiting)
        done = 0
        while done < total:
            with self._changing() as (connection, settling):
                some = keeping.unsettled(connection, min(_AT_ONCE, total - done), _SPANS_AT_ONCE)
                for number, _ in enumerate(settling.settle(some), done + 1):
                    watch.settled(number, total)
            if not some:
                break
            done += len(some)
        return done

    def unsettle(self, query: Query = ANY) -> int:
        self.settle()
        with self._database.changing() as connection:
            traces = keeping.meant(connection, query)
            touch(connection, traces)
        return len(traces)

    def spans(self, trace_id: str) -> Sequence[Span]:
        with self._database.reading() as connection:
            name_of = self._names.name(connection)
            return every_span(connection, trace_id, name_of, self._now_ns())

    def find(self, prefix: str, *, limit: int = 10) -> Sequence[str]:
        self.settle()
        begins = clean(prefix)
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT trace FROM digests WHERE trace >= ? AND trace < ? "
                "ORDER BY start_ns DESC, trace DESC LIMIT ?",
                (begins, f"{begins}\U0010ffff", limit),
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
        with self._database.changing() as connection:
            done = connection.execute(
                "UPDATE digests SET pinned = ? WHERE trace = ? RETURNING trace", (pinned, trace_id)
            )
            return done.fetchone() is not None

    def sweep(self, retention: Retention, *, now_ns: int) -> Swept:
        self.settle()
        before = self._database.used()
        gone = 0
        if (days := retention.days) is not None:
            gone += self._remove_while(lambda c: keeping.outdated(c, days, now_ns, _AT_ONCE))
        if retention.payload_days is not None:
            with self._database.changing() as connection:
                keeping.drop_old_payloads(connection, retention.payload_days, now_ns)
        parts = self._drop_parts(now_ns - _RECENT_NS)
        if retention.bytes is not None:
            traces, more = self._shrink(retention.bytes, now_ns - _RECENT_NS)
            gone, parts = gone + traces, parts + more
        self._database.give_back()
        return Swept(traces=gone, parts=parts, bytes=max(0, before - self._database.used()))

    def forget(self, query: Query) -> int:
        self.settle()
        gone = self._remove_while(lambda c: keeping.meant(c, query, _AT_ONCE))
        self._drop_parts(self._now_ns() + 1)
        self._database.give_back()
        return gone

    def state(self) -> StoreState:
        with self._settled() as connection:
            return keeping.state_of(connection, self._database.size())

    @contextmanager
    def _settled(self) -> Generator[Connection]:
        self.settle()
        with self._database.reading() as connection:
            yield connection

    def _remove_while(self, choose: Callable[[Connection], Sequence[str]]) -> int:
        """Remove traces, some at a time, as long as any are chosen."""
        gone = 0
        while True:
            with self._changing() as (connection, settling):
                traces = choose(connection)
                settling.remove(traces)
            if not traces:
                return gone
            gone += len(traces)

    def _shrink(self, most: int, before_ns: int) -> tuple[int, int]:
        """Remove the oldest traces until no more bytes are filled; return how many, and parts."""
        gone = parts = 0
        while (excess := self._database.used() - most) > 0:
            shed = self._shed(excess)
            gone += shed
            parts += self._drop_parts(before_ns)
            if not shed:
                break
        return gone, parts

    def _shed(self, excess: int) -> int:
        """Remove the oldest traces that take so many bytes; return how many those were."""
        gone = 0
        while excess > 0:
            with self._changing() as (connection, settling):
                some = keeping.oldest(connection, excess, _AT_ONCE)
                settling.remove([trace for trace, _ in some])
                excess -= sum(taken for _, taken in some)
            if not some:
                break
            gone += len(some)
        return gone

    def _drop_parts(self, before_ns: int) -> int:
        with self._database.changing() as connection:
            return keeping.drop_parts(connection, before_ns)

    @contextmanager
    def _changing(self) -> Generator[tuple[Connection, Settling]]:
        try:
            with self._database.changing() as connection:
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

    def _now_ns(self) -> int:
        return self._clock.now_ms() * 1_000_000
