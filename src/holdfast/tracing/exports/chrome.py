"""Chrome's trace event format, which Perfetto and chrome://tracing open.

Source: the document "Trace Event Format" of the Chromium project, JSON object form. A trace is a
process, a lane of it a thread, a span a complete event (`X`), an event of a span an instant (`i`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from holdfast.tracing.exports.lanes import Placed, place
from holdfast.tracing.exports.plain import plain_attributes
from holdfast.tracing.span import Span


def chrome_text(traces: Iterable[Sequence[Span]]) -> Iterator[str]:
    """Yield the document of some traces in pieces. Times are microseconds of the epoch."""
    between = '{"displayTimeUnit": "ms", "traceEvents": ['
    for number, spans in enumerate(traces, 1):
        placed = place(spans)
        for event in _names(placed, number):
            yield between + json.dumps(event, ensure_ascii=False)
            between = ",\n"
        for span, lane in placed:
            for event in _events(span, number, lane):
                yield between + json.dumps(event, ensure_ascii=False)
                between = ",\n"
    yield "]}\n" if between == ",\n" else between + "]}\n"


def _names(placed: Sequence[Placed], process: int) -> list[dict[str, object]]:
    if not placed:
        return []
    first = placed[0].span
    title = f"{first.name} {first.trace_id[:8]}"
    named: list[dict[str, object]] = [
        {"ph": "M", "pid": process, "name": "process_name", "args": {"name": title}}
    ]
    for lane in range(1 + max(each.lane for each in placed)):
        args = {"name": f"lane {lane + 1}"}
        named.append({"ph": "M", "pid": process, "tid": lane, "name": "thread_name", "args": args})
    return named


def _events(span: Span, process: int, lane: int) -> list[dict[str, object]]:
    where: dict[str, object] = {"pid": process, "tid": lane, "cat": span.kind}
    about = {"span_id": span.span_id, "parent_id": span.parent_id, "status": span.status}
    if span.error:
        about["error"] = span.error
    whole: dict[str, object] = {
        **where,
        "ph": "X",
        "name": span.name,
        "ts": span.start_ns / 1000,
        "dur": span.duration_ns / 1000,
        "args": {**about, **plain_attributes(span.attributes)},
    }
    moments: list[dict[str, object]] = [
        {
            **where,
            "ph": "i",
            "s": "t",
            "name": event.name,
            "ts": event.at_ns / 1000,
            "args": plain_attributes(event.attributes),
        }
        for event in span.events
    ]
    return [whole, *moments]
