"""Ids are version 4 UUIDs, and beginnings of them are recognised."""

from __future__ import annotations

from uuid import RFC_4122, UUID

import pytest

from holdfast.ids import new_run_id, new_span_id, normalise_prefix


def test_a_run_id_is_a_random_uuid_of_version_4() -> None:
    ids = {new_run_id() for _ in range(500)}
    assert len(ids) == 500
    assert {(UUID(each).version, UUID(each).variant, len(each)) for each in ids} == {
        (4, RFC_4122, 32)
    }


def test_a_span_id_is_16_digits_and_not_zero() -> None:
    assert all(len(each) == 16 and int(each, 16) for each in (new_span_id() for _ in range(100)))


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("3FA", "3fa"),
        (" 3fa-b ", "3fab"),
        ("a" * 32, "a" * 32),
        ("a" * 33, None),
        ("", None),
        ("-", None),
        ("xyz", None),
        ("../a", None),
    ],
)
def test_the_beginning_of_an_id_is_recognised(text: str, prefix: str | None) -> None:
    assert normalise_prefix(text) == prefix
