"""List traces page by page, and read their rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from holdfast.errors import UsageError
from holdfast.tracing.digest import Call, Sighting, TraceDigest
from holdfast.tracing.meaning import TokenUsage
from holdfast.tracing.store.relational.database import Connection
from holdfast.tracing.store.relational.filters import where
from holdfast.tracing.store.relational.settling import USAGE
from holdfast.tracing.store.seam import Order, Page, Query

_COLUMNS = (
    "trace", "name", "start_ns", "duration_ns", "status", "spans", "errors", "workflow", "session",
    "user", "release", "usage", "cost_msat", "cost_micros", "currency", "cost_known", "error",
    "labels",
)  # fmt: skip
_KEYS: dict[Order, str] = {
    "newest": "d.start_ns",
    "slowest": "d.duration_ns",
    "dearest": "coalesce(d.cost_msat, -1)",
}
SELECT = f"SELECT {', '.join(f'd.{each}' for each in _COLUMNS)} FROM digests d"  # noqa: S608 - ours


def page(connection: Connection, query: Query, order: Order, limit: int, cursor: str) -> Page:
    """Return a page of traces; a cursor is the key and the id of the last one."""
    key = _KEYS[order]
    condition, values = where(query, connection.dialect)
    if cursor:
        condition += f" AND ({key}, d.trace) < (?, ?)"
        values += _read_cursor(cursor, order)
    rows = connection.execute(
        f"{SELECT} WHERE {condition} ORDER BY {key} DESC, d.trace DESC LIMIT ?",
        [*values, limit + 1],
    ).fetchall()
    traces = [digest_of_row(row) for row in rows[:limit]]
    more = len(rows) > limit
    return Page(traces=traces, cursor=_cursor(traces[-1], order) if more else "")


def digest_of_row(
    row: Sequence[Any], calls: Sequence[Call] = (), sightings: Sequence[Sighting] = ()
) -> TraceDigest:
    """Return the digest that a row of `SELECT` tells of."""
    members: dict[str, Any] = dict(zip(_COLUMNS, row, strict=True))
    members["trace_id"] = members.pop("trace")
    members["usage"] = TokenUsage(**json.loads(members["usage"]))
    members["labels"] = json.loads(members["labels"])
    members["cost_known"] = bool(members["cost_known"])
    return TraceDigest(**members, calls=calls, sightings=sightings)


CALL_COLUMNS = (
    "span", "start_ns", "duration_ns", "provider", "model", *USAGE, "told_msat", "priced_msat",
    "told_micros", "priced_micros", "currency", "ttft_ns",
)  # fmt: skip


def call_of_row(row: Sequence[Any]) -> Call:
    """Return the call that a row of `CALL_COLUMNS` tells of."""
    members: dict[str, Any] = dict(zip(CALL_COLUMNS, row, strict=True))
    usage = TokenUsage(**{name: members.pop(name) for name in USAGE})
    return Call(span_id=members.pop("span"), usage=usage, **members)


def calls_of(connection: Connection, trace: str) -> list[Call]:
    """Return the model calls of a trace, the first first."""
    rows = connection.execute(
        f"SELECT {', '.join(CALL_COLUMNS)} FROM calls WHERE trace = ? ORDER BY start_ns, span",  # noqa: S608
        (trace,),
    )
    return [call_of_row(row) for row in rows]


def sightings_of(connection: Connection, trace: str) -> list[Sighting]:
    """Return the errors of a trace, the first first."""
    rows = connection.execute(
        "SELECT span, fingerprint, class, kind, message, origin, swallowed FROM sightings "
        "WHERE trace = ? ORDER BY at_ns, span",
        (trace,),
    )
    return [
        Sighting(
            span_id=span,
            fingerprint=fingerprint,
            error_class=error_class,
            kind=kind,
            message=message,
            origin=bool(origin),
            swallowed=bool(swallowed),
        )
        for span, fingerprint, error_class, kind, message, origin, swallowed in rows
    ]


def _cursor(last: TraceDigest, order: Order) -> str:
    key = {
        "newest": last.start_ns,
        "slowest": last.duration_ns,
        "dearest": -1 if last.cost_msat is None else last.cost_msat,
    }[order]
    return f"{order}:{key}:{last.trace_id}"


def _read_cursor(cursor: str, order: Order) -> list[object]:
    kind, _, rest = cursor.partition(":")
    key, _, trace = rest.partition(":")
    if kind != order or not key.removeprefix("-").isdecimal():
        raise UsageError(f"{cursor!r} is no cursor of this list", hint="begin without one")
    return [int(key), trace]
