"""Keep finished spans: in memory until the next append of their run, then in a log of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import cast

from holdfast.storage.seam import Append, Key, Operation, Store
from holdfast.tracing.span import Span

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def spans_log(trace_id: str) -> Key:
    """Return the name of the log that holds the finished spans of a trace."""
    return ("spans", trace_id)


class SpanBuffer:
    """Hold finished spans until whoever writes to the store takes them along."""

    def __init__(self) -> None:
        self._spans: dict[str, list[Span]] = {}

    def add(self, span: Span) -> None:
        self._spans.setdefault(span.trace_id, []).append(span)

    def drain(self, trace_id: str) -> list[Operation]:
        """Return the write that stores the spans of a trace held so far, and forget them."""
        spans = self._spans.pop(trace_id, None)
        if not spans:
            return []
        return [Append(log=spans_log(trace_id), entries=[encode_span(span) for span in spans])]


def encode_span(span: Span) -> bytes:
    """Return a span as one JSON array; the trace id is the log's name."""
    members = (
        span.span_id, span.parent_id, span.name, span.kind, span.start_us, span.duration_us,
        span.status, span.error, span.attributes,
    )  # fmt: skip
    return _encode(members).encode("utf-8", "surrogatepass")


def decode_span(trace_id: str, data: bytes) -> Span:
    """Return the span that `encode_span` wrote."""
    members = cast("list[object]", json.loads(data.decode("utf-8", "surrogatepass")))
    names = (
        "span_id", "parent_id", "name", "kind", "start_us", "duration_us", "status", "error",
        "attributes",
    )  # fmt: skip
    return Span(trace_id=trace_id, **dict(zip(names, members, strict=True)))  # pyright: ignore[reportArgumentType]


async def read_spans(store: Store, trace_id: str) -> Sequence[Span]:
    """Return the finished spans of a trace in the order in which they started."""
    spans = [decode_span(trace_id, entry.value) for entry in await store.read(spans_log(trace_id))]
    return sorted(spans, key=lambda span: span.start_us)
