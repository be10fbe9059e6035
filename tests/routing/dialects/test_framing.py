"""Bytes become the same events, however the network cuts them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import MalformedAnswer
from holdfast.routing.dialects import framing
from holdfast.routing.dialects.framing import EventFrames, Frame, FrameReader, LineFrames

STREAM = (
    b'\xef\xbb\xbf: a comment\r\nevent: ping\r\ndata: {"a": 1}\r\n\r\ndata:one\ndata: two\n\n\n'
    b"id: 7\rretry: 10\revent: x\rdata:  y \r\revent: lost\n\ndata: last"
)
EVENTS: list[Frame] = [
    ("ping", b'{"a": 1}'),
    (None, b"one\ntwo"),
    ("x", b" y "),
    (None, b"last"),
]


def read(reader: FrameReader, pieces: list[bytes]) -> list[Frame]:
    return [frame for piece in pieces for frame in reader.feed(piece)] + reader.finish()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted(place % (len(data) + 1) for place in places)
    return [data[a:b] for a, b in zip([0, *ends], [*ends, len(data)], strict=True)]


def test_events_have_names_and_data_and_every_line_end_counts() -> None:
    assert read(EventFrames(), [STREAM]) == EVENTS


@given(st.lists(st.integers(0, 1000)))
def test_cutting_a_stream_anywhere_changes_no_event(places: list[int]) -> None:
    assert read(EventFrames(), cut(STREAM, places)) == EVENTS


def test_a_stream_that_comes_byte_by_byte_is_the_same_stream() -> None:
    assert read(EventFrames(), [bytes([byte]) for byte in STREAM]) == EVENTS


@given(st.binary(), st.lists(st.integers(0, 1000)))
def test_any_bytes_are_read_alike_whole_and_in_pieces(data: bytes, places: list[int]) -> None:
    assert read(EventFrames(), cut(data, places)) == read(EventFrames(), [data])
    assert read(LineFrames(), cut(data, places)) == read(LineFrames(), [data])


def test_each_line_that_is_not_empty_is_an_event() -> None:
    assert read(LineFrames(), [b'{"a"', b": 1}\n\n", b'{"b": 2}']) == [
        (None, b'{"a": 1}'),
        (None, b'{"b": 2}'),
    ]


def test_an_event_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "MAX_EVENT_BYTES", 100)
    monkeypatch.setattr(framing, "_LONG_TAIL", 50)
    with pytest.raises(MalformedAnswer, match="longer than 100 bytes"):
        LineFrames().feed(b"x" * 101)
    reader = EventFrames()
    with pytest.raises(MalformedAnswer, match="longer than 100 bytes"):
        reader.feed(b"data: 1234\n" * 30)
