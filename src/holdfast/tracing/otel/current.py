"""One current span for both: what our tracer opens is current for OpenTelemetry, and the other way round.

OpenTelemetry keeps a context of its own. Whoever attaches one is noted with our place at that moment:
as long as our place is the same, theirs is the innermost, else ours is.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from contextvars import ContextVar, Token
from typing import NamedTuple

from opentelemetry import context as api_context
from opentelemetry import trace as api
from opentelemetry.context.context import Context

from holdfast.tracing.active import ActiveSpan
from holdfast.tracing.current import Link, Place
from holdfast.tracing.otel.spans import ApiSpan, place_of_context
from holdfast.tracing.tracer import Tracer


class _Attached(NamedTuple):
    context: Context
    place: Place | None


_NOTHING = _Attached(Context(), None)
_attached: ContextVar[_Attached] = ContextVar("holdfast_otel", default=_NOTHING)


class SharedContext:
    """The runtime context of OpenTelemetry, told of our current span (`_RuntimeContext` of its API)."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        tracer.elsewhere = self.innermost

    def attach(self, context: Context) -> Token[_Attached]:
        return _attached.set(_Attached(context, self._tracer.place()))

    def get_current(self) -> Context:
        """Return the context, with our span as the current one if it is the innermost."""
        context, place = _attached.get()
        ours = self._tracer.place()
        if ours is None or ours is place:
            return context
        return api.set_span_in_context(self._as_api(ours), context)

    def detach(self, token: Token[_Attached]) -> None:
        """Take a context away; in another context than it came to there is nothing to take."""
        with suppress(ValueError):
            _attached.reset(token)

    def innermost(self, place: Place | None) -> Place | Link | None:
        """Return where a span of ours hangs, given the innermost of our own places."""
        context, noted = _attached.get()
        if context is not _NOTHING.context and place is noted:
            span = api.get_current_span(context)
            if isinstance(span, ApiSpan):
                place = span.active
            elif (found := span.get_span_context()).is_valid:
                return place_of_context(found)
        return _node_of_graph(place)

    def _as_api(self, place: Place) -> api.Span:
        span = place.span
        if isinstance(span, ActiveSpan):
            return ApiSpan(span)
        if not place.span_id:
            return api.INVALID_SPAN
        return api.NonRecordingSpan(
            api.SpanContext(
                int(place.trace_id, 16), int(place.span_id, 16), is_remote=True,
                trace_flags=api.TraceFlags(api.TraceFlags.SAMPLED),
            )
        )  # fmt: skip


def _node_of_graph(place: Place | None) -> Place | None:
    """Return the span of the LangChain or LangGraph node that runs here, if nothing is inside it yet.

    OpenInference opens spans of nodes in callbacks, where nothing can be made current for the node.
    It remembers them by the run of the node instead.
    """
    langchain = sys.modules.get("openinference.instrumentation.langchain")
    if langchain is None:
        return place
    try:
        node = langchain.get_current_span()
    except Exception:  # noqa: BLE001 - what it keeps is its own affair
        return place
    if not isinstance(node, ApiSpan) or node.active.ended:
        return place
    inner = place
    while inner is not None:
        span = inner.span
        if span is node.active or getattr(span, "parent_id", None) == node.active.span_id:
            return place
        inner = inner.outer
    return node.active


def share(tracer: Tracer) -> None:
    """Let OpenTelemetry's API and a tracer have the same current span from now on."""
    api_context._RUNTIME_CONTEXT = SharedContext(tracer)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
