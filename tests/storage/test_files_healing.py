"""Finding the right bytes of a damaged line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.storage.files.lines import write_line
from holdfast.storage.files.upkeep import healing
from holdfast.storage.files.upkeep.healing import Anchor, heal, heal_line

BEFORE = Anchor(4, "ab" * 16)
OPERATION = '["put",["a","b"],7,"hello \u2028 w\u00f6rld"]'


def line(number: int = 5, previous: str = BEFORE.hash, text: str = OPERATION) -> tuple[bytes, str]:
    return write_line(number, text, synced=4, version=7, written_at=12345, previous=previous)


@pytest.mark.parametrize("proven", [True, False])
def test_every_other_value_of_every_byte_of_a_line_is_healed(proven: bool) -> None:
    data, digest = line()
    for place in range(len(data)):
        for wrong in {0, 10, 34, 255, data[place] ^ 1, data[place] ^ 128, data[place] ^ 7}:
            if wrong == data[place]:
                continue
            flipped = data[:place] + bytes([wrong]) + data[place + 1 :]
            found = heal_line(flipped, proof=digest if proven else None, before=BEFORE)
            assert found is not None, (place, wrong)
            assert found.data == data, (place, wrong)


def test_a_newline_too_many_or_too_few_is_healed() -> None:
    data, digest = line()
    after = Anchor(5, digest)
    for place in range(len(data)):
        broken = data[:place] + b"\n" + data[place:]
        assert heal(broken, BEFORE, after).right == data, place
    assert heal(data[:-1], BEFORE, after).right == data
    assert heal(data[:-1], BEFORE, None).left == data


def test_lines_side_by_side_prove_one_another_from_the_end() -> None:
    first, digest = line()
    second, last = line(6, digest)
    third, end = line(7, last)
    broken = b"".join(each.replace(b"hello", b"hallo") for each in (first, second, third))
    healed = heal(broken, BEFORE, Anchor(7, end))
    assert (healed.left, healed.rest, healed.right) == (b"", b"", first + second + third)


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=2, max_size=6),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_a_line_with_several_wrong_bytes_is_never_taken_for_another(
    faults: list[tuple[int, int]], proven: bool
) -> None:
    data, digest = line()
    broken = bytearray(data)
    for place, difference in faults:
        broken[place % len(data)] ^= difference
    found = heal_line(bytes(broken), proof=digest if proven else None, before=BEFORE)
    assert found is None or found.data == data


def test_a_long_line_is_healed_only_with_a_proof() -> None:
    text = '["put",["a"],7,"' + "x" * healing.UNPROVEN_BYTES + '"]'
    data, digest = line(text=text)
    broken = data.replace(b"xx", b"xy", 1)
    assert heal_line(broken, proof=None, before=BEFORE) is None
    found = heal_line(broken, proof=digest, before=None)
    assert found is not None
    assert found.data == data


def test_what_fits_the_checksum_and_not_the_proof_is_refused() -> None:
    data, _ = line()
    broken = data.replace(b"hello", b"hallo")
    assert heal_line(broken, proof="00" * 16, before=BEFORE) is None
    assert heal(data, BEFORE, Anchor(5, "00" * 16)).left == b""
