"""Rows are written in the order of their keys, so that adders never wait in a circle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from holdfast.tracing.entries import Entry, Loss, Opened, Part
from holdfast.tracing.store.relational.database import Dialect
from holdfast.tracing.store.relational.writing import sort, write
from tests.tracing.store.making import EPOCH, span, span_id, trace_id


class Recorder:
    """Keeps what is written, and says that every trace has open spans."""

    dialect = Dialect(day="", packed="", matches="", word="", match_of=str, text_of=str)

    def __init__(self) -> None:
        self.written: dict[str, list[Sequence[Any]]] = {}

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Any:
        return Answer([(each,) for each in values] or [(0,)])

    def executemany(self, sql: str, values: Iterable[Sequence[Any]], /) -> None:
        self.written.setdefault(sql, []).extend(values)


class Answer(list[Any]):
    def fetchone(self) -> Any:
        return self[0]

    def fetchall(self) -> list[Any]:
        return self


def begun(trace: int, number: int) -> Opened:
    return Opened(
        trace_id=trace_id(trace), span_id=span_id(number), parent_id=None, name="o", kind="s",
        start_ns=EPOCH,
    )  # fmt: skip


numbers = st.integers(0, 40)
entries = st.lists(
    st.builds(span, numbers, numbers)
    | st.builds(begun, numbers, numbers)
    | st.builds(Part, hash=st.binary(min_size=2, max_size=2), data=st.just(b""))
    | st.builds(Loss, count=st.just(1), why=st.text(max_size=2)),
    max_size=30,
)
KEYS = {"open_spans": 2, "parts": 1, "losses": 1, "dirty": 1}


@given(entries)
def test_rows_that_others_may_write_are_written_in_the_order_of_their_keys(
    given: list[Entry],
) -> None:
    recorder = Recorder()
    write(recorder, sort(given), ring="", now_ns=0)
    for sql, rows in recorder.written.items():
        table = next((each for each in KEYS if f" {each} " in sql), None)
        if table is not None:
            keys = [row[: KEYS[table]] for row in rows]
            assert keys == sorted(keys), sql
