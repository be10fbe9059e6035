"""Take the bytes of a stream apart into events, however they were cut on the way.

Server-sent events are read as the HTML Standard says, section 9.2.6 "Interpreting an event
stream"; JSON lines as one event a line.
"""

from __future__ import annotations

import re
from itertools import repeat
from typing import Protocol, TypeAlias

from holdfast.errors import MalformedAnswer

MAX_EVENT_BYTES = 32 * 1024 * 1024
_LONG_TAIL = 64 * 1024
# A carriage return at the very end may be half of a CRLF: it ends its line with the next byte.
_LINE_END = re.compile(rb"\r\n|\n|\r(?=[^\n])")
_BOM = b"\xef\xbb\xbf"


Frame: TypeAlias = "tuple[str | None, bytes]"
"""One event of a stream: its name, if it was given one, and its data."""


class FrameReader(Protocol):
    """Bytes in, events out."""

    def feed(self, piece: bytes) -> list[Frame]:
        """Return the events that `piece` completes.

        Raises:
            MalformedAnswer: an event is longer than `MAX_EVENT_BYTES`.
        """
        ...

    def finish(self) -> list[Frame]:
        """Return the last event of a stream that closed without ending it, if there is one."""
        ...


class Lines:
    """Lines out of pieces; LF, CRLF and CR end one."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the lines that `piece` completes."""
        returned = bool(self._pieces) and self._pieces[-1].endswith(b"\r")
        if piece:
            self._pieces.append(piece)
            self._size += len(piece)
        if b"\n" not in piece and b"\r" not in piece and not returned:
            self._check()
            return []
        *lines, rest = _LINE_END.split(b"".join(self._pieces))
        self._pieces, self._size = [rest] if rest else [], len(rest)
        self._check()
        return lines

    def _check(self) -> None:
        if self._size > MAX_EVENT_BYTES:
            raise MalformedAnswer(f"one event of the stream is longer than {MAX_EVENT_BYTES} bytes")


class EventFrames:
    """Read server-sent events; comments, `id` and `retry` are left out.

    Most streams hold nothing but events of one line of data, ended by LF. They are cut at the empty
    lines, at a fifth of the cost, until something else comes.
    """

    def __init__(self) -> None:
        self._lines = Lines()
        self._event: str | None = None
        self._data: list[bytes] = []
        self._size = 0
        self._begun = False
        self._is_simple = True
        self._tail: bytes = b""

    def feed(self, piece: bytes) -> list[Frame]:
        if self._is_simple:
            piece = self._tail + piece if self._tail else piece
            events, _, self._tail = piece.rpartition(b"\n\n")
            if b"\r" not in piece and len(self._tail) <= _LONG_TAIL:
                datas = _simple_data(events)
                if datas is not None:
                    return list(zip(repeat(None), datas, strict=False))
            self._is_simple, self._tail = False, b""
        return [frame for line in self._lines.feed(piece) if (frame := self._take(line))]

    def finish(self) -> list[Frame]:
        self._is_simple, tail = False, self._tail
        return self.feed(tail + b"\n\n")

    def _take(self, line: bytes) -> Frame | None:
        if not self._begun:
            self._begun, line = True, line.removeprefix(_BOM)
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        if name == b"data":
            self._size += len(value)
            if self._size > MAX_EVENT_BYTES:
                raise MalformedAnswer(
                    f"one event of the stream is longer than {MAX_EVENT_BYTES} bytes"
                )
            self._data.append(value.removeprefix(b" "))
        elif name == b"event":
            self._event = value.removeprefix(b" ").decode(errors="replace")
        return None

    def _dispatch(self) -> Frame | None:
        event, data = self._event, self._data
        self._event, self._data, self._size = None, [], 0
        return (event, b"\n".join(data)) if data else None


def _simple_data(events: bytes) -> list[bytes] | None:
    """Return the data of events if each is one line of data, else None; only LF ends lines here."""
    if not events:
        return []
    if events[:6] != b"data: " or len(events) > MAX_EVENT_BYTES:
        return None
    datas = events[6:].split(b"\n\ndata: ")
    # A list, as a generator costs twice as much for the few events of a piece.
    return None if any([b"\n" in data for data in datas]) else datas  # noqa: C419


class LineFrames:
    """Read JSON lines: every line that is not empty is an event without a name."""

    def __init__(self) -> None:
        self._lines = Lines()

    def feed(self, piece: bytes) -> list[Frame]:
        return [(None, line) for line in self._lines.feed(piece) if line.strip()]

    def finish(self) -> list[Frame]:
        return self.feed(b"\n")
