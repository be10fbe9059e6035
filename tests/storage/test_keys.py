"""The encoding of keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.storage.keys import decode_key, encode_key, encode_prefix, successor

MAX_KEY_BYTES = 1024

parts = st.text(
    st.one_of(st.sampled_from("\x00\x01\x02ab:/"), st.characters(exclude_categories=["Cs"])),
    max_size=6,
)
keys = st.lists(parts, min_size=1, max_size=4).map(tuple)


@given(keys)
def test_a_key_comes_back_from_its_bytes(key: tuple[str, ...]) -> None:
    assert decode_key(encode_key(key)) == key


@given(keys, keys)
def test_bytes_sort_as_keys_do(one: tuple[str, ...], two: tuple[str, ...]) -> None:
    assert (encode_key(one) < encode_key(two)) == (one < two)
    assert (encode_key(one) == encode_key(two)) == (one == two)


@given(keys, keys)
def test_bytes_begin_with_a_prefix_exactly_if_the_parts_do(
    prefix: tuple[str, ...], key: tuple[str, ...]
) -> None:
    assert encode_key(key).startswith(encode_prefix(prefix)) == (key[: len(prefix)] == prefix)


@given(keys, keys)
def test_the_successor_bounds_what_lies_below_a_prefix(
    prefix: tuple[str, ...], key: tuple[str, ...]
) -> None:
    low = encode_prefix(prefix)
    high = successor(low)
    assert high is not None
    assert (low <= encode_key(key) < high) == (key[: len(prefix)] == prefix)


def test_the_empty_prefix_has_no_bound() -> None:
    assert encode_prefix(()) == b""
    assert successor(b"") is None


def test_the_longest_key_is_allowed_and_one_byte_more_is_not() -> None:
    assert len(encode_key(("x" * (MAX_KEY_BYTES - 1),))) == MAX_KEY_BYTES
    with pytest.raises(UsageError, match="1025 bytes"):
        encode_key(("x" * MAX_KEY_BYTES,))


@pytest.mark.parametrize("key", [(), ("a", "\udcff")])
def test_a_key_without_parts_or_with_half_a_character_is_refused(key: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        encode_key(key)
