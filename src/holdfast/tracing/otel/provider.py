"""A provider of tracers of OpenTelemetry's API over ours: every instrumentor writes into our traces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry import trace as api
from opentelemetry.context.context import Context
from opentelemetry.trace.span import TraceState

from holdfast.tracing.active import ActiveSpan
from holdfast.tracing.current import Link, Place
from holdfast.tracing.otel.blocks import Manner, SpanBlock
from holdfast.tracing.otel.current import SharedContext
from holdfast.tracing.otel.spans import (
    KINDS,
    ApiSpan,
    attributes_of,
    instant_of,
    link_to,
    links_of,
)
from holdfast.tracing.records.encoding import shared_extras
from holdfast.tracing.safely import text_of
from holdfast.tracing.span import Source


class Provider(api.TracerProvider):
    """Gives a tracer an instrumentation scope; all write into the one that shares a context."""

    def __init__(self, shared: SharedContext) -> None:
        self.shared = shared

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Any = None,
    ) -> api.Tracer:
        source = Source(
            scope=_told(instrumenting_module_name),
            scope_version=_told(instrumenting_library_version),
            scope_attributes=attributes_of(attributes),
            scope_schema=_told(schema_url),
        )
        return ApiTracer(self, source)


class ApiTracer(api.Tracer):
    """Starts spans of one instrumentation scope."""

    def __init__(self, provider: Provider, source: Source) -> None:
        self._provider = provider
        self._extras = shared_extras(source)

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: api.SpanKind = api.SpanKind.INTERNAL,
        attributes: Any = None,
        links: Sequence[api.Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,  # noqa: FBT001, FBT002
        set_status_on_exception: bool = True,  # noqa: FBT001, FBT002
    ) -> api.Span:
        """Begin a span below the current one, or below that of a context. Nothing that fails raises."""
        del record_exception, set_status_on_exception  # of those who make it current
        try:
            above = self._above(context)
            if not isinstance(above, tuple):
                return above
            parent, state = above
            active = self._provider.shared.tracer.begun(
                name if type(name) is str else text_of(name),
                "internal" if kind is _INTERNAL else _kind_of(kind),
                parent,
                None if start_time is None else instant_of(start_time),
                attributes_of(attributes) if attributes else {},
                self._extras,
            )
            active.status = "unset"
            if links:
                active.rest.links = links_of(links)
            if state:
                active.rest.state = state.to_header()
            return ApiSpan(active, state)
        except Exception:  # noqa: BLE001 - tracing must not reach the application
            return api.INVALID_SPAN

    def start_as_current_span(  # noqa: PLR0913, PLR0917 - the form of the API  # pyright: ignore[reportIncompatibleMethodOverride] - a block that is no generator
        self,
        name: str,
        context: Context | None = None,
        kind: api.SpanKind = api.SpanKind.INTERNAL,
        attributes: Any = None,
        links: Sequence[api.Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,  # noqa: FBT001, FBT002
        set_status_on_exception: bool = True,  # noqa: FBT001, FBT002
        end_on_exit: bool = True,  # noqa: FBT001, FBT002
    ) -> SpanBlock:
        given = (name, context, kind, attributes, links, start_time)
        manner = Manner(record_exception, set_status_on_exception, end_on_exit)
        return SpanBlock(self, self._provider.shared, given, manner)

    def _above(
        self, context: Context | None
    ) -> api.Span | tuple[Place | Link | None, TraceState | None]:
        """Return where a span hangs and its state; what stands for it if its trace is sampled out."""
        above = (
            api.get_current_span(context)
            if isinstance(context, dict)
            else self._provider.shared.above()
        )
        if type(above) is ApiSpan:
            above = above.active
        if type(above) is ActiveSpan or above is None or isinstance(above, Place):
            return above, _state_of(above)
        found = above.get_span_context()
        if not found.is_valid:
            return None, None
        if not found.trace_flags.sampled:
            return api.NonRecordingSpan(found)
        return link_to(found), found.trace_state


_INTERNAL = api.SpanKind.INTERNAL


def _told(text: Any) -> str:
    return "" if text is None else text_of(text)


def _kind_of(kind: Any) -> str:
    return KINDS.get(kind, "internal") if isinstance(kind, api.SpanKind) else "internal"


def _state_of(place: Place | None) -> TraceState | None:
    span = place.span if place is not None and type(place) is not ActiveSpan else place
    if isinstance(span, ActiveSpan) and span.extras is not None and span.extras.state:
        return TraceState.from_header([span.extras.state])
    return None
