"""Lay finished spans out as rows, parents above children, in the order in which they began. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from holdfast.tracing.span import Span


@dataclass(frozen=True, slots=True)
class Row:
    """One span in a waterfall. `offset_ns` counts from where the first span began."""

    span: Span
    depth: int
    offset_ns: int


def waterfall(spans: Sequence[Span]) -> list[Row]:
    """Return a row a span. A span whose parent was lost in a crash stands at the top."""
    if not spans:
        return []
    ordered = sorted(spans, key=lambda span: (span.start_ns, -span.duration_ns))
    known = {span.span_id for span in ordered}
    children: dict[str | None, list[Span]] = {}
    for span in ordered:
        parent = span.parent_id if span.parent_id in known else None
        children.setdefault(parent, []).append(span)
    return list(_rows(children, ordered[0].start_ns))


def _rows(children: dict[str | None, list[Span]], begin: int) -> Iterator[Row]:
    stack = [(span, 0) for span in reversed(children.get(None, []))]
    while stack:
        span, depth = stack.pop()
        yield Row(span, depth, span.start_ns - begin)
        stack += [(child, depth + 1) for child in reversed(children.get(span.span_id, []))]


def total_ns(rows: Sequence[Row]) -> int:
    """Return the time from the beginning of the first row to the end of the last."""
    return max((row.offset_ns + row.span.duration_ns for row in rows), default=0)


def bar(row: Row, total: int, width: int) -> str:
    """Return `width` characters that show where in `total` nanoseconds the row lies."""
    if total <= 0:
        return "█" + " " * (width - 1)
    begin = min(width - 1, row.offset_ns * width // total)
    length = max(1, round(row.span.duration_ns * width / total))
    return (" " * begin + "█" * min(length, width - begin)).ljust(width)
