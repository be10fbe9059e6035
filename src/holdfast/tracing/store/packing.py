"""Spans of one trace as a pack: numbers in columns, for statistics, and all else compressed."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from holdfast.storage.files.zstandard import compress, decompress
from holdfast.tracing.span import Span, Status
from holdfast.tracing.store.encoding import row_of, span_of
from holdfast.tracing.values import dump_value, load_value

STATUSES: Sequence[Status] = ("unset", "ok", "error", "cancelled", "open", "lost")


class Columns(NamedTuple):
    """The numbers of some spans, in the order of their rows; names by their number in the store."""

    names: array[int]
    starts: array[int]
    durations: array[int]
    statuses: array[int]


class Pack(NamedTuple):
    """Some spans of one trace, `size` of them, compressed."""

    size: int
    columns: bytes
    bodies: bytes


def pack(spans: Sequence[Span], number_of: Callable[[str], int]) -> Pack:
    """Return spans as a pack; `number_of` gives the number of a name."""
    numbers = array("I", [number_of(span.name) for span in spans])
    starts = array("q", _deltas([span.start_ns for span in spans]))
    durations = array("q", [span.duration_ns for span in spans])
    statuses = array("B", [STATUSES.index(span.status) for span in spans])
    columns = b"".join(each.tobytes() for each in (starts, durations, numbers, statuses))
    bodies = [_body(row_of(span)) for span in spans]
    return Pack(
        size=len(spans),
        columns=compress(columns),
        bodies=compress(dump_value(_transposed(bodies))),
    )


def unpack_columns(data: bytes, count: int) -> Columns:
    """Return the columns of a pack of `count` spans."""
    view = memoryview(decompress(data))
    starts, durations, names, statuses = array("q"), array("q"), array("I"), array("B")
    at = 0
    for column in (starts, durations, names, statuses):
        size = count * column.itemsize
        column.frombytes(view[at : at + size])
        at += size
    total = 0
    for place, delta in enumerate(starts):
        total += delta
        starts[place] = total
    return Columns(names, starts, durations, statuses)


def raw_columns(data: bytes) -> bytes:
    """Return the columns as they lie: starts as differences, durations, names, statuses."""
    return decompress(data)


def unpack(trace_id: str, held: Pack, name_of: Callable[[int], str]) -> list[Span]:
    """Return the spans of a pack."""
    columns = unpack_columns(held.columns, held.size)
    ids, parents, kinds, errors, attributes, extras = load_value(decompress(held.bodies))
    names = [name_of(number) for number in columns.names]
    statuses = [STATUSES[number] for number in columns.statuses]
    rows = zip(
        ids, parents, names, kinds, columns.starts, columns.durations, statuses, errors, attributes,
        extras, strict=True,
    )  # fmt: skip
    if any(extras):
        return [span_of(trace_id, row) for row in rows]
    return [  # nearly all are so; a call less for each is a tenth of the time
        Span(
            trace_id=trace_id, span_id=span_id, parent_id=parent or None, name=name, kind=kind,
            start_ns=start, duration_ns=duration, status=status, error=error, attributes=held,
        )
        for span_id, parent, name, kind, start, duration, status, error, held, _ in rows
    ]  # fmt: skip


def _body(row: Sequence[Any]) -> Sequence[Any]:
    """Return what a row holds beside the columns."""
    span_id, parent, _, kind, _, _, _, error, attributes, extras = row
    return (span_id, parent, kind, error, attributes, extras)


def _transposed(bodies: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*bodies, strict=True)]


def _deltas(numbers: Sequence[int]) -> list[int]:
    return [now - before for before, now in zip((0, *numbers), numbers, strict=False)]
