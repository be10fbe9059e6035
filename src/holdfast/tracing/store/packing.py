"""Spans of one trace as a pack: numbers in columns, for statistics, and all else compressed.

The columns are durations (int64), numbers of names (uint32) and statuses (uint8): see `planes`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple

from holdfast.frozen import records
from holdfast.storage.files.lines import BadLine
from holdfast.storage.files.zstandard import compress, decompress
from holdfast.tracing.span import Span, Status
from holdfast.tracing.store.encoding import extras_of, with_extras
from holdfast.tracing.store.planes import damaged, dump_planes, load_planes, numbers_of
from holdfast.tracing.store.tables import Table, mappings_of, squeezed, stretched, table_of
from holdfast.tracing.values import dump_value, load_value

STATUSES: Sequence[Status] = ("unset", "ok", "error", "cancelled", "open", "lost")
DURATIONS: Final = slice(0, 8)
"""The planes of durations."""
NAMES: Final = slice(8, 12)
STATUS: Final = 12


class Columns(NamedTuple):
    """The numbers of some spans, in the order of their rows; names by their number in the store."""

    durations: array[int]
    names: array[int]
    statuses: array[int]


class Pack(NamedTuple):
    """Some spans of one trace, `size` of them, compressed."""

    size: int
    columns: bytes
    bodies: bytes


def pack(spans: Sequence[Span], number_of: Callable[[str], int]) -> Pack:
    """Return spans (at least one) as a pack; `number_of` gives the number of a name."""
    numbers = array("I", [number_of(span.name) for span in spans])
    durations = array("q", [span.duration_ns for span in spans])
    statuses = array("B", [STATUSES.index(span.status) for span in spans])
    return Pack(
        size=len(spans),
        columns=dump_planes((durations, numbers, statuses)),
        bodies=compress(dump_value(_bodies(spans))),
    )


def columns_of(held: Pack) -> Columns:
    """Return the columns of a pack."""
    planes, count = planes_of(held), held.size
    return Columns(
        durations=numbers_of(planes[DURATIONS], "q", count),
        names=numbers_of(planes[NAMES], "I", count),
        statuses=numbers_of(planes[STATUS:], "B", count),
    )


def planes_of(held: Pack) -> Sequence[bytes]:
    """Return the planes of a pack's columns: 8 of durations, 4 of names, one of statuses."""
    return load_planes(held.columns, count=held.size, most=STATUS + 1)


def unpack(trace_id: str, held: Pack, name_of: Callable[[int], str]) -> list[Span]:
    """Return the spans of a pack.

    Raises:
        StorageCorrupt: it is damaged.
    """
    numbers, count = columns_of(held), held.size
    starts, ids, parents, kinds, errors, extras, *attributes = _read_bodies(held)
    names = {number: name_of(number) for number in set(numbers.names)}
    members: dict[str, Iterable[object]] = {
        "trace_id": stretched([trace_id], count),
        "span_id": stretched(ids, count),
        "parent_id": stretched([each or None for each in parents], count),
        "name": map(names.__getitem__, numbers.names),
        "kind": stretched(kinds, count),
        "start_ns": accumulate(starts),
        "duration_ns": numbers.durations,
        "status": map(STATUSES.__getitem__, numbers.statuses),
        "error": stretched(errors, count),
        "attributes": mappings_of(Table(*attributes), count),
    }
    if any(extras):
        members = with_extras(members, list(stretched(extras, count)))
    return records(Span, count, members)


def _read_bodies(held: Pack) -> list[Any]:
    try:
        return load_value(decompress(held.bodies))
    except BadLine as error:
        raise damaged(str(error)) from error


def _bodies(spans: Sequence[Span]) -> list[Any]:
    """Return what spans hold beside the columns, by column."""
    starts = [span.start_ns for span in spans]
    return [
        [now - before for before, now in zip((0, *starts), starts, strict=False)],
        squeezed([span.span_id for span in spans]),
        squeezed([span.parent_id or "" for span in spans]),
        squeezed([span.kind for span in spans]),
        squeezed([span.error for span in spans]),
        squeezed([extras_of(span) for span in spans]),
        *table_of([span.attributes for span in spans]),
    ]
