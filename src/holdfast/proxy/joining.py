"""Requests of clients as spans, in the traces that the clients name."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from holdfast.tracing.propagation import extract, passing_on
from holdfast.tracing.tracer import ActiveSpan, Tracer
from holdfast.web.http import Request


@contextmanager
def traced(tracer: Tracer, request: Request, request_id: str) -> Generator[ActiveSpan]:
    """Have a request be a span: of its client's trace, or of one with the id of the request."""
    carried = extract(request.headers)
    span = tracer.start(
        f"{request.method} {request.path}",
        kind="server",
        parent=carried.link,
        trace_id=None if carried.link else request_id,
        attributes={"request_id": request_id},
    )
    with passing_on(carried), span:
        yield span
