"""Time pieces of work and say which lay inside which.

The current span is an immutable link in one context variable, so tasks, threads started with
`asyncio.to_thread` and callbacks each see the span that was open where they were made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from holdfast.clock import Clock
from holdfast.ids import new_span_id
from holdfast.tracing.span import Attribute, Span, Status


@dataclass(frozen=True, slots=True)
class Link:
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

    @contextmanager
    def span(
        self,
        name: str,
        *,
        kind: str = "internal",
        trace_id: str | None = None,
        **attributes: Attribute,
    ) -> Generator[ActiveSpan]:
        """Time the block as a span below the current one, or as the top of `trace_id`.

        An exception marks the span as failed (a cancellation as cancelled) and goes on. Outside
        any trace, and without `trace_id`, the block is run and nothing is recorded.
        """
        link = Link(trace_id, None) if trace_id else _CURRENT.get()
        active = ActiveSpan(link.trace_id if link else "", attributes)
        if link is None:
            yield active
            return
        token = _CURRENT.set(Link(link.trace_id, active.span_id))
        start = self._clock.monotonic_ns()
        try:
            yield active
        except asyncio.CancelledError:
            active.status = "cancelled"
            raise
        except Exception as error:
            active.status, active.error = "error", f"{type(error).__name__}: {error}"
            raise
        finally:
            end = self._clock.monotonic_ns()
            _CURRENT.reset(token)
            self._sink.add(self._finish(active, link, name, kind, start, end))

    def _finish(
        self, active: ActiveSpan, link: Link, name: str, kind: str, start: int, end: int
    ) -> Span:
        return Span(
            trace_id=link.trace_id,
            span_id=active.span_id,
            parent_id=link.span_id,
            name=name,
            kind=kind,
            start_us=self._anchor_us + start // 1000,
            duration_us=(end - start) // 1000,
            status=active.status,
            error=active.error,
            attributes=active.attributes,
        )
