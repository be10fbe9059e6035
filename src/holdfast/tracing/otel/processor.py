"""Take the spans of OpenTelemetry's SDK where a provider of it was there before us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from holdfast.tracing.active import ActiveSpan
from holdfast.tracing.current import Link
from holdfast.tracing.otel.spans import KINDS, attributes_of, links_of
from holdfast.tracing.span import Source, Status
from holdfast.tracing.tracer import Tracer

if TYPE_CHECKING:
    from opentelemetry.context.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

_MOST_SOURCES: Final = 1000
"""A program that makes a scope for each request must not fill the memory."""
_STATUSES: dict[str, Status] = {"UNSET": "unset", "OK": "ok", "ERROR": "error"}


class Processor:
    """A span processor of the SDK: what begins there begins here, and ends with all that it said."""

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer
        # A span that is thrown away without an end takes its entry along.
        self._open: dict[tuple[int, int], tuple[ActiveSpan, ref[Span]]] = {}
        self._sources: dict[tuple[int, object], tuple[Source, object]] = {}

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        del parent_context
        try:
            key, still_open = _key(span), self._open
            still_open[key] = (self._begin(span), ref(span, lambda _: still_open.pop(key, None)))
        except Exception:  # noqa: BLE001, S110 - tracing must not reach the application
            pass

    def on_end(self, span: ReadableSpan) -> None:
        try:
            begun = self._open.pop(_key(span), None)
            self._finish(begun[0] if begun else self._begin(span), span)
        except Exception:  # noqa: BLE001, S110 - as above
            pass

    def _on_ending(self, span: Span) -> None:
        pass

    def shutdown(self) -> None:
        self._open.clear()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        del timeout_millis
        return True

    def _begin(self, span: ReadableSpan) -> ActiveSpan:
        context: Any = span.get_span_context()
        parent = span.parent
        above = f"{parent.span_id:016x}" if parent is not None else None
        return self.tracer.start(
            span.name,
            kind=KINDS.get(span.kind, "internal"),
            parent=Link(f"{context.trace_id:032x}", above),
            span_id=f"{context.span_id:016x}",
            start_ns=span.start_time,
            source=self._source(span),
        )

    def _finish(self, active: ActiveSpan, span: ReadableSpan) -> None:
        active.rename(span.name)
        active.attributes.update(dict(span.attributes or {}))  # pyright: ignore[reportArgumentType, reportCallIssue]
        active.rest.links = links_of(span.links) if span.links else []
        for event in span.events:
            active.note(event.name, dict(event.attributes or {}), event.timestamp)  # pyright: ignore[reportArgumentType]
        context: Any = span.get_span_context()
        active.rest.state = context.trace_state.to_header()
        active.rest.dropped_attributes = span.dropped_attributes
        active.rest.dropped_events = span.dropped_events
        active.rest.dropped_links = span.dropped_links
        active.end(
            span.end_time,
            status=_STATUSES[span.status.status_code.name],
            error=span.status.description or "",
        )

    def _source(self, span: ReadableSpan) -> Source:
        """Return who made a span: one object for all spans of a scope."""
        scope: Any = span.instrumentation_scope
        key = (id(span.resource), scope)
        found = self._sources.get(key)
        if found is None:
            source = Source(
                resource=dict(span.resource.attributes),  # pyright: ignore[reportArgumentType]
                resource_schema=span.resource.schema_url,
                scope=scope.name if scope else "",
                scope_version=(scope.version or "") if scope else "",
                scope_schema=(scope.schema_url or "") if scope else "",
                scope_attributes=attributes_of(scope.attributes) if scope else {},
            )
            if len(self._sources) >= _MOST_SOURCES:
                self._sources.clear()
            # The resource is kept, so that its id is nobody else's.
            found = self._sources[key] = (source, span.resource)
        return found[0]


def _key(span: ReadableSpan) -> tuple[int, int]:
    context: Any = span.get_span_context()
    return context.trace_id, context.span_id
