"""Ids are version 4 UUIDs, and beginnings of them are recognised."""

from __future__ import annotations

import os
from uuid import RFC_4122, UUID

import pytest

from holdfast.ids import new_run_id, new_span_id, normalise_prefix


def test_a_run_id_is_a_random_uuid_of_version_4() -> None:
    ids = {new_run_id() for _ in range(500)}
    assert len(ids) == 500
    assert {(UUID(each).version, UUID(each).variant, len(each)) for each in ids} == {
        (4, RFC_4122, 32)
    }


def test_a_process_that_was_forked_off_makes_ids_of_its_own() -> None:
    made = new_run_id()
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(theirs, "".join(new_run_id() for _ in range(100)).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        text = pipe.read().decode()
    told = {text[at : at + 32] for at in range(0, len(text), 32)}
    assert len(told) == 100
    assert not told & {made, *(new_run_id() for _ in range(100))}


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
