"""Time pieces of work and say which lay inside which.

The current span is an immutable link in one context variable, so tasks, threads started with
`asyncio.to_thread` and callbacks each see the span that was open where they were made.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar, Token
from types import TracebackType
from typing import NamedTuple, Protocol

from holdfast.clock import Clock
from holdfast.ids import new_span_id
from holdfast.tracing.span import Attribute, Span, Status


class Link(NamedTuple):
    """Where a new span hangs: the trace and the span that is open now."""

    trace_id: str
    span_id: str | None


_CURRENT: ContextVar[Link | None] = ContextVar("holdfast_span", default=None)


class SpanSink(Protocol):
    """Where finished spans go. `add` must not block and must not raise."""

    def add(self, span: Span) -> None: ...


class ActiveSpan:
    """A span that is still open; attributes may be set until it ends."""

    __slots__ = ("attributes", "error", "span_id", "status", "trace_id")

    def __init__(self, trace_id: str, attributes: dict[str, Attribute]) -> None:
        self.trace_id = trace_id
        self.span_id = str(new_span_id())
        self.attributes = attributes
        self.status: Status = "ok"
        self.error = ""

    def set(self, **attributes: Attribute) -> None:
        """Add attributes or replace them."""
        self.attributes.update(attributes)


class Tracer:
    """Open spans and hand the finished ones to a sink."""

    def __init__(self, *, clock: Clock, sink: SpanSink) -> None:
        self._clock = clock
        self._sink = sink
        self._anchor_us = clock.now_ms() * 1000 - clock.monotonic_ns() // 1000

    def span(
        self,
        name: str,
        *,
        kind: str = "internal",
        trace_id: str | None = None,
        **attributes: Attribute,
    ) -> SpanScope:
        """Time the block as a span below the current one, or as the top of `trace_id`.

        An exception marks the span as failed (a cancellation as cancelled) and goes on. Outside
        any trace, and without `trace_id`, the block is run and nothing is recorded.
        """
        link = Link(trace_id, None) if trace_id else _CURRENT.get()
        active = ActiveSpan(link.trace_id if link else "", attributes)
        return SpanScope(self, active, link, name, kind)

    def now_ns(self) -> int:
        """Return the monotonic clock."""
        return self._clock.monotonic_ns()

    def finish(self, active: ActiveSpan, link: Link, name: str, kind: str, start: int) -> None:
        """Hand a span that has ended to the sink."""
        self._sink.add(
            Span(
                trace_id=link.trace_id,
                span_id=active.span_id,
                parent_id=link.span_id,
                name=name,
                kind=kind,
                start_us=self._anchor_us + start // 1000,
                duration_us=(self._clock.monotonic_ns() - start) // 1000,
                status=active.status,
                error=active.error,
                attributes=active.attributes,
            )
        )


class SpanScope:
    """The block that a span times. A class and not a generator: every step opens one."""

    __slots__ = ("_active", "_kind", "_link", "_name", "_start", "_token", "_tracer")

    def __init__(
        self, tracer: Tracer, active: ActiveSpan, link: Link | None, name: str, kind: str
    ) -> None:
        self._tracer = tracer
        self._active = active
        self._link = link
        self._name = name
        self._kind = kind
        self._token: Token[Link | None] | None = None
        self._start = 0

    def __enter__(self) -> ActiveSpan:
        if self._link is not None:
            self._token = _CURRENT.set(Link(self._link.trace_id, self._active.span_id))
            self._start = self._tracer.now_ns()
        return self._active

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._link is None or self._token is None:
            return
        _CURRENT.reset(self._token)
        if isinstance(error, asyncio.CancelledError):
            self._active.status = "cancelled"
        elif error is not None:
            self._active.status = "error"
            self._active.error = f"{type(error).__name__}: {error}"
        self._tracer.finish(self._active, self._link, self._name, self._kind, self._start)
