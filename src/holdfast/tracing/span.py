"""The neutral record of one timed piece of work: what happened, when, for how long, below what.

It holds all that an OpenTelemetry span holds, so that a trip through OTLP loses nothing. Names of
conventions (GenAI, OpenInference and others) stay in `attributes` as they came; what they mean is
read by `holdfast.tracing.dialects`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from holdfast.frozen import field, frozen

Status = Literal["unset", "ok", "error", "cancelled", "open", "lost"]
"""How a span ended. `open`: it has not; `lost`: its process died before it could."""

Value: TypeAlias = "str | int | float | bool | bytes | Sequence[Value] | Mapping[str, Value] | None"
"""What an attribute may hold; the same as an OTLP AnyValue."""

Attributes = Mapping[str, Value]

CARRIERS = frozenset({"internal", "server", "client", "producer", "consumer"})
"""The kinds of OpenTelemetry. Spans of Holdfast have kinds of their own: `run`, `step`, `model`,
`tool`, ..."""


@frozen
class Event:
    """Something that happened at one moment of a span. `at_ns` counts from the Unix epoch."""

    at_ns: int
    name: str
    attributes: Attributes = field(default_factory=dict[str, Value])
    dropped_attributes: int = 0


@frozen
class SpanLink:
    """Another span, usually of another trace, that a span has to do with."""

    trace_id: str
    span_id: str
    state: str = ""
    attributes: Attributes = field(default_factory=dict[str, Value])
    dropped_attributes: int = 0
    flags: int = 0


@frozen
class Source:
    """Who made a span: the resource and the instrumentation scope of OpenTelemetry."""

    resource: Attributes = field(default_factory=dict[str, Value])
    scope: str = ""
    scope_version: str = ""
    scope_attributes: Attributes = field(default_factory=dict[str, Value])
    resource_schema: str = ""
    scope_schema: str = ""
    dropped_resource: int = 0
    dropped_scope: int = 0


HOLDFAST = Source(scope="holdfast")
"""The source of the spans that Holdfast makes itself."""


@frozen
class Span:
    """One timed piece of work. `trace_id` is the id of the run it belongs to.

    `start_ns` is the wall clock in nanoseconds of the Unix epoch: one anchor a process plus a
    monotonic offset, so that spans of a process never disagree about their order. `duration_ns`
    comes from the monotonic clock; of an open or lost span it is the time until it was last known.
    `error` is what is told of a failure in one line. Ids are 32 and 16 lower-case hex digits.
    `state`, `flags` and the `dropped_` counts are those of OpenTelemetry.
    """

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: str
    start_ns: int
    duration_ns: int
    status: Status = "ok"
    error: str = ""
    attributes: Attributes = field(default_factory=dict[str, Value])
    events: Sequence[Event] = ()
    links: Sequence[SpanLink] = ()
    source: Source = HOLDFAST
    state: str = ""
    flags: int = 0
    dropped_attributes: int = 0
    dropped_events: int = 0
    dropped_links: int = 0

    @property
    def end_ns(self) -> int:
        """When it ended, in nanoseconds of the Unix epoch."""
        return self.start_ns + self.duration_ns
