"""The block in which a span of OpenTelemetry's API is current."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from types import TracebackType
from typing import Any, NamedTuple

from opentelemetry import trace as api

from holdfast.tracing.failing import line_of
from holdfast.tracing.otel.current import SharedContext


class Manner(NamedTuple):
    """What a block does with its span when it is left."""

    records_exceptions: bool
    sets_status: bool
    ends: bool


class SpanBlock:
    """Begins a span, makes it current in a `with` block or around a function that it decorates.

    The API has a generator for that, which costs more.
    """

    __slots__ = ("_given", "_manner", "_shared", "_span", "_token", "_tracer")

    def __init__(
        self, tracer: api.Tracer, shared: SharedContext, given: tuple[Any, ...], manner: Manner
    ) -> None:
        self._tracer = tracer
        self._shared = shared
        self._given = given
        self._manner = manner

    def __enter__(self) -> api.Span:
        span = self._span = self._tracer.start_span(*self._given)
        self._token = self._shared.enter(span)
        return span

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._shared.detach(self._token)
        span = self._span
        # A class outside of `Exception` stops a program or a generator: that is no failure.
        if isinstance(error, Exception):
            if self._manner.records_exceptions:
                span.record_exception(error)
            if self._manner.sets_status:
                span.set_status(api.Status(api.StatusCode.ERROR, line_of(error)))
        if self._manner.ends:
            span.end()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function each of whose calls has a span, a coroutine's until it has ended."""
        if iscoroutinefunction(function):

            @wraps(function)
            async def awaited(*args: Any, **named: Any) -> Any:
                with self._again():
                    return await function(*args, **named)

            return awaited

        @wraps(function)
        def called(*args: Any, **named: Any) -> Any:
            with self._again():
                return function(*args, **named)

        return called

    def _again(self) -> SpanBlock:
        return SpanBlock(self._tracer, self._shared, self._given, self._manner)
