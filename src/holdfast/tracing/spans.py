"""Keep finished spans: in memory until the next append of their run, then in a log of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import cast

from holdfast.storage.seam import Append, Key, Operation, Store
from holdfast.tracing.active import ActiveSpan
from holdfast.tracing.span import Span

PATIENCE_NS = 50_000_000
"""How long spans may wait for company, in nanoseconds."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def spans_log(trace_id: str) -> Key:
    """Return the name of the log that holds the finished spans of a trace."""
    return ("spans", trace_id)


class SpanBuffer:
    """Hold finished spans until whoever writes to the store takes them along.

    Spans that end soon after one another are written together: a crash may lose those of the
    last `PATIENCE_NS`, never a step.
    """

    def __init__(self) -> None:
        self._spans: dict[str, list[Span]] = {}
        self._drained: dict[str, int] = {}

    def opened(self, span: ActiveSpan) -> None:
        pass

    def finished(self, span: ActiveSpan) -> None:
        self.add(span.recorded())

    def add(self, span: Span) -> None:
        self._spans.setdefault(span.trace_id, []).append(span)

    def drain(self, trace_id: str, *, now_ns: int | None = None) -> list[Operation]:
        """Return the write that stores the spans of a trace held so far, and forget them.

        With `now_ns`, a monotonic instant, only if the last time is long enough ago.
        """
        if now_ns is None:
            self._drained.pop(trace_id, None)
        elif now_ns - self._drained.get(trace_id, -PATIENCE_NS) < PATIENCE_NS:
            return []
        else:
            self._drained[trace_id] = now_ns
        spans = self._spans.pop(trace_id, None)
        if not spans:
            return []
        return [Append(log=spans_log(trace_id), entries=[encode_spans(spans)])]


def encode_spans(spans: Sequence[Span]) -> bytes:
    """Return spans of one trace as a JSON array of arrays; the trace id is the log's name."""
    members = [
        (
            span.span_id, span.parent_id, span.name, span.kind, span.start_ns, span.duration_ns,
            span.status, span.error, span.attributes,
        )
        for span in spans
    ]  # fmt: skip
    return _encode(members).encode("utf-8", "surrogatepass")


def decode_spans(trace_id: str, data: bytes) -> list[Span]:
    """Return the spans that `encode_spans` wrote."""
    rows = cast("list[list[object]]", json.loads(data.decode("utf-8", "surrogatepass")))
    names = (
        "span_id", "parent_id", "name", "kind", "start_ns", "duration_ns", "status", "error",
        "attributes",
    )  # fmt: skip
    return [
        Span(trace_id=trace_id, **dict(zip(names, row, strict=True)))  # pyright: ignore[reportArgumentType]
        for row in rows
    ]


async def read_spans(store: Store, trace_id: str) -> Sequence[Span]:
    """Return the finished spans of a trace in the order in which they started."""
    entries = await store.read(spans_log(trace_id))
    spans = [span for entry in entries for span in decode_spans(trace_id, entry.value)]
    return sorted(spans, key=lambda span: span.start_ns)
