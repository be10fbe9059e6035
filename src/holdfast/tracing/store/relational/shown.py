"""What people who ask in SQL see of spans: JSON that the view `spans` takes apart. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable

from holdfast.tracing.exports.plain import plain_attributes
from holdfast.tracing.span import Span


def rows_of(spans: Iterable[Span]) -> str:
    """Return spans as JSON, an array each: ids, name, kind, times, status, error, attributes."""
    return json.dumps(
        [
            (
                each.span_id, each.parent_id, each.name, each.kind, each.start_ns,
                each.duration_ns, each.status, each.error, plain_attributes(each.attributes),
            )
            for each in spans
        ]
    )  # fmt: skip
