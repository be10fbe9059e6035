"""Settle traces that changed: pack their spans, count them, make their digests anew."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from holdfast.frozen import members_of
from holdfast.tracing.digest import Call, Digester, TraceDigest
from holdfast.tracing.meaning import TokenUsage
from holdfast.tracing.span import Span
from holdfast.tracing.store.packing import pack, unpack
from holdfast.tracing.store.references import parts_of, references_in
from holdfast.tracing.store.relational.batches import Held, Later, held_of
from holdfast.tracing.store.relational.counts import Counts
from holdfast.tracing.store.relational.database import Connection, upsert
from holdfast.tracing.store.relational.loading import Names, read_fresh, read_open
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
_NUMBER = "(SELECT number FROM digests WHERE trace = ?)"
_FORGET_WORDS = f"DELETE FROM words WHERE rowid = {_NUMBER}"  # noqa: S608 - ours
_DERIVED = ("calls", "sightings", "name_uses", "part_uses")


class Settling:
    """Settles or removes traces, within a transaction of the caller; then `finish` writes it all."""

    def __init__(
        self, connection: Connection, names: Names, digester: Digester, now_ns: int
    ) -> None:
        self._connection = connection
        self._names = names
        self._digester = digester
        self._now_ns = now_ns
        self._counts = Counts(names.number(connection))
        self._later = Later()

    def settle(self, traces: Sequence[str]) -> Iterator[str]:
        """Bring all that is derived from traces up to date, and yield each when that is done."""
        for trace, held in held_of(self._connection, traces).items():
            self._settle(trace, held)
            self._later.remove("DELETE FROM dirty WHERE trace = ?", (trace,))
            yield trace

    def remove(self, traces: Sequence[str]) -> None:
        """Remove all of traces, and what is counted of them."""
        for trace, held in held_of(self._connection, traces).items():
            self._remove(trace, held)

    def finish(self) -> None:
        """Write what was found and counted."""
        self._counts.write(self._connection, self._later)
        self._later.run(self._connection)

    def _settle(self, trace: str, held: Held) -> None:
        packed = self._unpack(trace, held)
        known = {span.span_id: span for part in packed for span in part}
        fresh = {span.span_id: span for span in read_fresh(trace, held.fresh)}
        ended = {**known, **fresh}
        opened = read_open(trace, held.opened, self._now_ns)
        self._later.remove(
            "DELETE FROM open_spans WHERE trace = ? AND span = ?",
            *((trace, span.span_id) for span in opened if span.span_id in ended),
        )
        opened = [span for span in opened if span.span_id not in ended]
        if not ended and not opened:
            self._remove(trace, held)
            return
        spans = sorted([*ended.values(), *opened], key=lambda span: span.start_ns)
        digest = self._digester(spans)
        self._count(held.release, known, fresh, as_label(digest.release))
        if fresh:
            self._pack(trace, packed, known, fresh)
        _write_digest(self._later, digest)
        uses = held.uses | self._parts(spans, held.uses)
        _write_derived(self._later, digest, spans, uses)
        self._write_name_uses(trace, spans)
        self._write_words(trace, spans)

    def _remove(self, trace: str, held: Held) -> None:
        for part in self._unpack(trace, held):
            self._counts.add(part, held.release or "", -1)
        self._later.remove(_FORGET_WORDS, (trace,))
        for table in ("chunks", "packs", "open_spans", "dirty", "digests", *_DERIVED):
            self._later.remove(_without(table), (trace,))

    def _unpack(self, trace: str, held: Held) -> list[list[Span]]:
        name_of = self._names.name(self._connection)
        return [unpack(trace, each, name_of) for each in held.packs]

    def _parts(self, spans: Sequence[Span], before: set[bytes]) -> set[bytes]:
        def fetch(hash_: bytes) -> bytes | None:
            found = self._connection.execute("SELECT data FROM parts WHERE hash = ?", (hash_,))
            row = found.fetchone()
            return row[0] if row else None

        return parts_of(references_in(spans), fetch, before.__contains__)

    def _count(
        self, before: str | None, known: dict[str, Span], fresh: dict[str, Span], release: str
    ) -> None:
        """Count fresh spans, and no longer those that they replace."""
        if before is None or before == release:
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
        merge = len(packed) >= MOST_PARTS or not known.keys().isdisjoint(fresh)
        if merge:
            self._later.remove(_without("packs"), (trace,))
        spans = list(({**known, **fresh} if merge else fresh).values())
        spans.sort(key=lambda span: span.start_ns)
        made = pack(spans, self._names.number(self._connection))
        part = 0 if merge else len(packed)
        row = (trace, part, made.size, spans[0].start_ns, made.columns, made.bodies)
        rows_of = self._connection.dialect.rows_of
        if rows_of is None:
            self._later.write(_WRITE_PACK, row)
        else:
            self._later.write(_WRITE_SHOWN_PACK, (*row, rows_of(spans)))
        self._later.remove(_without("chunks"), (trace,))

    def _write_name_uses(self, trace: str, spans: Sequence[Span]) -> None:
        longest: dict[str, int] = {}
        for span in spans:
            if span.status != "open" and span.duration_ns >= longest.get(span.name, 0):
                longest[span.name] = span.duration_ns
        number_of = self._names.number(self._connection)
        self._later.write(
            "INSERT INTO name_uses (name, trace, longest_ns) VALUES (?, ?, ?)",
            *((number_of(name), trace, duration) for name, duration in longest.items()),
        )

    def _write_words(self, trace: str, spans: Sequence[Span]) -> None:
        dialect = self._connection.dialect
        self._later.remove(_FORGET_WORDS, (trace,))
        self._later.write(
            f"INSERT INTO words (rowid, text) VALUES ({_NUMBER}, {dialect.word})",  # noqa: S608
            (trace, dialect.text_of(words_of(spans))),
        )


def _without(table: str) -> str:
    return f"DELETE FROM {table} WHERE trace = ?"  # noqa: S608 - a table of ours


def _write_digest(later: Later, digest: TraceDigest) -> None:
    """Write the row of a trace; what people set of it stays."""
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
    later.write(upsert("digests", ("trace",), tuple(row)), tuple(row.values()))


def _write_derived(
    later: Later, digest: TraceDigest, spans: Sequence[Span], uses: Iterable[bytes]
) -> None:
    trace = digest.trace_id
    for table in _DERIVED:
        later.remove(_without(table), (trace,))
    later.write(_WRITE_CALL, *(_call_row(trace, call) for call in digest.calls))
    began = {span.span_id: span.start_ns for span in spans}
    later.write(
        _WRITE_SIGHTING,
        *(
            (
                trace, each.span_id, as_label(each.fingerprint), each.error_class, clean(each.kind),
                clean(each.message), each.origin, each.swallowed,
                began.get(each.span_id, digest.start_ns),
            )
            for each in digest.sightings
        ),
    )  # fmt: skip
    later.write(
        "INSERT INTO part_uses (trace, hash) VALUES (?, ?)", *((trace, each) for each in uses)
    )


def _call_row(trace: str, call: Call) -> tuple[object, ...]:
    return (
        trace, call.span_id, call.start_ns, call.duration_ns, clean(call.provider),
        clean(call.model), *(getattr(call.usage, name) for name in USAGE), call.told_msat,
        call.priced_msat, call.told_micros, call.priced_micros, call.currency, call.ttft_ns,
    )  # fmt: skip
