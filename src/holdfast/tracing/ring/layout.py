"""How the files of a ring look.

A ring is a folder named by its process; it holds `lock` and segments, `0.seg`, `1.seg` and so on.
A segment begins with a header of `HEADER` bytes, all numbers little-endian::

    0    magic                "HFRING" and the format version in two bytes
    8    boot id              16 bytes
    24   process id, its start in clock ticks since the boot, number of the segment    u64 each
    48   wall clock and monotonic clock in nanoseconds, both at the same moment        u64 each
    64   losses that no record tells of yet, written in place                          u64

Records follow, without gaps::

    0    check                u32: Adler-32 of the payload, seeded with the kind
    4    length and kind      u32: the length of the payload times 8, plus the kind
    8    payload

The second word is written last. A zero there is the end of what was written, and so is a record
whose check is wrong with nothing valid behind it: that one was being written when its process was
killed. What is behind the end has been allocated and is zero. If there is a next segment, the end
is the end of this one.

Adler-32 and not a CRC, because zlib needs a fifth of a microsecond more for a CRC of a hundred
bytes, a tenth of what a span may cost. It is there for what was half written, and for half a page.
"""

from __future__ import annotations

from struct import Struct
from typing import Final
from zlib import adler32

from holdfast.frozen import NamedTuple

VERSION: Final = 1
MAGIC: Final = b"HFRING"
HEADER: Final = 128
LOST_AT: Final = 64
SUFFIX: Final = ".seg"
LOCK: Final = "lock"

OPENED: Final = 1
"""The beginning of a span."""
SPAN: Final = 2
"""The beginning, a line feed, and the end, both JSON."""
TAGGED: Final = 3
"""The same; values that JSON does not have are marked in the end: see `encoding`."""
PART: Final = 4
"""The 16 bytes of a hash and a compressed part."""
LOSS: Final = 5
"""A count and a reason as JSON."""
KINDS: Final = frozenset({OPENED, SPAN, TAGGED, PART, LOSS})

LONGEST: Final = (1 << 29) - 1
"""The longest payload whose length fits, in bytes."""

RECORD: Final = Struct("<II")
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
    """Return a whole record."""
    return RECORD.pack(adler32(payload, kind), len(payload) << 3 | kind) + payload
