"""A provider of tracers of OpenTelemetry's API over ours: every instrumentor writes into our traces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opentelemetry import trace as api
from opentelemetry.context.context import Context
from opentelemetry.util._decorator import (
    _agnosticcontextmanager,  # pyright: ignore[reportPrivateUsage] - also a decorator
)

from holdfast.tracing.current import Link, Place
from holdfast.tracing.otel.spans import KINDS, ApiSpan, links_of, place_of_context
from holdfast.tracing.span import Source
from holdfast.tracing.tracer import INNERMOST, Tracer


class Provider(api.TracerProvider):
    """Gives a tracer an instrumentation scope; all of them write into one of ours."""

    def __init__(self, tracer: Tracer, resource: Mapping[str, Any] | None = None) -> None:
        self.tracer = tracer
        self._resource = dict(resource or {})

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Any = None,
    ) -> api.Tracer:
        source = Source(
            resource=self._resource,
            scope=instrumenting_module_name or "",
            scope_version=instrumenting_library_version or "",
            scope_attributes=dict(attributes or {}),
            scope_schema=schema_url or "",
        )
        return ApiTracer(self, source)


class ApiTracer(api.Tracer):
    """Starts spans of one instrumentation scope."""

    def __init__(self, provider: Provider, source: Source) -> None:
        self._provider = provider
        self._source = source

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
        parent: Link | Place | None = INNERMOST
        state = None
        if context is not None:
            above = api.get_current_span(context)
            found = above.get_span_context()
            if found.is_valid and found.is_remote and not found.trace_flags.sampled:
                return api.NonRecordingSpan(found)
            if isinstance(above, ApiSpan):
                parent = above.active
            else:
                parent = place_of_context(found) if found.is_valid else None
            state = found.trace_state if found.is_valid else None
        active = self._provider.tracer.start(
            name, kind=KINDS.get(kind, "internal"), parent=parent, start_ns=start_time,
            attributes=dict(attributes or {}), links=links_of(links), source=self._source,
        )  # fmt: skip
        active.status = "unset"
        if state:
            active.rest.state = state.to_header()
        return ApiSpan(active, state)

    @_agnosticcontextmanager
    def start_as_current_span(  # noqa: PLR0913, PLR0917 - the form of the API
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
    ) -> Iterator[api.Span]:
        span = self.start_span(name, context, kind, attributes, links, start_time)
        with api.use_span(
            span,
            end_on_exit=end_on_exit,
            record_exception=record_exception,
            set_status_on_exception=set_status_on_exception,
        ):
            yield span
