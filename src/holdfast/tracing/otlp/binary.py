"""OTLP in protobuf, by the classes of `opentelemetry-proto`, which is imported late (extra `otel`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from holdfast.errors import UsageError
from holdfast.tracing.otlp.model import from_otlp, to_otlp
from holdfast.tracing.otlp.reports import Malformed, Taken, check_ids
from holdfast.tracing.span import Attributes, Event, Source, Span, SpanLink, Value

if TYPE_CHECKING:
    from types import ModuleType

_WIDEST = 1 << 63


def decode_binary(data: bytes) -> Taken:
    """Return the spans of a request in protobuf.

    Raises:
        Malformed: it is no such request.
        UsageError: the package for it is not installed.
    """
    request = _service().ExportTraceServiceRequest()
    try:
        request.ParseFromString(data)
    except Exception as error:
        raise Malformed(f"the body is no OTLP request in protobuf: {error}") from error
    taken = Taken()
    for group in request.resource_spans:
        _read_group(group, taken)
    return taken


def encode_binary(spans: Iterable[Span]) -> bytes:
    """Return a request in protobuf with all spans, those of one source together."""
    request = _service().ExportTraceServiceRequest()
    scopes: dict[int, Any] = {}
    for span in spans:
        source = span.source
        scoped = scopes.get(id(source))
        if scoped is None:
            scoped = scopes[id(source)] = _write_source(request, source)
        _write_span(scoped.spans.add(), span)
    return request.SerializeToString()


def response_binary(rejected: int, why: str) -> bytes:
    """Return the answer to a request: how many spans were rejected, and why."""
    response = _service().ExportTraceServiceResponse()
    if rejected:
        response.partial_success.rejected_spans = rejected
        response.partial_success.error_message = why
    return response.SerializeToString()


def rejected_in(response: bytes) -> tuple[int, str]:
    """Return how many spans an answer says were rejected, and why."""
    read = _service().ExportTraceServiceResponse.FromString(response)
    return read.partial_success.rejected_spans, read.partial_success.error_message


@cache
def _service() -> ModuleType:
    try:
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            "OTLP in protobuf needs the package opentelemetry-proto",
            hint="install holdfast[otel], or send OTLP in JSON",
        ) from error
    return trace_service_pb2


def _read_group(group: Any, taken: Taken) -> None:
    shared = _attributes(group.resource.attributes)
    for scoped in group.scope_spans:
        scope = scoped.scope
        source = Source(
            resource=shared,
            scope=scope.name,
            scope_version=scope.version,
            scope_attributes=_attributes(scope.attributes),
            resource_schema=group.schema_url,
            scope_schema=scoped.schema_url,
            dropped_resource=group.resource.dropped_attributes_count,
            dropped_scope=scope.dropped_attributes_count,
        )
        for raw in scoped.spans:
            _read_span(raw, source, taken)


def _read_span(raw: Any, source: Source, taken: Taken) -> None:
    trace_id, span_id = raw.trace_id.hex(), raw.span_id.hex()
    parent = raw.parent_span_id.hex()
    if why := check_ids(trace_id, span_id, parent):
        taken.reject(why)
        return
    status = raw.status
    kind, state, attributes = from_otlp(raw.kind, status.code, _attributes(raw.attributes))
    start = raw.start_time_unix_nano
    taken.spans.append(
        Span(
            trace_id=trace_id,
            span_id=span_id,
            parent_id=parent or None,
            name=raw.name,
            kind=kind,
            start_ns=start,
            duration_ns=max(0, raw.end_time_unix_nano - start),
            status=state,
            error=status.message,
            attributes=attributes,
            events=[_event(each) for each in raw.events] if raw.events else (),
            links=[_link(each) for each in raw.links] if raw.links else (),
            source=source,
            state=raw.trace_state,
            flags=raw.flags,
            dropped_attributes=raw.dropped_attributes_count,
            dropped_events=raw.dropped_events_count,
            dropped_links=raw.dropped_links_count,
        )
    )


def _event(raw: Any) -> Event:
    return Event(
        at_ns=raw.time_unix_nano,
        name=raw.name,
        attributes=_attributes(raw.attributes),
        dropped_attributes=raw.dropped_attributes_count,
    )


def _link(raw: Any) -> SpanLink:
    return SpanLink(
        trace_id=raw.trace_id.hex(),
        span_id=raw.span_id.hex(),
        state=raw.trace_state,
        attributes=_attributes(raw.attributes),
        dropped_attributes=raw.dropped_attributes_count,
        flags=raw.flags,
    )


def _attributes(pairs: Any) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for pair in pairs:
        value = pair.value
        kind = value.WhichOneof("value")
        # Nearly all are texts and numbers, whose field is the value.
        found[pair.key] = _deep(value, kind) if kind not in _FLAT else getattr(value, kind)
    return found


_FLAT = frozenset({"string_value", "int_value", "double_value", "bool_value", "bytes_value"})


def _deep(value: Any, kind: str | None) -> Value:
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    if kind == "kvlist_value":
        return {each.key: _value(each.value) for each in value.kvlist_value.values}
    return None


def _value(value: Any) -> Value:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind in _FLAT else _deep(value, kind)


def _write_source(request: Any, source: Source) -> Any:
    group = request.resource_spans.add()
    _write_attributes(group.resource.attributes, source.resource)
    group.resource.dropped_attributes_count = source.dropped_resource
    group.schema_url = source.resource_schema
    scoped = group.scope_spans.add()
    scoped.scope.name = source.scope
    scoped.scope.version = source.scope_version
    _write_attributes(scoped.scope.attributes, source.scope_attributes)
    scoped.scope.dropped_attributes_count = source.dropped_scope
    scoped.schema_url = source.scope_schema
    return scoped


def _write_span(to: Any, span: Span) -> None:
    told = to_otlp(span.kind, span.status, span.error, span.attributes)
    to.trace_id = bytes.fromhex(span.trace_id)
    to.span_id = bytes.fromhex(span.span_id)
    to.parent_span_id = bytes.fromhex(span.parent_id or "")
    to.name = _clean(span.name)
    to.kind = told.kind
    to.start_time_unix_nano = span.start_ns
    to.end_time_unix_nano = span.end_ns
    to.status.code = told.code
    to.status.message = _clean(told.message)
    to.trace_state = span.state
    to.flags = span.flags
    to.dropped_attributes_count = span.dropped_attributes
    to.dropped_events_count = span.dropped_events
    to.dropped_links_count = span.dropped_links
    _write_attributes(to.attributes, told.attributes)
    for event in span.events:
        written = to.events.add()
        written.time_unix_nano = event.at_ns
        written.name = _clean(event.name)
        written.dropped_attributes_count = event.dropped_attributes
        _write_attributes(written.attributes, event.attributes)
    for link in span.links:
        _write_link(to.links.add(), link)


def _write_link(to: Any, link: SpanLink) -> None:
    to.trace_id = bytes.fromhex(link.trace_id)
    to.span_id = bytes.fromhex(link.span_id)
    to.trace_state = link.state
    to.flags = link.flags
    to.dropped_attributes_count = link.dropped_attributes
    _write_attributes(to.attributes, link.attributes)


def _write_attributes(to: Any, attributes: Attributes) -> None:
    for name, value in attributes.items():
        pair = to.add()
        pair.key = _clean(name)
        if value is not None:
            _write_value(pair.value, value)


def _write_value(to: Any, value: Value) -> None:
    if isinstance(value, str):
        to.string_value = _clean(value)
    elif isinstance(value, bool):
        to.bool_value = value
    elif isinstance(value, int):
        if -_WIDEST <= value < _WIDEST:
            to.int_value = value
        else:
            to.string_value = str(value)
    elif isinstance(value, float):
        to.double_value = value
    elif isinstance(value, bytes | bytearray):
        to.bytes_value = bytes(value)
    elif value is not None:
        _write_deep(to, value)


def _write_deep(to: Any, value: Sequence[Value] | Mapping[str, Value]) -> None:
    if isinstance(value, Mapping):
        to.kvlist_value.SetInParent()
        _write_attributes(to.kvlist_value.values, value)
        return
    to.array_value.SetInParent()
    for each in value:
        inner = to.array_value.values.add()
        if each is not None:
            _write_value(inner, each)


def _clean(text: str) -> str:
    """Return text as UTF-8 can hold it."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
