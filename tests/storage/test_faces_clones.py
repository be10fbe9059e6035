"""Faces that two clones changed merge field by field, without a marker and without a loss."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.storage.faces import Fields, JsonCodec, MarkdownCodec
from holdfast.storage.faces.clones import merge_faces
from holdfast.storage.faces.history import MARK, mark_fields, split_mark
from holdfast.storage.faces.values import digest

MARKDOWN = MarkdownCodec(body="text", first=("title",))
JSON = JsonCodec()
CODECS = {"a.md": MARKDOWN, "a.json": JSON}

_texts = st.text(st.characters(codec="utf-8"), max_size=8)
_fields = st.dictionaries(
    st.sampled_from(["title", "state", "text", "tags"]),
    st.one_of(_texts, st.integers(), st.lists(_texts, max_size=2)),
    max_size=4,
)


def face(name: str, fields: Fields, *, edited_from: Fields | None = None) -> bytes:
    marked = mark_fields(fields)
    if edited_from is not None:
        marked = {**marked, MARK: digest(edited_from)}
    return CODECS[name].render(marked).encode()


def read(name: str, data: bytes) -> tuple[Fields, object]:
    return split_mark(CODECS[name].parse(data.decode()))


@pytest.mark.parametrize("name", CODECS)
def test_changes_of_different_fields_are_both_there(name: str) -> None:
    base = {"title": "t", "state": "new", "text": "one\ntwo"}
    merged = merge_faces(
        face(name, base),
        face(name, {**base, "state": "done"}),
        face(name, {**base, "text": "three"}),
        name,
    )
    fields, mark = read(name, merged.data)
    assert fields == {"title": "t", "state": "done", "text": "three"}
    assert mark == digest(fields)
    assert not merged.kept


@pytest.mark.parametrize("name", CODECS)
def test_an_edit_is_still_an_edit_after_the_merge(name: str) -> None:
    base = {"title": "t", "state": "new"}
    merged = merge_faces(
        face(name, base),
        face(name, {**base, "title": "by hand"}, edited_from=base),
        face(name, {**base, "state": "done"}),
        name,
    )
    fields, mark = read(name, merged.data)
    assert fields == {"title": "by hand", "state": "done"}
    assert mark == digest(base)


@pytest.mark.parametrize("name", CODECS)
def test_of_two_edits_of_a_field_one_wins_and_the_other_file_is_kept(name: str) -> None:
    base = {"title": "t"}
    one = face(name, {"title": "one"}, edited_from=base)
    other = face(name, {"title": "other"}, edited_from=base)
    merged = merge_faces(face(name, base), one, other, name)
    assert merged == merge_faces(face(name, base), other, one, name)
    assert read(name, merged.data)[0]["title"] in ("one", "other")
    [kept] = merged.kept
    assert kept.data in (one, other)
    assert read(name, kept.data)[0] != read(name, merged.data)[0]
    assert "title is" in json.loads(kept.why)["why"]
    assert merged.report == [
        f"{name}: changed on both sides; the other one is kept as conflicts/{kept.name}"
    ]


def test_an_edit_wins_over_a_record() -> None:
    name, base = "a.json", {"title": "t"}
    edited = face(name, {"title": "a"}, edited_from=base)
    merged = merge_faces(face(name, base), face(name, {"title": "z"}), edited, name)
    assert read(name, merged.data) == ({"title": "a"}, digest(base))
    assert "the edit stays" in merged.report[0]


@pytest.mark.parametrize("flip", [True, False])
def test_a_file_that_cannot_be_read_is_kept_and_the_other_one_taken(flip: bool) -> None:
    good, bad = face("a.json", {"title": "x"}), b"{ broken"
    ours, theirs = (good, bad) if flip else (bad, good)
    merged = merge_faces(face("a.json", {}), ours, theirs, "a.json")
    assert merged.data == good
    assert [kept.data for kept in merged.kept] == [bad]
    assert "line 1" in merged.kept[0].why


def test_a_text_whose_field_is_not_there_stays_so() -> None:
    base = {"title": "t", "text": "x"}
    merged = merge_faces(
        face("a.md", base),
        face("a.md", {"title": "t"}),
        face("a.md", {**base, "title": "u"}),
        "a.md",
    )
    assert read("a.md", merged.data)[0] == {"title": "u"}


@pytest.mark.parametrize("name", CODECS)
@given(base=st.none() | _fields, ours=_fields, theirs=_fields, hand=st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_either_side_may_merge_faces(
    name: str, base: Fields | None, ours: Fields, theirs: Fields, hand: int
) -> None:
    start = b"" if base is None else face(name, base)
    one = face(name, ours, edited_from=base or {} if hand & 1 else None)
    other = face(name, theirs, edited_from=base or {} if hand & 2 else None)
    merged = merge_faces(start, one, other, name)
    assert merged == merge_faces(start, other, one, name)
    assert b"<<<<<<<" not in merged.data
    fields, _ = read(name, merged.data)
    for key in {*ours, *theirs}:
        values = [side.get(key) for side in (ours, theirs)]
        if values[0] == values[1]:
            assert fields.get(key) == values[0]
