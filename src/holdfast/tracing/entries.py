"""What a process writes into its ring and what a trace store takes in."""

from __future__ import annotations

from holdfast.frozen import frozen
from holdfast.tracing.span import Span


@frozen
class Opened:
    """A span has begun. It is open until a `Span` with its id comes, lost if its process dies."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: str
    start_ns: int


@frozen
class Part:
    """A compressed part of a payload under the 16 bytes of its hash."""

    hash: bytes
    data: bytes


@frozen
class Loss:
    """Something could not be kept: how many spans or parts, and why in one line."""

    count: int
    why: str


Entry = Opened | Span | Part | Loss


@frozen
class Position:
    """How far a ring has been read: the number of the segment and the byte in it."""

    segment: int = 0
    offset: int = 0
