"""What is not in the index yet: the first records of a range, as many as a page can show."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from holdfast.storage.files.cursor import Position
from holdfast.storage.files.tail import DELETED, Cell, Changes, Stored, Tail

KEYS = st.sampled_from([bytes([letter, 0]) for letter in b"abcdefgh"])
CELLS = st.one_of(
    st.just(DELETED),
    st.builds(Cell, st.just(b"v"), st.integers(1, 9), st.none() | st.integers(0, 20)),
)
WRITES = st.lists(st.tuples(KEYS, CELLS), max_size=12)
NOW = 10


def make_tail(frozen: list[tuple[bytes, Cell]], active: list[tuple[bytes, Cell]]) -> Tail:
    tail = Tail(Position(1))
    tail.active.apply(Changes(1, [Stored(key, cell) for key, cell in frozen]))
    tail.freeze()
    tail.active.apply(Changes(2, [Stored(key, cell) for key, cell in active]))
    return tail


@given(WRITES, WRITES, KEYS, st.none() | KEYS, st.integers(1, 6))
def test_the_first_of_a_range_are_all_below_its_end_and_enough_for_a_page(
    frozen: list[tuple[bytes, Cell]],
    active: list[tuple[bytes, Cell]],
    low: bytes,
    high: bytes | None,
    limit: int,
) -> None:
    found, end = make_tail(frozen, active).first(low, high, NOW, limit)
    newest = {**dict(frozen), **dict(active)}
    inside = {
        key: cell
        for key, cell in newest.items()
        if key >= low and (end is None or key < end) and (high is None or key < high)
    }
    assert found == inside
    assert list(found) == sorted(found)
    live = sum(cell.is_live(NOW) for cell in found.values())
    assert end == high or live == limit
    assert live <= limit
