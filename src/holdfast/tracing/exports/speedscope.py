"""Speedscope's evented profiles, for flame graphs.

Source: the file format of speedscope (`file-format-spec.ts`, type `EventedProfile`). A lane of a
trace is a profile; on each the frames open and close like brackets, in the order of time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from holdfast.tracing.exports.lanes import place
from holdfast.tracing.span import Span

_SCHEMA = "https://www.speedscope.app/file-format-schema.json"


def speedscope_document(traces: Iterable[Sequence[Span]]) -> dict[str, object]:
    """Return the document of some traces. Times are nanoseconds from the beginning of the trace."""
    frames: dict[str, int] = {}
    profiles: list[dict[str, object]] = []
    for spans in traces:
        lanes: dict[int, list[Span]] = {}
        for span, lane in place(spans):
            lanes.setdefault(lane, []).append(span)
        begin = min((span.start_ns for span in spans), default=0)
        profiles += [_profile(lanes[lane], lane, begin, frames) for lane in sorted(lanes)]
    return {
        "$schema": _SCHEMA,
        "exporter": "holdfast",
        "shared": {"frames": [{"name": name} for name in frames]},
        "profiles": profiles,
    }


def _profile(
    spans: Sequence[Span], lane: int, begin: int, frames: dict[str, int]
) -> dict[str, object]:
    """Return one lane; its spans come in the order in which they began, the outer first."""
    events: list[dict[str, object]] = []
    open_: list[tuple[int, int]] = []

    def close(until: int) -> None:
        while open_ and open_[-1][0] <= until:
            end, frame = open_.pop()
            events.append({"type": "C", "frame": frame, "at": end - begin})

    for span in spans:
        close(span.start_ns)
        frame = frames.setdefault(span.name, len(frames))
        events.append({"type": "O", "frame": frame, "at": span.start_ns - begin})
        open_.append((span.end_ns, frame))
    last = max(span.end_ns for span in spans)
    close(last)
    return {
        "type": "evented",
        "name": f"{spans[0].trace_id[:8]} lane {lane + 1}",
        "unit": "nanoseconds",
        "startValue": spans[0].start_ns - begin,
        "endValue": last - begin,
        "events": events,
    }
