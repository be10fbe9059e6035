"""How the files of a ring look.

A ring is a folder named by its process; it holds `lock` and segments, `0.seg`, `1.seg` and so on.
A segment begins with a header of `HEADER` bytes, all numbers little-endian::

    0    magic                "HFRING" and the format version in two bytes
    8    boot id              16 bytes
    24   process id, its start in clock ticks since the boot, number of the segment    u64 each
    48   wall clock and monotonic clock in nanoseconds, both at the same moment        u64 each
    64   losses that no record tells of yet, written in place                          u64

Records follow, without gaps. What spans say are lines of JSON, each an array that ends with a line
feed; the beginning of a span is one that begins with a text, its end one that begins with a number
and the former once more. Every other record is::

    0    kind                 one byte, which is no "["
    1    check                u32: CRC-32 of the payload
    5    length               u32: of the payload, in bytes
    9    payload

A zero byte where a record should begin is the end of what was written, and so is a record that is
incomplete with nothing valid behind it: that one was being written when its process was killed.
What is behind the end has been allocated and is zero. If there is a next segment, the end is the
end of this one.

Every record is written in one go. A line that was written by half has a zero in it or no end, so
that it is no JSON: lines go without a length and a check, which would take a sixth of the time that a
span costs, and would find no more than that, short of bits that fall over by themselves.
"""

from __future__ import annotations

from struct import Struct
from typing import Final
from zlib import crc32

from holdfast.frozen import NamedTuple

VERSION: Final = 1
MAGIC: Final = b"HFRING"
HEADER: Final = 128
LOST_AT: Final = 64
SUFFIX: Final = ".seg"
LOCK: Final = "lock"

BEGINNING: Final = b'["'
"""How the line of a span that has begun begins."""
OPENED: Final = 0
"""The beginning of a span."""
SPAN: Final = 1
"""Its end."""
TAGGED: Final = 3
"""The same; values that JSON does not have are marked in it: see `encoding`."""
PART: Final = 4
"""The 16 bytes of a hash and a compressed part."""
LOSS: Final = 5
"""A count and a reason as JSON."""
KINDS: Final = frozenset({SPAN, TAGGED, PART, LOSS})

LONGEST: Final = (1 << 32) - 1
"""The longest payload whose length fits, in bytes."""

RECORD: Final = Struct("<BII")
COUNT: Final = Struct("<Q")
_HEADER: Final = Struct("<6sH16sQQQQQQ")


class Header(NamedTuple):
    """What a segment says of its process and of its time."""

    version: int
    boot: bytes
    process: int
    started: int
    number: int
    wall_ns: int
    monotonic_ns: int
    lost: int


def pack_header(header: Header) -> bytes:
    """Return the bytes that a segment begins with."""
    return _HEADER.pack(MAGIC, *header).ljust(HEADER, b"\0")


def unpack_header(data: bytes) -> Header | None:
    """Return what the first bytes of a segment say; None if they are no header."""
    if len(data) < _HEADER.size:
        return None
    magic, *numbers = _HEADER.unpack_from(data)
    return Header(*numbers) if magic == MAGIC else None


def pack_record(kind: int, payload: bytes) -> bytes:
    """Return a whole record that is no line."""
    return RECORD.pack(kind, crc32(payload), len(payload)) + payload
