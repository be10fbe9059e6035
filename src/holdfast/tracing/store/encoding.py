"""Spans of one trace as bytes, before they are packed: rows of JSON, lossless for every value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import orjson

from holdfast.tracing.ring.encoding import (
    _extras_of as extras_members,
)
from holdfast.tracing.ring.encoding import (
    _has_nan as has_nan,
)
from holdfast.tracing.ring.encoding import (
    _read_extras as read_extras,
)
from holdfast.tracing.ring.encoding import (
    _Tagging as Tagging,
)
from holdfast.tracing.ring.encoding import (
    _untag as untag,
)
from holdfast.tracing.span import HOLDFAST, Span, Status

PLAIN, TAGGED = b"0", b"1"
Row = Sequence[Any]


def row_of(span: Span) -> Row:
    """Return all of a span but its trace, as values of JSON or nearly so."""
    return (
        span.span_id, span.parent_id or "", span.name, span.kind, span.start_ns, span.duration_ns,
        span.status, span.error, span.attributes, _extras(span),
    )  # fmt: skip


def dump_rows(rows: object) -> bytes:
    """Return rows as JSON, behind a byte that says whether values are tagged."""
    try:
        data = orjson.dumps(rows)
    except TypeError:
        pass
    else:
        if b"null" not in data or not has_nan(rows, 0):
            return PLAIN + data
    return TAGGED + orjson.dumps(Tagging().tag(rows, 0))


def load_rows(data: bytes) -> list[Any]:
    """Return the rows that `dump_rows` wrote."""
    rows = orjson.loads(memoryview(data)[1:])
    return cast("list[Any]", untag(rows) if data[:1] == TAGGED else rows)


def span_of(trace_id: str, row: Row) -> Span:
    """Return the span that a row tells of."""
    span_id, parent, name, kind, start, duration, status, error, attributes, extras = row
    if extras:
        return Span(
            trace_id=trace_id, span_id=span_id, parent_id=parent or None, name=name, kind=kind,
            start_ns=start, duration_ns=duration, status=cast("Status", status), error=error,
            attributes=attributes, **read_extras(extras),
        )  # fmt: skip
    return Span(
        trace_id=trace_id, span_id=span_id, parent_id=parent or None, name=name, kind=kind,
        start_ns=start, duration_ns=duration, status=cast("Status", status), error=error,
        attributes=attributes,
    )  # fmt: skip


def _extras(span: Span) -> object:
    """Return what few spans have, 0 for none of it."""
    if (
        span.source is HOLDFAST
        and not span.events
        and not span.links
        and not span.state
        and not span.flags
        and not (span.dropped_attributes or span.dropped_events or span.dropped_links)
    ):
        return 0
    return extras_members(span)
