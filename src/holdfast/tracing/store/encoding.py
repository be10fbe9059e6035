"""Spans of one trace as bytes, before they are packed: rows of JSON, lossless for every value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from holdfast.tracing.ring.encoding import extras_members, read_extras
from holdfast.tracing.span import HOLDFAST, Span, Status

Row = Sequence[Any]


def row_of(span: Span) -> Row:
    """Return all of a span but its trace, as values of JSON or nearly so."""
    return (
        span.span_id, span.parent_id or "", span.name, span.kind, span.start_ns, span.duration_ns,
        span.status, span.error, span.attributes, extras_of(span),
    )  # fmt: skip


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


def extras_of(span: Span) -> object:
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
