"""What came of a request to take spans in: those that are spans, and why others were rejected."""

from __future__ import annotations

from holdfast.frozen import field as made
from holdfast.frozen import slotted
from holdfast.tracing.span import Span


class Malformed(Exception):
    """A body that is no OTLP request at all: whoever read it says where it came from."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@slotted
class Taken:
    """Spans of a request. `rejected` counts those that are none, `why` tells of the first."""

    spans: list[Span] = made(default_factory=list[Span])
    rejected: int = 0
    why: str = ""

    def reject(self, why: str) -> None:
        """Count one span that is none."""
        self.rejected += 1
        self.why = self.why or why


def check_ids(trace_id: str, span_id: str, parent_id: str) -> str:
    """Return why ids cannot be those of a span, empty if they can."""
    if len(trace_id) != 32 or not trace_id.strip("0"):
        return f"the trace id {trace_id!r} is not 16 bytes, or all zeros"
    if len(span_id) != 16 or not span_id.strip("0"):
        return f"the span id {span_id!r} is not 8 bytes, or all zeros"
    if parent_id and len(parent_id) != 16:
        return f"the parent id {parent_id!r} is not 8 bytes"
    return ""
