"""Make values of spans fit for JSON."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from math import isfinite

from holdfast.tracing.span import Attributes, Span, Value


def plain_value(value: Value) -> object:
    """Return a value as JSON can hold it: bytes as base64, numbers that JSON lacks as text."""
    if isinstance(value, bytes):
        return b64encode(value).decode("ascii")
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return plain_attributes(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain_value(each) for each in value]
    return value


def plain_attributes(attributes: Attributes) -> dict[str, object]:
    """Return attributes as JSON can hold them."""
    return {str(name): plain_value(value) for name, value in attributes.items()}


def span_data(span: Span) -> dict[str, object]:
    """Return all that a span says, for programs."""
    return {
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "name": span.name,
        "kind": span.kind,
        "start_ns": span.start_ns,
        "duration_ns": span.duration_ns,
        "status": span.status,
        "error": span.error,
        "attributes": plain_attributes(span.attributes),
        "events": [
            {
                "at_ns": event.at_ns,
                "name": event.name,
                "attributes": plain_attributes(event.attributes),
            }
            for event in span.events
        ],
        "links": [
            {
                "trace_id": link.trace_id,
                "span_id": link.span_id,
                "attributes": plain_attributes(link.attributes),
            }
            for link in span.links
        ],
        "scope": span.source.scope,
        "resource": plain_attributes(span.source.resource),
    }
