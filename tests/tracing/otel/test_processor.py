"""Where a provider of the SDK was there first, its spans come to us whole and are not kept too long."""

from __future__ import annotations

import gc
import logging

import pytest
from opentelemetry import trace as api
from opentelemetry.sdk.trace import TracerProvider

from holdfast.clock import SystemClock
from holdfast.tracing.kept import Kept
from holdfast.tracing.otel.installing import install
from holdfast.tracing.otel.processor import Processor
from holdfast.tracing.tracer import Tracer


@pytest.fixture
def provider(api_reset: None, kept: Kept) -> TracerProvider:
    """Return a provider of the SDK that we listen to."""
    made = TracerProvider()
    api.set_tracer_provider(made)
    assert install(Tracer(clock=SystemClock(), sink=kept)) == "processor"
    return made


def processor_of(provider: TracerProvider) -> Processor:
    return provider._holdfast  # type: ignore[attr-defined,no-any-return]


@pytest.mark.usefixtures("provider")
def test_times_are_those_that_the_sdk_was_told(kept: Kept) -> None:
    api.get_tracer("x").start_span("told", start_time=1000).end(3000)
    assert (kept["told"].start_ns, kept["told"].duration_ns) == (1000, 2000)


@pytest.mark.usefixtures("provider")
def test_the_state_of_a_trace_and_the_attributes_of_a_scope_come_along(kept: Kept) -> None:
    state = api.TraceState([("k", "v")])
    parent = api.NonRecordingSpan(api.SpanContext(7, 8, True, api.TraceFlags(1), state))
    with api.use_span(parent):
        api.get_tracer("x", attributes={"a": 1}).start_span("one").end()
        api.get_tracer("x", attributes={"a": 2}).start_span("two").end()
    assert (kept["one"].state, kept["one"].parent_id) == ("k=v", f"{8:016x}")
    assert [kept[name].source.scope_attributes for name in ("one", "two")] == [{"a": 1}, {"a": 2}]


def test_spans_that_never_end_are_forgotten_with_their_owner(provider: TracerProvider) -> None:
    tracer = api.get_tracer("x")
    held = [tracer.start_span(f"{number}") for number in range(50)]
    assert len(processor_of(provider)._open) == 50
    held[0].end()
    del held
    gc.collect()
    assert processor_of(provider)._open == {}


def test_a_scope_for_each_request_does_not_fill_the_memory(provider: TracerProvider) -> None:
    for number in range(2500):
        api.get_tracer(f"scope {number}").start_span("one").end()
    assert len(processor_of(provider)._sources) <= 1000


def test_spans_of_one_scope_say_so(provider: TracerProvider, kept: Kept) -> None:
    for _ in range(3):
        api.get_tracer("same").start_span("one").end()
    assert {span.source.scope for span in kept.spans} == {"same"}
    assert len(processor_of(provider)._sources) == 1


@pytest.mark.usefixtures("api_reset")
def test_a_provider_that_we_cannot_listen_to_is_named_once(
    caplog: pytest.LogCaptureFixture, kept: Kept
) -> None:
    class Strange(api.NoOpTracerProvider):
        pass

    api.set_tracer_provider(Strange())
    with caplog.at_level(logging.WARNING, "holdfast.tracing"):
        for _ in range(2):
            assert install(Tracer(clock=SystemClock(), sink=kept)) == "foreign"
    (record,) = caplog.records
    assert "Strange" in record.getMessage()
    assert "before that one is set" in record.getMessage()
