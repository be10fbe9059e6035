"""Spans of one trace as bytes, before they are packed: rows of JSON, lossless for every value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

from holdfast.frozen import members_of, records
from holdfast.tracing.records.encoding import extras_members, read_extras
from holdfast.tracing.span import HOLDFAST, Span

Row = Sequence[Any]


def row_of(span: Span) -> Row:
    """Return all of a span but its trace, as values of JSON or nearly so."""
    return (
        span.span_id, span.parent_id or "", span.name, span.kind, span.start_ns, span.duration_ns,
        span.status, span.error, span.attributes, extras_of(span),
    )  # fmt: skip


def spans_of(trace_id: str, rows: Sequence[Row]) -> list[Span]:
    """Return the spans that rows (at least one) tell of."""
    ids, parents, names, kinds, starts, durations, statuses, errors, attributes, extras = zip(
        *rows, strict=True
    )
    members: dict[str, Iterable[object]] = {
        "trace_id": repeat(trace_id),
        "span_id": ids,
        "parent_id": [each or None for each in parents],
        "name": names,
        "kind": kinds,
        "start_ns": starts,
        "duration_ns": durations,
        "status": statuses,
        "error": errors,
        "attributes": attributes,
    }
    return records(Span, len(rows), with_extras(members, extras))


def with_extras(
    members: dict[str, Iterable[object]], extras: Sequence[Any]
) -> dict[str, Iterable[object]]:
    """Return the members of spans with those that few have; `extras` is what `extras_of` returned."""
    if not any(extras):
        return members
    read = [read_extras(each) if each else {} for each in extras]
    rare = [member for member in members_of(Span) if member.name not in members]
    return members | {
        member.name: [each[member.name] if member.name in each else member.fill() for each in read]
        for member in rare
    }


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
