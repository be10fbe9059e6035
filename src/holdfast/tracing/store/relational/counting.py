"""Count over many traces: how long spans took, what went wrong, what it cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from holdfast.frozen import replace
from holdfast.tracing.digest import Call
from holdfast.tracing.span import Span
from holdfast.tracing.store.columns import gather
from holdfast.tracing.store.packing import Pack, columns_of
from holdfast.tracing.store.relational.counts import HOUR_NS
from holdfast.tracing.store.relational.database import Connection
from holdfast.tracing.store.relational.filters import TRUE, where
from holdfast.tracing.store.relational.listing import CALL_COLUMNS, call_of_row
from holdfast.tracing.store.relational.texts import as_held, as_label, as_name
from holdfast.tracing.store.seam import ANY, CostBy, CostRow, ErrorGroup, NameStatistics, Query
from holdfast.tracing.store.sketch import Sketch

SHARES = (0.5, 0.95, 0.99)
_SAMPLES = 5
_MSAT = "coalesce(c.told_msat, c.priced_msat)"
_MICROS = "coalesce(c.told_micros, c.priced_micros)"
_UNKNOWN = f"count(*) - count(coalesce({_MSAT}, {_MICROS}))"
_KEYS: Mapping[CostBy, str] = {
    "trace": "c.trace",
    "workflow": "d.workflow",
    "model": "c.model",
    "provider": "c.provider",
    "user": "d.user",
    "name": "d.name",
}


def sketched(connection: Connection, query: Query) -> list[NameStatistics]:
    """Return statistics from the sketches."""
    conditions, values = [TRUE], list[object]()
    if query.span:
        conditions.append("n.name = ?")
        values.append(as_held(query.span))
    if query.release:
        conditions.append("s.release = ?")
        values.append(as_label(query.release))
    if query.since_ns is not None:
        conditions.append("s.hour >= ?")
        values.append(query.since_ns // HOUR_NS)
    if query.until_ns is not None:
        conditions.append("s.hour < ?")
        values.append(-(-query.until_ns // HOUR_NS))
    rows = connection.execute(
        "SELECT n.name, s.count, s.errors, s.total_ns, s.buckets FROM sketches s "  # noqa: S608 - ours
        f"JOIN names n ON n.number = s.name WHERE {' AND '.join(conditions)}",
        values,
    )
    found: dict[str, tuple[list[int], list[Sketch]]] = {}
    for name, count, errors, total, buckets in rows:
        sums, sketches = found.setdefault(as_name(name), ([0, 0, 0], []))
        for place, number in enumerate((count, errors, total)):
            sums[place] += number
        sketches.append(Sketch.load(buckets))
    return [_estimated(name, sums, sketches) for name, (sums, sketches) in found.items()]


def _estimated(name: str, sums: Sequence[int], sketches: Sequence[Sketch]) -> NameStatistics:
    p50, p95, p99 = Sketch().merge(sketches).quantiles(SHARES)
    return NameStatistics(
        name=name,
        count=sums[0],
        errors=sums[1],
        total_ns=sums[2],
        p50_ns=p50,
        p95_ns=p95,
        p99_ns=p99,
        exact=False,
    )


def is_sketched(query: Query) -> bool:
    """Whether the sketches know all that a query asks for."""
    return replace(query, span="", since_ns=None, until_ns=None, release="") == ANY


def counted(
    connection: Connection, query: Query, name_of: Callable[[int], str]
) -> list[NameStatistics]:
    """Return statistics of all spans of the traces that a query means, none estimated."""
    only = None
    if query.span:
        only = number_of(connection, query.span)
        if only is None:
            return []
    found = gather(_packs(connection, query)).by_name(SHARES, only)
    return [
        NameStatistics(
            name=name_of(each.name),
            count=each.spans,
            errors=each.errors,
            total_ns=each.total_ns,
            p50_ns=each.quantiles[0],
            p95_ns=each.quantiles[1],
            p99_ns=each.quantiles[2],
            exact=True,
        )
        for each in found
    ]


def durations(connection: Connection, name: str, query: Query) -> dict[str, Sequence[int]]:
    """Return the durations of all spans of a name, by trace."""
    number = number_of(connection, name)
    if number is None:
        return {}
    condition, values = where(query, connection.dialect)
    rows = connection.execute(
        "SELECT p.trace, p.count, p.columns FROM packs p JOIN digests d ON d.trace = p.trace "  # noqa: S608
        "JOIN name_uses u ON u.trace = p.trace AND u.name = ? "
        f"WHERE {condition} ORDER BY d.start_ns, p.trace, p.part",
        [number, *values],
    )
    found: dict[str, list[int]] = {}
    for trace, count, columns in rows:
        held = columns_of(Pack(count, columns, b""))
        taken = [duration for duration, name, _ in zip(*held, strict=True) if name == number]
        if taken:
            found.setdefault(trace, []).extend(taken)
    return dict(found)


def slowest(
    connection: Connection,
    name: str,
    limit: int,
    query: Query,
    load: Callable[[str], Sequence[Span]],
) -> list[Span]:
    """Return the longest spans of a name. The longest few lie in the traces with the longest."""
    number = number_of(connection, name)
    if number is None:
        return []
    condition, values = where(query, connection.dialect)
    rows = connection.execute(
        "SELECT u.trace FROM name_uses u JOIN digests d ON d.trace = u.trace "  # noqa: S608 - ours
        f"WHERE u.name = ? AND {condition} ORDER BY u.longest_ns DESC LIMIT ?",
        [number, *values, limit],
    ).fetchall()
    spans = [
        span
        for (trace,) in rows
        for span in load(trace)
        if span.name == name and span.status != "open"
    ]
    spans.sort(key=lambda span: -span.duration_ns)
    return spans[:limit]


def errors(connection: Connection, query: Query, limit: int) -> list[ErrorGroup]:
    """Return where errors began, by fingerprint."""
    condition, values = where(query, connection.dialect)
    if query.error_class:
        condition, values = f"{condition} AND s.class = ?", [*values, query.error_class]
    if query.fingerprint:
        condition, values = (
            f"{condition} AND s.fingerprint = ?",
            [*values, as_label(query.fingerprint)],
        )
    rows = connection.execute(
        "SELECT s.fingerprint, max(s.class), max(s.kind), max(s.message), count(*), count(DISTINCT s.trace), "  # noqa: S608
        "min(s.at_ns), max(s.at_ns) FROM sightings s JOIN digests d ON d.trace = s.trace "
        f"WHERE s.origin AND {condition} GROUP BY s.fingerprint "
        "ORDER BY count(*) DESC, max(s.at_ns) DESC LIMIT ?",
        [*values, limit],
    ).fetchall()
    return [_group(connection, row, condition, values) for row in rows]


def _group(
    connection: Connection, row: Sequence[object], condition: str, values: list[object]
) -> ErrorGroup:
    fingerprint, error_class, kind, message, count, traces_count, first, last = row
    traces = connection.execute(
        "SELECT DISTINCT d.trace, d.start_ns, d.cost_msat, d.cost_known FROM sightings s "  # noqa: S608
        f"JOIN digests d ON d.trace = s.trace WHERE s.origin AND {condition} "
        "AND s.fingerprint = ? ORDER BY d.start_ns DESC",
        [*values, fingerprint],
    ).fetchall()
    known = all(is_known for _, _, _, is_known in traces)
    return ErrorGroup(
        fingerprint=str(fingerprint),
        error_class=str(error_class),
        kind=str(kind),
        message=str(message),
        count=int(str(count)),
        traces_count=int(str(traces_count)),
        first_ns=int(str(first)),
        last_ns=int(str(last)),
        traces=tuple(trace for trace, *_ in traces[:_SAMPLES]),
        cost_msat=sum(msat or 0 for _, _, msat, _ in traces) if known else None,
    )


def costs(connection: Connection, by: CostBy, query: Query, limit: int) -> list[CostRow]:
    """Return the sums of all calls that have the same key, by currency."""
    condition, values = where(query, connection.dialect)
    if query.model:
        condition, values = f"{condition} AND c.model = ?", [*values, query.model]
    key = connection.dialect.day if by == "day" else _KEYS[by]
    rows = connection.execute(
        f"SELECT {key}, count(*), {_UNKNOWN}, {_sum(_MSAT)}, {_sum(_MICROS)}, max(c.currency), "  # noqa: S608
        f"{_sum('c.input')}, {_sum('c.output')}, {_sum('c.cache_read')}, "
        f"{_sum('coalesce(c.cache_write, 0) + coalesce(c.cache_write_1h, 0)')}, "
        f"{_sum('c.reasoning')} "
        "FROM calls c JOIN digests d ON d.trace = c.trace "
        f"WHERE {condition} GROUP BY 1, nullif(c.currency, '') "
        "ORDER BY 4 DESC, 5 DESC, 1 LIMIT ?",
        [*values, limit],
    )
    names = (
        "key", "calls", "unknown", "cost_msat", "cost_micros", "currency", "input", "output",
        "cache_read", "cache_write", "reasoning",
    )  # fmt: skip
    return [CostRow(**dict(zip(names, row, strict=True))) for row in rows]


def _sum(column: str) -> str:
    """Return the sum of a column, 0 for none, as a whole number also where sums are decimal."""
    return f"CAST(coalesce(sum({column}), 0) AS bigint)"


def calls(connection: Connection, query: Query, limit: int) -> list[tuple[str, Call]]:
    """Return model calls with the id of their trace, newest first."""
    condition, values = where(query, connection.dialect)
    columns = ", ".join(f"c.{each}" for each in CALL_COLUMNS)
    rows = connection.execute(
        f"SELECT c.trace, {columns} FROM calls c JOIN digests d ON d.trace = c.trace "  # noqa: S608
        f"WHERE {condition} ORDER BY c.start_ns DESC, c.span LIMIT ?",
        [*values, limit],
    )
    return [(trace, call_of_row(row)) for trace, *row in rows]


def number_of(connection: Connection, name: str) -> int | None:
    """Return the number of a name, None if no span has it."""
    row = connection.execute("SELECT number FROM names WHERE name = ?", (as_held(name),)).fetchone()
    return row[0] if row else None


def _packs(connection: Connection, query: Query) -> list[Pack]:
    """Return packs without their bodies."""
    condition, values = where(query, connection.dialect)
    join = "" if condition == TRUE else "JOIN digests d ON d.trace = p.trace"
    rows = connection.execute(
        f"SELECT p.count, p.columns FROM packs p {join} WHERE {condition}",  # noqa: S608 - ours
        values,
    )
    return [Pack(count, columns, b"") for count, columns in rows]
