"""A pack gives back what was put in, whatever it is, and a damaged one says so."""

from __future__ import annotations

from array import array
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.errors import StorageCorrupt, StorageError
from holdfast.tracing.store.opening import open_trace_store
from holdfast.tracing.store.packing import STATUSES, pack, unpack
from holdfast.tracing.store.planes import dump_planes, load_planes, numbers_of
from holdfast.tracing.store.sqlite.connection import SqliteDatabase
from holdfast.tracing.store.tables import mappings_of, squeezed, stretched, table_of
from tests.tracing.store.making import plain_digest, span, trace_id

alike = st.sampled_from([0, 0.0, -0.0, 1, 1.0, True, False, None, "", "0"])
"""Values of which many are equal and none is another."""
values = alike | st.lists(alike, max_size=2) | st.text(max_size=3) | st.integers() | st.binary()
named = st.dictionaries(st.sampled_from("abcd"), values, max_size=4)


@given(st.lists(named | values, min_size=1, max_size=12))
def test_mappings_come_back_from_a_table_in_the_order_of_their_names(rows: list[object]) -> None:
    assert repr(mappings_of(table_of(rows), len(rows))) == repr(rows)


@example([0.0, -0.0])
@example([1, True])
@given(st.lists(alike, min_size=1, max_size=3) | alike.map(lambda value: [value] * 3))
def test_a_column_is_kept_once_only_if_all_its_values_are_the_same(column: list[object]) -> None:
    kept = squeezed(column)
    assert repr(list(stretched(kept, len(column)))[: len(column)]) == repr(column)


def test_what_all_mappings_say_is_kept_once() -> None:
    table = table_of([{"model": "m", "tokens": number} for number in range(3)])
    assert [*table.columns] == [("m",), (0, 1, 2)]


@given(
    st.lists(
        st.builds(
            span,
            trace=st.just(0), number=st.integers(0, 50), name=st.sampled_from(["a", "b", "\ud800"]),
            kind=st.sampled_from(["step", "client"]), status=st.sampled_from(STATUSES),
            start_ns=st.integers(0, 2**62), duration_ns=st.integers(-(2**63), 2**63 - 1),
            error=st.text(max_size=3), attributes=named, state=st.sampled_from(["", "x"]),
        ),
        min_size=1,
        max_size=12,
    )
)  # fmt: skip
def test_spans_come_back_from_a_pack_as_they_were(spans: list[object]) -> None:
    names: list[str] = []

    def number_of(name: str) -> int:
        names.append(name)
        return len(names) - 1

    held = pack(spans, number_of)  # pyright: ignore[reportArgumentType]
    assert repr(unpack(trace_id(0), held, names.__getitem__)) == repr(spans)


columns = st.integers(1, 20).flatmap(
    lambda count: st.tuples(
        st.lists(st.integers(-(2**63), 2**63 - 1) | st.just(7), min_size=count, max_size=count),
        st.lists(st.integers(0, 2**32 - 1) | st.just(7), min_size=count, max_size=count),
    )
)


@given(columns)
def test_numbers_come_back_from_their_planes(given_: tuple[list[int], list[int]]) -> None:
    long, short = given_
    planes = load_planes(
        dump_planes((array("q", long), array("I", short))), count=len(long), most=12
    )
    assert list(numbers_of(planes[:8], "q", len(long))) == long
    assert list(numbers_of(planes[8:], "I", len(long))) == short


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=20), st.data())
def test_a_flipped_bit_anywhere_in_planes_is_found(numbers: list[int], data: st.DataObject) -> None:
    whole = bytearray(dump_planes((array("q", numbers),)))
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[bit // 8] ^= 1 << bit % 8
    with pytest.raises(StorageCorrupt):
        load_planes(bytes(whole), count=len(numbers), most=8)
    with pytest.raises(StorageCorrupt):
        load_planes(bytes(whole[: bit // 8]), count=len(numbers), most=8)


@pytest.mark.parametrize("column", ["columns", "bodies"])
def test_a_damaged_pack_is_an_error_of_the_store(tmp_path: Path, column: str) -> None:
    path = tmp_path / "traces.db"
    with open_trace_store(f"sqlite:{path}", digester=plain_digest) as store:
        store.add([span(0, 0)])
        store.settle()
        database = SqliteDatabase(str(path))
        with database.changing() as connection:
            connection.execute(f"UPDATE packs SET {column} = zeroblob(20)")
        database.close()
        with pytest.raises(StorageCorrupt, match="spans in the store of traces are damaged"):
            store.spans(trace_id(0))


def test_a_file_of_an_older_format_is_refused_and_left(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    database = SqliteDatabase(str(path))
    with database.changing() as connection:
        connection.execute("PRAGMA user_version = 1")
    database.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match="schema 1"):
        open_trace_store(f"sqlite:{path}", digester=plain_digest)
    assert path.read_bytes() == before
