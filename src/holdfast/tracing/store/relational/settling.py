"""Settle traces that changed: pack their spans, count them, make their digests anew."""

from __future__ import annotations

import json
from collections.abc import Sequence

from holdfast.frozen import members_of
from holdfast.tracing.digest import Call, Digester, TraceDigest
from holdfast.tracing.meaning import TokenUsage
from holdfast.tracing.span import Span
from holdfast.tracing.store.packing import pack
from holdfast.tracing.store.references import parts_of, references_in
from holdfast.tracing.store.relational.counts import Counts
from holdfast.tracing.store.relational.database import Connection, upsert
from holdfast.tracing.store.relational.loading import (
    Names,
    fresh_spans,
    open_spans,
    packed_spans,
)
from holdfast.tracing.store.relational.texts import as_label, clean
from holdfast.tracing.store.words import words_of

MOST_PARTS = 8
"""A trace has at most so many packs before they are made one."""

USAGE = tuple(member.name for member in members_of(TokenUsage))
_CALL = (
    "trace", "span", "start_ns", "duration_ns", "provider", "model", *USAGE, "told_msat",
    "priced_msat", "told_micros", "priced_micros", "currency", "ttft_ns",
)  # fmt: skip
_SIGHTING = (
    "trace", "span", "fingerprint", "class", "kind", "message", "origin", "swallowed", "at_ns",
)  # fmt: skip
_WRITE_CALL = upsert("calls", ("trace", "span"), _CALL)
_WRITE_SIGHTING = upsert("sightings", ("trace", "span", "fingerprint"), _SIGHTING)
_PACK = ("trace", "part", "count", "start_ns", "columns", "bodies")
_WRITE_PACK = upsert("packs", ("trace", "part"), _PACK)
_WRITE_SHOWN_PACK = upsert("packs", ("trace", "part"), (*_PACK, "shown"))
_DERIVED = ("calls", "sightings", "name_uses", "part_uses")


class Settling:
    """Settles one trace after another, within a transaction of the caller; then `finish`."""

    def __init__(
        self, connection: Connection, names: Names, digester: Digester, now_ns: int
    ) -> None:
        self._connection = connection
        self._names = names
        self._digester = digester
        self._now_ns = now_ns
        self._counts = Counts(names.number(connection))

    def settle(self, trace: str) -> None:
        """Bring all that is derived from a trace up to date."""
        connection = self._connection
        packed = packed_spans(connection, trace, self._names.name(connection))
        known = {span.span_id: span for part in packed for span in part}
        fresh = {span.span_id: span for span in fresh_spans(connection, trace)}
        ended = {**known, **fresh}
        opened = [
            span
            for span in open_spans(connection, trace, self._now_ns)
            if span.span_id not in ended
        ]
        _drop_ended(connection, trace, {span.span_id for span in opened})
        if not ended and not opened:
            self.remove(trace)
            return
        spans = sorted([*ended.values(), *opened], key=lambda span: span.start_ns)
        digest = self._digester(spans)
        self._count(trace, known, fresh, as_label(digest.release))
        if fresh:
            self._pack(trace, packed, known, fresh)
        number = _write_digest(connection, digest)
        _write_derived(connection, number, digest, spans, self._names)

    def remove(self, trace: str) -> None:
        """Remove all of a trace, and what is counted of it."""
        connection = self._connection
        row = connection.execute("SELECT number, release FROM digests WHERE trace = ?", (trace,))
        found = row.fetchone()
        if found is not None:
            connection.execute("DELETE FROM words WHERE rowid = ?", (found[0],))
        for part in packed_spans(connection, trace, self._names.name(connection)):
            self._counts.add(part, found[1] if found else "", -1)
        for table in ("chunks", "packs", "open_spans", "dirty", "digests", *_DERIVED):
            connection.execute(f"DELETE FROM {table} WHERE trace = ?", (trace,))  # noqa: S608 - ours

    def finish(self) -> None:
        """Write what was counted."""
        self._counts.write(self._connection)

    def _count(
        self, trace: str, known: dict[str, Span], fresh: dict[str, Span], release: str
    ) -> None:
        """Count fresh spans, and no longer those that they replace."""
        row = self._connection.execute("SELECT release FROM digests WHERE trace = ?", (trace,))
        before = (row.fetchone() or (release,))[0]
        if before == release:
            self._counts.add([known[each] for each in fresh if each in known], release, -1)
            self._counts.add(fresh.values(), release)
        else:
            self._counts.add(known.values(), before, -1)
            self._counts.add({**known, **fresh}.values(), release)

    def _pack(
        self,
        trace: str,
        packed: Sequence[Sequence[Span]],
        known: dict[str, Span],
        fresh: dict[str, Span],
    ) -> None:
        """Put fresh spans into a pack of their own, or all into one if it must be."""
        connection = self._connection
        merge = len(packed) >= MOST_PARTS or not known.keys().isdisjoint(fresh)
        if merge:
            connection.execute("DELETE FROM packs WHERE trace = ?", (trace,))
        spans = list(({**known, **fresh} if merge else fresh).values())
        spans.sort(key=lambda span: span.start_ns)
        made = pack(spans, self._names.number(connection))
        part = 0 if merge else len(packed)
        row = (trace, part, made.size, spans[0].start_ns, made.columns, made.bodies)
        rows_of = connection.dialect.rows_of
        if rows_of is None:
            connection.execute(_WRITE_PACK, row)
        else:
            connection.execute(_WRITE_SHOWN_PACK, (*row, rows_of(spans)))
        connection.execute("DELETE FROM chunks WHERE trace = ?", (trace,))


def _drop_ended(connection: Connection, trace: str, still_open: set[str]) -> None:
    rows = connection.execute("SELECT span FROM open_spans WHERE trace = ?", (trace,)).fetchall()
    connection.executemany(
        "DELETE FROM open_spans WHERE trace = ? AND span = ?",
        [(trace, span) for (span,) in rows if span not in still_open],
    )


def _write_digest(connection: Connection, digest: TraceDigest) -> int:
    """Write the row of a trace and return its number; what people set of it stays."""
    row: dict[str, object] = {
        "trace": digest.trace_id,
        "name": clean(digest.name),
        "start_ns": digest.start_ns,
        "duration_ns": digest.duration_ns,
        "status": digest.status,
        "spans": digest.spans,
        "errors": digest.errors,
        "workflow": clean(digest.workflow),
        "session": clean(digest.session),
        "user": clean(digest.user),
        "release": as_label(digest.release),
        "usage": json.dumps({name: getattr(digest.usage, name) for name in USAGE}),
        "cost_msat": digest.cost_msat,
        "cost_micros": digest.cost_micros,
        "currency": digest.currency,
        "cost_known": digest.cost_known,
        "error": clean(digest.error),
        "labels": json.dumps(dict(digest.labels)),
    }
    written = upsert("digests", ("trace",), tuple(row))
    found = connection.execute(f"{written} RETURNING number", tuple(row.values()))
    return found.fetchone()[0]


def _write_derived(
    connection: Connection,
    number: int,
    digest: TraceDigest,
    spans: Sequence[Span],
    names: Names,
) -> None:
    trace = digest.trace_id
    uses = _part_uses(connection, trace, spans)
    for table in _DERIVED:
        connection.execute(f"DELETE FROM {table} WHERE trace = ?", (trace,))  # noqa: S608 - ours
    connection.executemany(_WRITE_CALL, [_call_row(trace, call) for call in digest.calls])
    began = {span.span_id: span.start_ns for span in spans}
    connection.executemany(
        _WRITE_SIGHTING,
        [
            (
                trace, each.span_id, as_label(each.fingerprint), each.error_class, clean(each.kind),
                clean(each.message), each.origin, each.swallowed,
                began.get(each.span_id, digest.start_ns),
            )
            for each in digest.sightings
        ],
    )  # fmt: skip
    _write_name_uses(connection, trace, spans, names)
    connection.executemany(
        "INSERT INTO part_uses (trace, hash) VALUES (?, ?)", [(trace, each) for each in uses]
    )
    connection.execute("DELETE FROM words WHERE rowid = ?", (number,))
    dialect = connection.dialect
    connection.execute(
        f"INSERT INTO words (rowid, text) VALUES (?, {dialect.word})",  # noqa: S608 - ours
        (number, dialect.text_of(words_of(spans))),
    )


def _write_name_uses(
    connection: Connection, trace: str, spans: Sequence[Span], names: Names
) -> None:
    longest: dict[str, int] = {}
    for span in spans:
        if span.status != "open" and span.duration_ns >= longest.get(span.name, 0):
            longest[span.name] = span.duration_ns
    number_of = names.number(connection)
    connection.executemany(
        "INSERT INTO name_uses (name, trace, longest_ns) VALUES (?, ?, ?)",
        [(number_of(name), trace, duration) for name, duration in longest.items()],
    )


def _part_uses(connection: Connection, trace: str, spans: Sequence[Span]) -> set[bytes]:
    def fetch(hash_: bytes) -> bytes | None:
        row = connection.execute("SELECT data FROM parts WHERE hash = ?", (hash_,)).fetchone()
        return row[0] if row else None

    known = connection.execute("SELECT hash FROM part_uses WHERE trace = ?", (trace,))
    before = {hash_ for (hash_,) in known}
    return before | parts_of(references_in(spans), fetch, before.__contains__)


def _call_row(trace: str, call: Call) -> tuple[object, ...]:
    return (
        trace, call.span_id, call.start_ns, call.duration_ns, clean(call.provider),
        clean(call.model), *(getattr(call.usage, name) for name in USAGE), call.told_msat,
        call.priced_msat, call.told_micros, call.priced_micros, call.currency, call.ttft_ns,
    )  # fmt: skip
