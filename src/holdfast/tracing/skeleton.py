"""A trace of any size without its details, for a viewer: columns of numbers. Pure.

10,000 spans take about 0.3 MB of JSON. A viewer asks for the details of a span when it is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.tracing.span import Span

STATUSES = ("unset", "ok", "error", "cancelled", "open", "lost")


def skeleton_of(spans: Sequence[Span]) -> dict[str, object]:
    """Return the columns of a trace, its spans in the order in which they began.

    `names` and `kinds` are texts; of each span `name` and `kind` are places in them, `parent` is the
    place of the span above (-1 for none), `start` and `duration` are microseconds, `start` from
    `begin_us` of the epoch, `status` is a place in `statuses`. `ids` are the ids of all spans, 16 hex
    digits each, one behind the other.
    """
    ordered = sorted(spans, key=lambda span: (span.start_ns, -span.duration_ns))
    begin = ordered[0].start_ns if ordered else 0
    places = {span.span_id: place for place, span in enumerate(ordered)}
    names: dict[str, int] = {}
    kinds: dict[str, int] = {}
    return {
        "trace_id": ordered[0].trace_id if ordered else "",
        "begin_us": begin // 1000,
        "statuses": STATUSES,
        "name": [names.setdefault(span.name, len(names)) for span in ordered],
        "kind": [kinds.setdefault(span.kind, len(kinds)) for span in ordered],
        "parent": [places.get(span.parent_id or "", -1) for span in ordered],
        "start": [(span.start_ns - begin) // 1000 for span in ordered],
        "duration": [span.duration_ns // 1000 for span in ordered],
        "status": [STATUSES.index(span.status) for span in ordered],
        "ids": "".join(span.span_id for span in ordered),
        "names": list(names),
        "kinds": list(kinds),
    }
