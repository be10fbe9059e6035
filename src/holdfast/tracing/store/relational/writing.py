"""Take entries in: as quick as it can be, all that takes time is left to settling.

Rows are written in the order of their keys, so that two who add at once never wait for one another
in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from holdfast.frozen import field, frozen
from holdfast.tracing.entries import Entry, Loss, Opened, Part, Position
from holdfast.tracing.span import Span
from holdfast.tracing.store.encoding import row_of
from holdfast.tracing.store.relational.batches import in_parts
from holdfast.tracing.store.relational.database import Connection, upsert
from holdfast.tracing.store.relational.texts import as_held, as_label, clean
from holdfast.tracing.values import dump_value

_OPENED = ("trace", "span", "parent", "name", "kind", "start_ns", "ring")
_WRITE_OPENED = upsert("open_spans", ("trace", "span"), _OPENED)


@frozen
class Sorted:
    """Entries by what becomes of them; `opened` holds only those that did not end among them."""

    spans: dict[str, list[Span]] = field(default_factory=dict[str, list[Span]])
    opened: dict[tuple[str, str], Opened] = field(default_factory=dict[tuple[str, str], Opened])
    parts: list[Part] = field(default_factory=list[Part])
    losses: list[Loss] = field(default_factory=list[Loss])


def sort(entries: Iterable[Entry]) -> Sorted:
    """Return entries by their kind, spans by their trace."""
    found = Sorted()
    spans = found.spans
    for entry in entries:
        if isinstance(entry, Span):  # by far the most
            spans.setdefault(entry.trace_id, []).append(entry)
        else:
            _sort_other(entry, found)
    for trace, ended in spans.items() if found.opened else ():
        for span in ended:
            found.opened.pop((trace, span.span_id), None)
    return found


def _sort_other(entry: Opened | Part | Loss, found: Sorted) -> None:
    match entry:
        case Opened():
            found.opened[entry.trace_id, entry.span_id] = entry
        case Part():
            found.parts.append(entry)
        case Loss():
            found.losses.append(entry)


def write(connection: Connection, found: Sorted, *, ring: str, now_ns: int) -> None:
    """Write entries within the transaction of the caller."""
    _write_spans(connection, found.spans)
    if found.opened:
        _write_opened(
            connection, [each for _, each in sorted(found.opened.items(), key=_by_ids)], ring
        )
    if found.parts:
        connection.executemany(
            "INSERT INTO parts (hash, at_ns, data) VALUES (?, ?, ?) "
            "ON CONFLICT (hash) DO UPDATE SET at_ns = excluded.at_ns",
            [(each.hash, now_ns, each.data) for each in sorted(found.parts, key=_by_hash)],
        )
    if found.losses:
        connection.executemany(
            "INSERT INTO losses (why, count) VALUES (?, ?) "
            "ON CONFLICT (why) DO UPDATE SET count = losses.count + excluded.count",
            [(as_label(each.why), each.count) for each in sorted(found.losses, key=_by_reason)],
        )
    touch(connection, {*found.spans, *(trace for trace, _ in found.opened)})


def move(connection: Connection, ring: str, was: Position, now: Position) -> bool:
    """Write how far a ring has been read; false, and nothing is written, if it was not at `was`."""
    if was == Position():
        moved = connection.execute(
            'INSERT INTO rings (ring, segment, "offset") VALUES (?, ?, ?) ON CONFLICT (ring) '
            'DO UPDATE SET segment = excluded.segment, "offset" = excluded."offset" '
            'WHERE rings.segment = 0 AND rings."offset" = 0 RETURNING ring',
            (ring, now.segment, now.offset),
        )
    else:
        moved = connection.execute(
            'UPDATE rings SET segment = ?, "offset" = ? '
            'WHERE ring = ? AND segment = ? AND "offset" = ? RETURNING ring',
            (now.segment, now.offset, ring, was.segment, was.offset),
        )
    return moved.fetchone() is not None


def touch(connection: Connection, traces: Iterable[str]) -> None:
    """Note that traces have changed."""
    (last,) = connection.execute("SELECT coalesce(max(number), 0) FROM dirty").fetchone()
    connection.executemany(
        "INSERT INTO dirty (trace, number) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(trace, last + place) for place, trace in enumerate(sorted(traces), 1)],
    )


def _by_hash(part: Part) -> bytes:
    return part.hash


def _by_reason(loss: Loss) -> str:
    return loss.why


def _by_ids(opened: tuple[tuple[str, str], Opened]) -> tuple[str, str]:
    return opened[0]


def _write_spans(connection: Connection, spans: dict[str, list[Span]]) -> None:
    connection.executemany(
        "INSERT INTO chunks (trace, count, data) VALUES (?, ?, ?)",
        [(trace, len(each), dump_value(list(map(row_of, each)))) for trace, each in spans.items()],
    )
    connection.executemany(
        "DELETE FROM open_spans WHERE trace = ? AND span = ?",
        [
            (trace, span_id)
            for trace in _traces_with_open(connection, sorted(spans))
            for span_id in sorted(span.span_id for span in spans[trace])
        ],
    )


def _traces_with_open(connection: Connection, traces: Sequence[str]) -> list[str]:
    found: list[str] = []
    for some in in_parts(traces):
        marks = ", ".join("?" * len(some))
        rows = connection.execute(
            f"SELECT DISTINCT trace FROM open_spans WHERE trace IN ({marks})",  # noqa: S608 - marks
            some,
        )
        found += [trace for (trace,) in rows]
    return sorted(found)


def _write_opened(connection: Connection, opened: Sequence[Opened], ring: str) -> None:
    """Keep what is open. One that has ended already is let go of when its trace is settled."""
    connection.executemany(
        _WRITE_OPENED,
        [
            (
                each.trace_id, each.span_id, each.parent_id, as_held(each.name), clean(each.kind),
                each.start_ns, ring,
            )
            for each in opened
        ],
    )  # fmt: skip
