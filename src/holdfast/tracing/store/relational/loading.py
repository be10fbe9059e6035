"""Read the spans of a trace from wherever they lie: packs, chunks, what is open."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from holdfast.tracing.span import Span
from holdfast.tracing.store.encoding import spans_of
from holdfast.tracing.store.packing import Pack, unpack
from holdfast.tracing.store.relational.database import Connection
from holdfast.tracing.store.relational.texts import as_held, as_name
from holdfast.tracing.values import load_value


class Names:
    """Names of spans by number and back, remembered."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._numbers: dict[str, int] = {}

    def name(self, connection: Connection) -> Callable[[int], str]:
        """Return what tells the name of a number."""

        def name_of(number: int) -> str:
            found = self._names.get(number)
            if found is None:
                self._load(connection)
                found = self._names[number]
            return found

        return name_of

    def number(self, connection: Connection) -> Callable[[str], int]:
        """Return what tells the number of a name, a new one for a new name.

        Within a transaction that is rolled back the numbers are forgotten: see `forget`.
        """

        def number_of(name: str) -> int:
            found = self._numbers.get(name)
            if found is None:
                held = (as_held(name),)
                connection.execute(
                    "INSERT INTO names (name) VALUES (?) ON CONFLICT DO NOTHING", held
                )
                row = connection.execute("SELECT number FROM names WHERE name = ?", held)
                (found,) = row.fetchone()
                self._numbers[name] = found
                self._names[found] = name
            return found

        return number_of

    def forget(self) -> None:
        """Remember nothing."""
        self._names.clear()
        self._numbers.clear()

    def _load(self, connection: Connection) -> None:
        for number, name in connection.execute("SELECT number, name FROM names"):
            self._names[number] = as_name(name)


def finished(connection: Connection, trace: str, name_of: Callable[[int], str]) -> list[Span]:
    """Return the spans of a trace that have ended, each once, the last version of it."""
    packed = packed_spans(connection, trace, name_of)
    fresh = fresh_spans(connection, trace)
    if not fresh and len(packed) <= 1:
        return packed[0] if packed else []
    latest = {span.span_id: span for part in packed for span in part}
    latest.update((span.span_id, span) for span in fresh)
    return list(latest.values())


def packed_spans(
    connection: Connection, trace: str, name_of: Callable[[int], str]
) -> list[list[Span]]:
    """Return the spans of the packs of a trace, pack by pack."""
    rows = connection.execute(
        "SELECT count, columns, bodies FROM packs WHERE trace = ? ORDER BY part", (trace,)
    )
    return [unpack(trace, Pack(*row), name_of) for row in rows.fetchall()]


def fresh_spans(connection: Connection, trace: str) -> list[Span]:
    """Return the spans of a trace that came in since it was settled, in their order."""
    rows = connection.execute("SELECT data FROM chunks WHERE trace = ? ORDER BY number", (trace,))
    return read_fresh(trace, [data for (data,) in rows.fetchall()])


def read_fresh(trace: str, chunks: Iterable[bytes]) -> list[Span]:
    """Return the spans of chunks."""
    fresh = [row for data in chunks for row in load_value(data)]
    return spans_of(trace, fresh) if fresh else []


def open_spans(connection: Connection, trace: str, now_ns: int) -> list[Span]:
    """Return the spans of a trace that have not ended, as long as they have been open."""
    rows = connection.execute(
        "SELECT span, parent, name, kind, start_ns FROM open_spans WHERE trace = ?", (trace,)
    )
    return read_open(trace, rows.fetchall(), now_ns)


def read_open(trace: str, rows: Iterable[Sequence[Any]], now_ns: int) -> list[Span]:
    """Return the spans that rows of `open_spans` tell of."""
    return [
        Span(
            trace_id=trace,
            span_id=span,
            parent_id=parent,
            name=as_name(name),
            kind=kind,
            start_ns=start,
            duration_ns=max(0, now_ns - start),
            status="open",
        )
        for span, parent, name, kind, start in rows
    ]


def every_span(
    connection: Connection, trace: str, name_of: Callable[[int], str], now_ns: int
) -> Sequence[Span]:
    """Return all spans of a trace in the order in which they began."""
    spans = finished(connection, trace, name_of)
    opened = open_spans(connection, trace, now_ns)
    if opened:
        ended = {span.span_id for span in spans}
        spans += [span for span in opened if span.span_id not in ended]
    spans.sort(key=_by_start)
    return spans


def _by_start(span: Span) -> int:
    return span.start_ns
