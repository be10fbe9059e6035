"""Read server-sent events from bytes that arrive in any pieces.

See the HTML Standard, section 9.2.6 "Interpreting an event stream".
"""

from __future__ import annotations

import re

# A carriage return at the very end may be half of a CRLF: it ends its line with the next byte.
_LINE_END = re.compile(rb"\r\n|\n|\r(?=[^\n])")


class EventReader:
    """Turn pieces of a stream into the data of its events.

    Comments and the fields `event`, `id` and `retry` are left out; LF, CRLF and CR end a line.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._data: list[str] = []

    def feed(self, piece: bytes) -> list[str]:
        """Return the data of the events that `piece` completes."""
        self._pieces.append(piece)
        if b"\n" not in piece and b"\r" not in piece and not self._ends_in_return():
            return []
        *lines, rest = _LINE_END.split(b"".join(self._pieces))
        self._pieces = [rest]
        return [event for line in lines if (event := self._take(line)) is not None]

    def finish(self) -> list[str]:
        """Return the last event of a stream that ended without an empty line, if there is one."""
        return self.feed(b"\n\n")

    def _ends_in_return(self) -> bool:
        return len(self._pieces) > 1 and self._pieces[-2].endswith(b"\r")

    def _take(self, line: bytes) -> str | None:
        if not line:
            data, self._data = self._data, []
            return "\n".join(data) if data else None
        name, _, value = line.decode(errors="replace").removeprefix("\ufeff").partition(":")
        if name == "data":
            self._data.append(value.removeprefix(" "))
        return None
