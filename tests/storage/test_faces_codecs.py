"""The text of a face says exactly what the record says, and broken text is refused by line."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.storage.faces import Codec, FaceError, JsonCodec, MarkdownCodec
from holdfast.storage.faces.codecs import decode_text, encode_text
from holdfast.storage.faces.history import (
    MAX_RENDERINGS,
    History,
    Rendering,
    decode_history,
    encode_history,
)
from holdfast.storage.faces.values import MAX_DEPTH, canonical, is_same

_PIECES = ["---", "\n", "\r\n", "\r", "\0", "\ud800", "\u2028", "\x85", "\ufeff", " ", "\t", "a: 1"]

texts = st.one_of(
    st.text(st.characters()),  # with lone surrogates
    st.lists(st.sampled_from(_PIECES)).map("".join),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**40), 10**40),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=10
)
names = st.one_of(st.sampled_from(["text", "title", "yes", "", "_face", "a b"]), texts)
fields = st.dictionaries(names, values)

MARKDOWN = MarkdownCodec(body="text", first=("title",))


@pytest.mark.parametrize("codec", [JsonCodec(), MARKDOWN], ids=["json", "markdown"])
@settings(max_examples=100, deadline=None)
@given(members=fields)
@example(members={})
@example(members={"text": ""})
@example(members={"text": "\n"})
@example(members={"text": "\n\n---\n"})
@example(members={"text": "---"})
@example(members={"text": "a\r\nb"})
@example(members={"text": "a\0b\ud800"})
@example(members={"text": {"a": [1, {}]}, "big": 10**300, "zero": -0.0})
def test_any_object_survives_being_shown(codec: Codec, members: dict[str, object]) -> None:
    shown = decode_text(encode_text(codec.render(members)))
    assert canonical(codec.parse(shown)) == canonical(members)


@pytest.mark.parametrize("codec", [JsonCodec(), MARKDOWN], ids=["json", "markdown"])
@settings(max_examples=50, deadline=None)
@given(members=fields)
def test_any_value_survives_being_stored(codec: Codec, members: dict[str, object]) -> None:
    value = codec.store(members, b"")
    assert canonical(codec.load(value)) == canonical(members)
    value.decode()


@settings(max_examples=300, deadline=None)
@given(text=st.one_of(texts, st.text(st.sampled_from('-\n:"{}[],a1 \\'))))
def test_any_text_is_read_or_refused_with_a_line_that_it_has(text: str) -> None:
    for codec in (JsonCodec(), MARKDOWN):
        for candidate in (text, f"---\n{text}\n---\n"):
            error = _refusal(codec, candidate)
            assert error is None or 1 <= error.line <= candidate.count("\n") + 1


def _refusal(codec: Codec, text: str) -> FaceError | None:
    try:
        codec.parse(text)
    except FaceError as error:
        return error
    return None


def test_a_json_face_is_sorted_and_indented() -> None:
    text = JsonCodec().render({"b": [1], "a": "grün"})
    assert text == '{\n  "a": "grün",\n  "b": [\n    1\n  ]\n}\n'


def test_a_markdown_face_has_front_matter_and_a_body() -> None:
    members = {"tags": ["x"], "state": "open", "title": "One", "text": "First.\n\nSecond."}
    assert MARKDOWN.render(members) == (
        '---\ntitle: "One"\nstate: "open"\ntags: ["x"]\n---\n\nFirst.\n\nSecond.\n'
    )


def test_front_matter_is_yaml_as_well() -> None:
    members = {
        "yes": True,
        "title": "a: b # c",
        "n": None,
        "x y": 1.5,
        "deep": {"a": ["é", "\x85"]},
    }
    text = MARKDOWN.render({**members, "text": "body"})
    assert yaml.safe_load(text.split("---\n")[1]) == members


@pytest.mark.parametrize("text", ["a\r\nb", "a\rb", "nul\0", "\ud800", "\u2028", "\x85", "\ufeff"])
def test_a_body_that_editors_would_change_stands_in_the_front_matter(text: str) -> None:
    shown = MARKDOWN.render({"text": text})
    assert shown.endswith("---\n")
    assert shown.isprintable() or set(shown) <= set(map(chr, range(32, 127))) | {"\n"}
    assert MARKDOWN.parse(shown) == {"text": text}


def test_line_ends_and_the_mark_of_windows_editors_do_not_matter() -> None:
    members = {"title": "x", "text": "one\ntwo"}
    data = b"\xef\xbb\xbf" + MARKDOWN.render(members).replace("\n", "\r\n").encode()
    assert MARKDOWN.parse(decode_text(data)) == members


def test_a_cleared_body_is_an_empty_text_and_not_a_removed_field() -> None:
    assert MARKDOWN.parse('---\ntitle: "x"\n---\n\n') == {"title": "x", "text": ""}
    assert MARKDOWN.parse('---\ntitle: "x"\ntext:\n---\n') == {"title": "x"}


_DEEP = "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "Expecting value"),
        ('{\n  "a": 1,\n  "b" 2\n}', 3, "':' delimiter"),
        ('{\n  "a": 1,\n  "b": 2,\n  "a": 3\n}', 4, "'a' is given twice"),
        ('{"x": {"a": 1},\n "a": {"a": 1,\n "\\u0061": 2}}', 3, "'a' is given twice"),
        ('{"x": "NaN",\n "y": NaN}', 2, "JSON has no NaN"),
        ('{"x": 1,\n\n "y": 1e999}', 3, "too large"),
        ('{\n"x": ' + "9" * 5000 + "}", 2, "too many digits"),
        ("[1]", 1, "one object"),
        ('{"a": ' + _DEEP + "}", 1, "deeper than"),
        ('{"a": ' + "[" * 100_000 + "}", 1, "deeper than"),
        ('{"a": "one\ntwo"}', 1, "Invalid control character"),
        ('{"a": 1} x', 1, "Extra data"),
    ],
)
def test_broken_json_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(FaceError) as caught:
        JsonCodec().parse(text)
    assert caught.value.line == line
    assert words in caught.value.reason
    assert f"line {line}: " in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "first line"),
        ("title: 1\n---\n", 1, "first line"),
        ("---\ntitle: 1\n", 3, "no line '---'"),
        ("---\ntitle 1\n---\n", 2, "expected `name: value`"),
        ("---\n\n  title: 1\n---\n", 3, "expected `name: value`"),
        ("---\nstate: working\n---\n", 2, 'state: "working"'),
        ("---\na: 1\nb: [1,\n---\n", 3, "'b'"),
        ('---\na: 1\n"a": 2\n---\n', 3, "given twice"),
        ("---\na: {}\nb:\n---\n", 3, "has no value"),
        ('---\ntext: "x"\n---\n\nbody\n', 4, "stands above"),
        ("---\ntext:\n---\nbody\n", 4, "stands above"),
        ("---\ntext:\ntext:\n---\n", 3, "given twice"),
        ('---\na: {"b": 1, "b": 2}\n---\n', 2, "given twice"),
    ],
)
def test_broken_front_matter_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(FaceError) as caught:
        MARKDOWN.parse(text)
    assert caught.value.line == line
    assert words in caught.value.reason


def test_a_file_that_is_not_utf8_is_refused_with_its_line() -> None:
    with pytest.raises(FaceError, match="line 3: the file is no UTF-8"):
        decode_text(b"a\nb\nc\xff")


@pytest.mark.parametrize("value", [b"\xff", b"text", b"[]", b'{"a": NaN}', b""])
def test_a_value_that_is_no_object_is_refused(value: bytes) -> None:
    with pytest.raises(FaceError):
        JsonCodec().load(value)


def test_a_markdown_codec_needs_the_name_of_its_body() -> None:
    with pytest.raises(UsageError):
        MarkdownCodec(body="")


def test_numbers_and_truth_values_are_never_the_same() -> None:
    variants = [1, 1.0, True, "1", [1], None, 0, -0.0, 0.0, False]
    for place, one in enumerate(variants):
        assert [is_same(one, other) for other in variants].index(True) == place


@settings(max_examples=20, deadline=None)
@given(renderings=st.lists(st.tuples(st.integers(1, 99), fields), max_size=20))
def test_a_history_is_kept_without_its_oldest(
    renderings: list[tuple[int, dict[str, object]]],
) -> None:
    history = History(("a", "b\0c"))
    for version, members in renderings:
        history = history.with_newest(Rendering(version, members))
    again = decode_history(encode_history(history))
    assert again is not None
    assert again.key == history.key
    assert [each.mark for each in again.renderings] == [each.mark for each in history.renderings]
    assert len(history.renderings) <= MAX_RENDERINGS
    if renderings:
        assert again.newest_mark == Rendering(*renderings[-1]).mark


def test_a_history_of_large_records_keeps_the_newest_ones() -> None:
    history = History(("a",))
    for letter in "abcd":
        history = history.with_newest(Rendering(1, {"text": letter * 400_000}))
    again = decode_history(encode_history(history))
    assert again is not None
    assert [each.fields["text"] for each in again.renderings] == ["d" * 400_000, "c" * 400_000]


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"\xff", b'{"format": 9}', b'{"format":1,"key":1}']
)
def test_a_damaged_history_counts_as_none(data: bytes) -> None:
    assert decode_history(data) is None


def test_a_stored_value_is_plain_json() -> None:
    assert json.loads(JsonCodec().store({"b": 1, "a": "é"}, b"")) == {"a": "é", "b": 1}
