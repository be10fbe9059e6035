"""Write and read the one line by which processes tell each other where they are in a trace.

W3C Trace Context, section 3.2: `00-TRACE-PARENT-FLAGS`, all in lower-case hexadecimal digits.
"""

from __future__ import annotations

import re
from typing import Final

from holdfast.tracing.current import Link

VARIABLE: Final = "TRACEPARENT"
"""The environment variable that hands it to a process."""

_LINE = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?"
)


def write_traceparent(link: Link) -> str:
    """Return the line; empty if the link is no span or its ids are not of that form."""
    line = f"00-{link.trace_id}-{link.span_id}-01"
    return line if _LINE.fullmatch(line) else ""


def read_traceparent(line: str) -> Link | None:
    """Return what a line says, None if it is not valid; of later versions what is known."""
    found = _LINE.fullmatch(line.strip())
    if found is None or (found[1] == "00" and found[4]):
        return None
    return Link(found[2], found[3])
