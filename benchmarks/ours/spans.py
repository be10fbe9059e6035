"""What a span costs the thread that makes it: ours with its journal, a bare one, OpenTelemetry's.

A span has five attributes and is the child of a root. Bare is the least that could be called a
span: a function that takes the attributes, sets a context variable and resets it, reads the clock
twice and appends a tuple. OpenTelemetry's SDK has its batch processor and an exporter that does
nothing. All three alternate in one process; the figures are nanoseconds of thread CPU.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from statistics import median

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from holdfast.clock import SystemClock
from holdfast.ids import new_run_id
from holdfast.tracing.ring.ring import Ring
from holdfast.tracing.tracer import Tracer

Spans = Callable[[int], None]
_current: ContextVar[object] = ContextVar("bare", default=None)


class NullExporter(SpanExporter):
    """Takes spans and does nothing."""

    def export(self, spans: list[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002
        return SpanExportResult.SUCCESS


def bare() -> Spans:
    """Return what makes so many bare spans."""
    clock = time.perf_counter_ns
    spans: list[object] = []

    def span(name: str, **attributes: object) -> None:
        token = _current.set(name)
        begin = clock()
        end = clock()
        _current.reset(token)
        spans.append((name, begin, end, attributes))

    def make(count: int) -> None:
        for number in range(count):
            span("call", system="openai", model="gpt-4o", tokens=number, cost=0.5, ok=True)
        spans.clear()

    return make


def holdfast(folder: Path) -> Spans:
    """Return what makes so many spans of ours."""
    tracer = Tracer(clock=SystemClock(), sink=Ring.open(folder, clock=SystemClock()))

    def make(count: int) -> None:
        with tracer.span("root", trace_id=new_run_id()):
            for number in range(count):
                with tracer.span(
                    "call", system="openai", model="gpt-4o", tokens=number, cost=0.5, ok=True
                ):
                    pass

    return make


def opentelemetry() -> Spans:
    """Return what makes so many spans of the SDK."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(NullExporter()))
    tracer = provider.get_tracer("benchmark")

    def make(count: int) -> None:
        with tracer.start_as_current_span("root"):
            for number in range(count):
                with tracer.start_as_current_span(
                    "call",
                    attributes={
                        "system": "openai", "model": "gpt-4o", "tokens": number, "cost": 0.5,
                        "ok": True,
                    },
                ):  # fmt: skip
                    pass

    return make


def measure(folder: Path, *, spans: int, rounds: int) -> Mapping[str, float]:
    """Return the medians over the rounds of each one's time and of the two ratios."""
    makers = {"bare": bare(), "ours": holdfast(folder), "otel": opentelemetry()}
    for make in makers.values():
        make(spans // 4)
    measured: list[dict[str, float]] = []
    for number in range(rounds):
        order = list(makers)[:: -1 if number % 2 else 1]
        measured.append({name: _timed(makers[name], spans) for name in order})
    return {
        **{f"{name}_ns": median(each[name] for each in measured) for name in makers},
        "otel_vs_span": median(each["otel"] / each["ours"] for each in measured),
        "span_vs_bare": median(each["ours"] / each["bare"] for each in measured),
    }


def _timed(make: Spans, count: int) -> float:
    begin = time.thread_time_ns()
    make(count)
    return (time.thread_time_ns() - begin) / count


if __name__ == "__main__":
    request = json.loads(sys.argv[1])
    figures = measure(
        Path(str(request["folder"])),
        spans=int(request.get("spans", 5000)),
        rounds=int(request.get("rounds", 21)),
    )
    print(json.dumps(figures))
