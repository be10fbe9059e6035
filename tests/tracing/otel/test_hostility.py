"""Whatever an application hands over to OpenTelemetry's API, tracing does not raise into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from opentelemetry import trace as api

from holdfast.clock import SystemClock
from holdfast.tracing.otel.installing import install
from holdfast.tracing.ring.ring import Ring
from holdfast.tracing.tracer import Tracer


class Hostile:
    """Fails at whatever is done with it."""

    def _fail(self, *_: object) -> Any:
        raise RuntimeError("hostile")

    __str__ = __repr__ = __bool__ = __iter__ = __len__ = __int__ = __eq__ = __hash__ = _fail  # type: ignore[assignment]
    __getitem__ = keys = items = __index__ = __float__ = __getattr__ = _fail


class HostileText(str):
    """A text that fails when it is looked up, compared or shown."""

    __slots__ = ()

    def _fail(self, *_: object) -> Any:
        raise RuntimeError("hostile")

    __str__ = __repr__ = __hash__ = __eq__ = encode = _fail  # type: ignore[assignment]


class HostileError(Exception):
    """An exception that cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("hostile")


ODD: list[Any] = [
    None, True, -1, 1 << 70, float("nan"), "", "text", "\ud800", b"bytes", object(), str, KeyError,
    Hostile(), HostileText("text"), HostileError(), ValueError("x"), api.SpanKind.CLIENT,
    api.StatusCode.OK, api.StatusCode.ERROR, api.Status(api.StatusCode.ERROR, "bad"), {}, [], [None],
    {"a": Hostile()}, {1: 2}, {None: 1}, [Hostile()], {"a": object()}, {"a": [1, None, {}]},
    api.SpanContext(1, 2, True), [api.Link(api.SpanContext(1, 2, True), 5)],  # type: ignore[arg-type]
    [api.Link(None, {})], [api.Link(Hostile(), Hostile())], [("a", 1)], ["ab"],  # type: ignore[arg-type]
]  # fmt: skip
anything = (
    st.integers(0, len(ODD) - 1).map(ODD.__getitem__)
    | st.text(st.characters(), max_size=5)
    | st.integers()
)


@pytest.fixture
def journaled(api_reset: None, tmp_path: Path) -> Iterator[Tracer]:
    """Return a tracer behind the API whose spans are journaled, as those of a run are."""
    ring = Ring.open(tmp_path, clock=SystemClock())
    tracer = Tracer(clock=SystemClock(), sink=ring)
    assert install(tracer) == "provider"
    yield tracer
    ring.close()


def misuse(span: api.Span, draw: Callable[[], Any]) -> None:
    """Call every verb of a span with whatever comes."""
    span.set_attribute(draw(), draw())
    span.set_attributes(draw())
    span.add_event(draw(), draw(), draw())
    span.add_link(draw(), draw())
    span.update_name(draw())
    span.set_status(draw(), draw())
    span.record_exception(draw(), draw(), draw(), draw())
    assert span.get_span_context() is not None


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
def test_no_verb_of_the_api_raises(journaled: Tracer, data: st.DataObject) -> None:
    def draw() -> Any:
        return data.draw(anything)

    tracer = api.get_tracer(draw(), draw(), schema_url=draw(), attributes=draw())
    span = tracer.start_span(
        draw(), context=draw(), kind=draw(), attributes=draw(), links=draw(), start_time=draw()
    )
    misuse(span, draw)
    span.end(draw())
    given = (draw(), draw(), draw(), draw(), draw(), draw())
    with tracer.start_as_current_span(*given) as current:
        misuse(current, draw)
        with journaled.span("ours", trace_id=data.draw(st.text(st.characters()))):
            api.get_current_span().get_span_context()
            tracer.start_span("below").end()


@given(st.text())
@example("no number")
@example("-1")
@example("f" * 33)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_id_of_ours_hurts_who_asks_for_the_current_span(journaled: Tracer, trace: str) -> None:
    with journaled.span("ours", trace_id=trace):
        context = api.get_current_span().get_span_context()
    assert not context.is_valid or context.trace_id == int(trace, 16)


@pytest.mark.usefixtures("journaled")
@pytest.mark.parametrize("error", [HostileError(), ValueError("boom")])
def test_an_exception_of_the_application_goes_on_as_it_was(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, api.get_tracer("x").start_as_current_span("one"):
        raise error
    assert caught.value is error
