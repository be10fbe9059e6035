"""Write spans as bytes and read them back, whatever values they hold.

Plain values are JSON as orjson writes it, all others as `holdfast.tracing.values` tags them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import orjson

from holdfast.tracing.entries import Entry, Loss, Opened, Part
from holdfast.tracing.extras import Extras
from holdfast.tracing.records.layout import OPENED, PART, SPAN, TAGGED, pack_record
from holdfast.tracing.safely import text_of
from holdfast.tracing.span import HOLDFAST, Event, Source, Span, SpanLink, Status, Value
from holdfast.tracing.values import Tagging, has_nan, untag

_LINE = orjson.OPT_APPEND_NEWLINE
_HASH = 16


class Begun(Protocol):
    """What is known of a span when it begins."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: str
    start_ns: int


class Ended(Begun, Protocol):
    """What is known of it when it ends."""

    duration_ns: int
    status: Status
    error: str
    attributes: dict[str, Value]
    extras: Extras | None
    head: bytes | None


def head_of(span: Begun) -> bytes:
    """Return what is known of a span when it begins; never raises."""
    ids = (span.trace_id, span.span_id, span.parent_id)
    try:
        return orjson.dumps((*ids, span.name, span.kind, span.start_ns), option=_LINE)
    except Exception:  # noqa: BLE001 - a name may be no text at all
        texts = [None if each is None else _plain_text(each) for each in ids]
        texts += [_plain_text(span.name), _plain_text(span.kind)]
        return orjson.dumps((*texts, span.start_ns), option=_LINE)


def end_of(span: Ended) -> bytes:
    """Return the record of a span that has ended; never raises."""
    head = span.head or head_of(span)
    extras = extras_members(span.extras) if span.extras else 0
    members = (span.duration_ns, span.status, span.error, span.attributes, extras)
    try:
        line = orjson.dumps(members, option=_LINE)
    except Exception:  # noqa: BLE001 - see the module
        line = b""
    if line and (b"null" not in line or not has_nan(members, 0)):
        return line + head
    return pack_record(TAGGED, orjson.dumps(Tagging().tag(members, 0), option=_LINE) + head)


def loss_of(count: int, why: str) -> bytes:
    """Return the payload of a record that tells of a loss."""
    return orjson.dumps((count, _plain_text(why)))


def decode(kind: int, payload: bytes) -> Entry:
    """Return the entry that a record holds; raises ValueError if it holds none."""
    try:
        if kind == PART:
            return Part(hash=payload[:_HASH], data=payload[_HASH:])
        if kind in {SPAN, TAGGED}:
            tail, _, head = payload.partition(b"\n")
            members = orjson.loads(tail)
            return _span(orjson.loads(head), untag(members) if kind == TAGGED else members)
        members = orjson.loads(payload)
        if kind == OPENED:
            return Opened(**_read_head(members))
        return Loss(count=members[0], why=members[1])
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        raise ValueError(f"a record of kind {kind} that is none: {error}") from error


def _span(head: Sequence[Any], tail: Sequence[Any]) -> Span:
    duration_ns, status, error, attributes, extras = tail
    return Span(
        **_read_head(head), duration_ns=duration_ns, status=status, error=error,
        attributes=attributes, **(read_extras(extras) if extras else {}),
    )  # fmt: skip


def _read_head(members: Sequence[Any]) -> dict[str, Any]:
    trace_id, span_id, parent_id, name, kind, start_ns = members
    return {
        "trace_id": trace_id, "span_id": span_id, "parent_id": parent_id, "name": str(name),
        "kind": str(kind), "start_ns": start_ns,
    }  # fmt: skip


def extras_members(extras: Extras | Span) -> Sequence[object]:
    """Return what few spans have, as values of JSON or nearly so."""
    source = extras.source
    return (
        [(e.at_ns, e.name, e.attributes, e.dropped_attributes) for e in extras.events],
        [
            (k.trace_id, k.span_id, k.state, k.attributes, k.dropped_attributes, k.flags)
            for k in extras.links
        ],
        0 if source is HOLDFAST else _members_of(source),
        extras.state,
        extras.flags,
        extras.dropped_attributes,
        extras.dropped_events,
        extras.dropped_links,
    )


def shared_extras(source: Source) -> Extras:
    """Return what all spans of a source have, encoded once if it is plain JSON: it nearly always is."""
    extras = Extras(source)
    members = extras_members(extras)
    try:
        line = orjson.dumps(members)
    except Exception:  # noqa: BLE001 - see the module
        return extras
    if b"null" not in line or not has_nan(members, 0):
        extras.members = orjson.Fragment(line)
    return extras


def _members_of(source: Source) -> Sequence[object]:
    return (
        source.resource, source.scope, source.scope_version, source.scope_attributes,
        source.resource_schema, source.scope_schema, source.dropped_resource, source.dropped_scope,
    )  # fmt: skip


def read_extras(members: Sequence[Any]) -> dict[str, Any]:
    """Return as members of a span what `extras_members` returned."""
    events, links, source, state, flags, *dropped = members
    event = ("at_ns", "name", "attributes", "dropped_attributes")
    link = ("trace_id", "span_id", "state", "attributes", "dropped_attributes", "flags")
    read: dict[str, Any] = {
        "events": tuple(Event(**dict(zip(event, each, strict=True))) for each in events),
        "links": tuple(SpanLink(**dict(zip(link, each, strict=True))) for each in links),
        "state": state,
        "flags": flags,
    }
    if source:
        read["source"] = _read_source(source)
    read |= zip(("dropped_attributes", "dropped_events", "dropped_links"), dropped, strict=True)
    return read


def _read_source(members: Sequence[Any]) -> Source:
    names = (
        "resource", "scope", "scope_version", "scope_attributes", "resource_schema", "scope_schema",
        "dropped_resource", "dropped_scope",
    )  # fmt: skip
    return Source(**dict(zip(names, members, strict=True)))


def _plain_text(value: object) -> str:
    return text_of(value).encode("utf-8", "backslashreplace").decode()
