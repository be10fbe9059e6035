"""Time pieces of work and say which lay inside which.

The current span is an immutable link in one context variable, so tasks, threads started with
`asyncio.to_thread` and callbacks each see the span that was open where they were made.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar, Token
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from holdfast.clock import Clock
from holdfast.ids import new_span_id
from holdfast.tracing.span import Span, Status, Value


class Link(NamedTuple):
    """Where a new span hangs: the trace and the span that is open now."""

    trace_id: str
    span_id: str | None


_CURRENT: ContextVar[Link | None] = ContextVar("holdfast_span", default=None)


class SpanSink(Protocol):
    """Where finished spans go. `add` must not block and must not raise."""

    def add(self, span: Span) -> None: ...


class ActiveSpan:
    """A span that is still open, and the block that it times; attributes may be set until it ends.

    A class and not a generator: every step opens one.
    """

    __slots__ = (
        "_kind", "_link", "_name", "_start", "_token", "_tracer", "attributes", "error", "span_id",
        "status", "trace_id",
    )  # fmt: skip

    def __init__(
        self,
        tracer: Tracer,
        link: Link | None,
        name: str,
        kind: str,
        attributes: dict[str, Value],
    ) -> None:
        self.trace_id = link.trace_id if link else ""
        self.span_id = str(new_span_id())
        self.attributes = attributes
        self.status: Status = "ok"
        self.error = ""
        self._tracer = tracer
        self._link = link
        self._name = name
        self._kind = kind
        self._token: Token[Link | None] | None = None
        self._start = 0

    def set(self, **attributes: Value) -> None:
        """Add attributes or replace them."""
        self.attributes.update(attributes)

    def __enter__(self) -> Self:
        if self._link is not None:
            self._token = _CURRENT.set(Link(self.trace_id, self.span_id))
            self._start = self._tracer.now_ns()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._link is None or self._token is None:
            return
        _CURRENT.reset(self._token)
        if error is not None:
            self._note_error(error)
        self._tracer.finish(self, self._link.span_id, self._name, self._kind, self._start)

    def _note_error(self, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):
            self.status = "cancelled"
        else:
            self.status = "error"
            self.error = f"{type(error).__name__}: {error}"


class Tracer:
    """Open spans and hand the finished ones to a sink."""

    def __init__(self, *, clock: Clock, sink: SpanSink) -> None:
        self._sink = sink
        self.now_ns = clock.monotonic_ns
        self._anchor_ns = clock.now_ms() * 1_000_000 - clock.monotonic_ns()

    def span(
        self,
        name: str,
        *,
        kind: str = "internal",
        trace_id: str | None = None,
        **attributes: Value,
    ) -> ActiveSpan:
        """Time the block as a span below the current one, or as the top of `trace_id`.

        An exception marks the span as failed (a cancellation as cancelled) and goes on. Outside
        any trace, and without `trace_id`, the block is run and nothing is recorded.
        """
        link = Link(trace_id, None) if trace_id else _CURRENT.get()
        return ActiveSpan(self, link, name, kind, attributes)

    def finish(
        self, active: ActiveSpan, parent_id: str | None, name: str, kind: str, start: int
    ) -> None:
        """Hand a span that has ended to the sink."""
        self._sink.add(
            Span(
                trace_id=active.trace_id,
                span_id=active.span_id,
                parent_id=parent_id,
                name=name,
                kind=kind,
                start_ns=self._anchor_ns + start,
                duration_ns=self.now_ns() - start,
                status=active.status,
                error=active.error,
                attributes=active.attributes,
            )
        )
