"""One current span for both: what our tracer opens is current for OpenTelemetry, and the other way round.

OpenTelemetry keeps a context of its own. Whoever attaches one is noted with our place at that moment:
as long as our place is the same, theirs is the innermost, else ours is.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar, Token
from typing import Any, cast

from opentelemetry import context as api_context
from opentelemetry import trace as api
from opentelemetry.context.context import Context

from holdfast.tracing.active import ActiveSpan
from holdfast.tracing.current import CURRENT, Link, Place, root
from holdfast.tracing.otel.spans import ApiSpan, context_of, link_to
from holdfast.tracing.tracer import Tracer


class _Attached:
    """A context of theirs, our place when it came, and what is innermost in it.

    The context of a span that was entered is made when somebody asks for it: few do.
    """

    __slots__ = ("_below", "_context", "inner", "place", "span")

    def __init__(self, context: Context, place: Place | None) -> None:
        self._context: Context | None = context
        self._below: _Attached | None = None
        self.place = place
        self.span = _span_of(context)
        self.inner = _inside(self.span)

    @classmethod
    def span_in(cls, below: _Attached, span: api.Span, place: Place | None) -> _Attached:
        """Return what holds a span and all else that is in another one."""
        made = cls.__new__(cls)
        made._context, made._below = None, below  # noqa: SLF001 - its own class
        made.place, made.span = place, span
        made.inner = span.active if type(span) is ApiSpan else _inside(span)
        return made

    @property
    def context(self) -> Context:
        if self._context is None and self._below is not None:
            self._context = api.set_span_in_context(self.span, self._below.context)
            self._below = None
        return cast("Context", self._context)


def _span_of(context: Context) -> api.Span:
    try:
        return api.get_current_span(context) if context else api.INVALID_SPAN
    except Exception:  # noqa: BLE001 - an application may attach anything
        return api.INVALID_SPAN


def _inside(span: api.Span) -> Place | api.Span | None:
    if isinstance(span, ApiSpan):
        return span.active
    try:
        return span if span.get_span_context().is_valid else None
    except Exception:  # noqa: BLE001 - as above
        return None


_NOTHING = _Attached(Context(), None)
_attached: ContextVar[_Attached] = ContextVar("holdfast_otel", default=_NOTHING)
_get, _get_attached, _set_attached = CURRENT.get, _attached.get, _attached.set
_modules, _LANGCHAIN = sys.modules, "openinference.instrumentation.langchain"


class SharedContext:
    """The runtime context of OpenTelemetry, told of our current span (`_RuntimeContext` of its API).

    What was attached before it came is still asked for, and detached, where it is kept.
    """

    def __init__(self, tracer: Tracer, before: Any) -> None:
        self._before = before
        self.share_with(tracer)

    def share_with(self, tracer: Tracer) -> None:
        """Have the same current span as this tracer from now on."""
        self.tracer = tracer
        tracer.elsewhere = self._elsewhere

    def attach(self, context: Context) -> Token[_Attached]:
        return _set_attached(_Attached(context, self.tracer.place()))

    def enter(self, span: api.Span) -> Token[_Attached]:
        """Make a span current; what was, need not be shown to the API first."""
        place = _get()
        if place is not None and place.odd:
            place = self.tracer.place()
        return _set_attached(_Attached.span_in(self._attached(), span, place))

    def get_current(self) -> Context:
        """Return the context, with our span as the current one if it is the innermost."""
        attached, ours = self._attached(), self.tracer.place()
        if ours is None or ours is attached.place:
            return attached.context
        return api.set_span_in_context(_as_api(ours), attached.context)

    def detach(self, token: Token[Any]) -> None:
        """Take a context away; in another context than it came to there is nothing to take."""
        try:
            if token.var is _attached:
                _attached.reset(token)
            else:
                self._before.detach(token)
        except (ValueError, RuntimeError):
            pass

    def above(self) -> api.Span | Place | None:
        """Return what a new span of theirs hangs below: a place of ours or a span that is none."""
        place = _get()
        if place is not None and place.odd:
            place = self.tracer.place()
        return self._innermost(place) or root()

    def _elsewhere(self, place: Place | None) -> Place | Link | None:
        """Return where a span of ours hangs, given the innermost of our own places."""
        found = self._innermost(None if place is root() else place) or place
        if found is None or isinstance(found, Place):
            return found
        return link_to(found.get_span_context())

    def _innermost(self, place: Place | None) -> api.Span | Place | None:
        attached = self._attached()
        if place is attached.place and attached.inner is not None:
            if not isinstance(attached.inner, Place):
                return attached.inner
            place = attached.inner
        return _node_of_graph(place) if _LANGCHAIN in _modules else place

    def _attached(self) -> _Attached:
        attached = _get_attached()
        return _Attached(self._before.get_current(), None) if attached is _NOTHING else attached


def _as_api(place: Place) -> api.Span:
    span = place.span
    if isinstance(span, ActiveSpan):
        return ApiSpan(span)
    return api.NonRecordingSpan(context_of(place, is_remote=True))


def _node_of_graph(place: Place | None) -> Place | None:
    """Return the span of the LangChain or LangGraph node that runs here, if nothing is inside it yet.

    OpenInference opens spans of nodes in callbacks, where nothing can be made current for the node.
    It remembers them by the run of the node instead.
    """
    try:
        node = _modules[_LANGCHAIN].get_current_span()
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


def share(tracer: Tracer) -> SharedContext:
    """Let OpenTelemetry's API and a tracer have the same current span from now on."""
    before = cast("Any", api_context._RUNTIME_CONTEXT)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    if isinstance(before, SharedContext):
        before.share_with(tracer)
        return before
    shared = SharedContext(tracer, before)
    api_context._RUNTIME_CONTEXT = shared  # noqa: SLF001  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
    return shared
