"""What people who ask in SQL see of spans: JSON that the view `spans` takes apart. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import cast

import orjson

from holdfast.tracing.exports.plain import plain_attributes
from holdfast.tracing.span import Span
from holdfast.tracing.store.relational.texts import clean

_ZERO = b"\\u0000"


def rows_of(spans: Iterable[Span]) -> str:
    """Return spans as JSON, an array each: ids, name, kind, times, status, error, attributes.

    What a database cannot hold as text is written out.
    """
    rows: list[object] = [
        (
            each.span_id, each.parent_id, each.name, each.kind, each.start_ns, each.duration_ns,
            each.status, each.error, plain_attributes(each.attributes),
        )
        for each in spans
    ]  # fmt: skip
    try:
        data = orjson.dumps(rows)
    except TypeError:  # lone surrogates, numbers above 64 bits
        return json.dumps(_cleaned(rows))
    return json.dumps(_cleaned(rows)) if _ZERO in data else data.decode()


def _cleaned(value: object) -> object:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, object]", value).items()
        return {clean(name): _cleaned(each) for name, each in pairs}
    if isinstance(value, (list, tuple)):
        return [_cleaned(each) for each in cast("list[object]", value)]
    return value
