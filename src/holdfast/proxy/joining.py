"""Requests of clients as spans, in the traces that the clients name."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType

from holdfast.tracing.current import enter, frame_of
from holdfast.tracing.propagation import Carried, PassingOn, extract_lower, told
from holdfast.tracing.tracer import ActiveSpan, Tracer
from holdfast.web.http import Request


def traced(tracer: Tracer, request: Request, request_id: str) -> AbstractContextManager[ActiveSpan]:
    """Have a request be a span: of its client's trace, or of one with the id of the request."""
    carried = extract_lower(request.headers)
    name, kind = f"{request.method} {request.path}", "server"
    if carried.link is None:
        span = tracer.span(name, kind=kind, trace_id=request_id, request_id=request_id)
    else:
        named = {"request_id": request_id}
        span = tracer.start(name, kind=kind, parent=carried.link, attributes=named)
    return span if carried is told() else _Joined(span, carried)


class _Joined:
    """The block of a span during which what came with its request is passed on."""

    __slots__ = ("_passing_on", "_span")

    def __init__(self, span: ActiveSpan, carried: Carried) -> None:
        self._span = span
        self._passing_on = PassingOn(carried)

    def __enter__(self) -> ActiveSpan:
        self._passing_on.__enter__()
        enter(self._span, frame_of(1))
        return self._span

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._span.__exit__(kind, error, trace)
        self._passing_on.__exit__(kind, error, trace)
