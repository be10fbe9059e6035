"""OTLP/JSON: ids in hex, wide numbers as text, camelCase; unknown fields are ignored.

Source: the OTLP specification 1.5, section "JSON Protobuf Encoding". Names in snake_case, which some
writers use, are read too.
"""

from __future__ import annotations

import binascii
import math
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import orjson

from holdfast.tracing.otlp.model import from_otlp, to_otlp
from holdfast.tracing.otlp.reports import Malformed, Taken, check_ids
from holdfast.tracing.span import Attributes, Event, Source, Span, SpanLink, Value

Json = Mapping[str, Any]
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_WIDEST = 1 << 63


def decode_text(data: bytes) -> Taken:
    """Return the spans of a request in JSON.

    Raises:
        Malformed: it is not JSON, or not of this form.
    """
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise Malformed("the body is no JSON object with resourceSpans")
    taken = Taken()
    try:
        for group in _list(cast("Json", document), "resourceSpans", "resource_spans"):
            _read_group(group, taken)
    except (TypeError, ValueError, AttributeError, KeyError, RecursionError) as error:
        raise Malformed(f"the body is no OTLP request: {error}") from error
    return taken


def encode_text(spans: Iterable[Span]) -> bytes:
    """Return a request in JSON with all spans, those of one source together."""
    groups: dict[int, tuple[Source, list[Json]]] = {}
    for span in spans:
        source = span.source
        groups.setdefault(id(source), (source, []))[1].append(_span(span))
    return orjson.dumps(
        {"resourceSpans": [_group(source, written) for source, written in groups.values()]}
    )


def _read_group(group: Json, taken: Taken) -> None:
    resource: Json = group.get("resource") or {}
    shared = _attributes(resource)
    dropped = _count(resource, "droppedAttributesCount", "dropped_attributes_count")
    for scoped in _list(group, "scopeSpans", "scope_spans"):
        scope: Json = scoped.get("scope") or {}
        source = Source(
            resource=shared,
            scope=_text(scope, "name"),
            scope_version=_text(scope, "version"),
            scope_attributes=_attributes(scope),
            resource_schema=_text(group, "schemaUrl", "schema_url"),
            scope_schema=_text(scoped, "schemaUrl", "schema_url"),
            dropped_resource=dropped,
            dropped_scope=_count(scope, "droppedAttributesCount", "dropped_attributes_count"),
        )
        for raw in _list(scoped, "spans"):
            _read_span(raw, source, taken)


def _read_span(raw: Json, source: Source, taken: Taken) -> None:
    trace_id, span_id = _id(raw, "traceId", "trace_id"), _id(raw, "spanId", "span_id")
    parent = _id(raw, "parentSpanId", "parent_span_id")
    if why := check_ids(trace_id, span_id, parent):
        taken.reject(why)
        return
    status: Json = raw.get("status") or {}
    kind, state, attributes = from_otlp(
        _enum(raw.get("kind"), "SPAN_KIND_", _KINDS),
        _enum(status.get("code"), "STATUS_CODE_", _CODES),
        _attributes(raw),
    )
    start = _count(raw, "startTimeUnixNano", "start_time_unix_nano")
    end = _count(raw, "endTimeUnixNano", "end_time_unix_nano")
    taken.spans.append(
        Span(
            trace_id=trace_id,
            span_id=span_id,
            parent_id=parent or None,
            name=_text(raw, "name"),
            kind=kind,
            start_ns=start,
            duration_ns=max(0, end - start),
            status=state,
            error=_text(status, "message"),
            attributes=attributes,
            events=[_event(each) for each in _list(raw, "events")],
            links=[_link(each) for each in _list(raw, "links")],
            source=source,
            state=_text(raw, "traceState", "trace_state"),
            flags=_count(raw, "flags"),
            dropped_attributes=_count(raw, "droppedAttributesCount", "dropped_attributes_count"),
            dropped_events=_count(raw, "droppedEventsCount", "dropped_events_count"),
            dropped_links=_count(raw, "droppedLinksCount", "dropped_links_count"),
        )
    )


_KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_CODES = ("UNSET", "OK", "ERROR")


def _event(raw: Json) -> Event:
    return Event(
        at_ns=_count(raw, "timeUnixNano", "time_unix_nano"),
        name=_text(raw, "name"),
        attributes=_attributes(raw),
        dropped_attributes=_count(raw, "droppedAttributesCount", "dropped_attributes_count"),
    )


def _link(raw: Json) -> SpanLink:
    return SpanLink(
        trace_id=_id(raw, "traceId", "trace_id"),
        span_id=_id(raw, "spanId", "span_id"),
        state=_text(raw, "traceState", "trace_state"),
        attributes=_attributes(raw),
        dropped_attributes=_count(raw, "droppedAttributesCount", "dropped_attributes_count"),
        flags=_count(raw, "flags"),
    )


def _attributes(raw: Json) -> dict[str, Value]:
    return {str(each["key"]): _value(each.get("value")) for each in _list(raw, "attributes")}


def _value(raw: Any) -> Value:
    if not isinstance(raw, dict) or not raw:
        return None
    kind, held = next(iter(cast("dict[str, Any]", raw).items()))
    read = _VALUES.get(kind.replace("_v", "V"))
    return None if read is None else read(held)


_VALUES: Mapping[str, Callable[[Any], Value]] = {
    "stringValue": str,
    "boolValue": bool,
    "intValue": int,
    "doubleValue": lambda held: _SPECIAL[held] if held in _SPECIAL else float(held),
    "arrayValue": lambda held: [_value(each) for each in _list(held, "values")],
    "kvlistValue": lambda held: {
        str(each["key"]): _value(each.get("value")) for each in _list(held, "values")
    },
    "bytesValue": b64decode,
}


def _list(raw: Json, *names: str) -> Sequence[Any]:
    for name in names:
        if (held := raw.get(name)) is not None:
            if not isinstance(held, list):
                raise TypeError(f"{name} is no list")
            return cast("Sequence[Any]", held)
    return ()


def _text(raw: Json, *names: str) -> str:
    return next((held for name in names if isinstance(held := raw.get(name), str)), "")


def _count(raw: Json, *names: str) -> int:
    return next((int(held) for name in names if (held := raw.get(name)) is not None), 0)


def _enum(held: object, prefix: str, names: Sequence[str]) -> int:
    """Return the number of an enumeration, which may be written by its name."""
    if isinstance(held, str) and held.removeprefix(prefix) in names:
        return names.index(held.removeprefix(prefix))
    return int(cast("int", held)) if held is not None else 0


def _id(raw: Json, *names: str) -> str:
    """Return an id in hex; some writers put it in base64, as plain protobuf JSON does."""
    text = _text(raw, *names)
    try:
        binascii.unhexlify(text)
    except (binascii.Error, ValueError):
        try:
            return b64decode(text, validate=True).hex()
        except (binascii.Error, ValueError):
            return text
    return text.lower()


def _group(source: Source, spans: Sequence[Json]) -> Json:
    scope = _without_empty(
        name=source.scope,
        version=source.scope_version,
        attributes=_pairs(source.scope_attributes),
        droppedAttributesCount=source.dropped_scope,
    )
    resource = _without_empty(
        attributes=_pairs(source.resource), droppedAttributesCount=source.dropped_resource
    )
    scoped = {
        "scope": scope, "spans": spans, **_without_empty(schemaUrl=source.scope_schema),
    }  # fmt: skip
    return {
        "resource": resource, "scopeSpans": [scoped],
        **_without_empty(schemaUrl=source.resource_schema),
    }  # fmt: skip


def _span(span: Span) -> Json:
    told = to_otlp(span.kind, span.status, span.error, span.attributes)
    return {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": _clean(span.name),
        "kind": told.kind,
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "status": _without_empty(code=told.code, message=_clean(told.message)),
        **_without_empty(
            parentSpanId=span.parent_id,
            attributes=_pairs(told.attributes),
            events=[_event_out(each) for each in span.events],
            links=[_link_out(each) for each in span.links],
            traceState=span.state,
            flags=span.flags,
            droppedAttributesCount=span.dropped_attributes,
            droppedEventsCount=span.dropped_events,
            droppedLinksCount=span.dropped_links,
        ),
    }


def _event_out(event: Event) -> Json:
    return {
        "timeUnixNano": str(event.at_ns),
        "name": _clean(event.name),
        **_without_empty(
            attributes=_pairs(event.attributes), droppedAttributesCount=event.dropped_attributes
        ),
    }


def _link_out(link: SpanLink) -> Json:
    return {
        "traceId": link.trace_id,
        "spanId": link.span_id,
        **_without_empty(
            traceState=link.state,
            attributes=_pairs(link.attributes),
            droppedAttributesCount=link.dropped_attributes,
            flags=link.flags,
        ),
    }


def _pairs(attributes: Attributes) -> Sequence[Json]:
    return [{"key": _clean(name), "value": _value_out(each)} for name, each in attributes.items()]


def _value_out(value: Value) -> Json:
    if value is None:
        return {}
    if isinstance(value, str):
        return {"stringValue": _clean(value)}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        wide = not -_WIDEST <= value < _WIDEST
        return {"stringValue": str(value)} if wide else {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value if math.isfinite(value) else _special(value)}
    if isinstance(value, bytes | bytearray):
        return {"bytesValue": b64encode(value).decode("ascii")}
    if isinstance(value, Mapping):
        return {"kvlistValue": {"values": _pairs(value)}}
    return {"arrayValue": {"values": [_value_out(each) for each in value]}}


def _special(value: float) -> str:
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _without_empty(**members: object) -> dict[str, object]:
    return {name: value for name, value in members.items() if value}


def _clean(text: str) -> str:
    """Return text as UTF-8 can hold it."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
