"""Columns of numbers as planes of bytes, small without being compressed. Pure.

A plane is one byte of each number of a column: first all lowest bytes, then the next ones. The high
bytes of numbers are nearly all zero, and a plane whose bytes are all the same is kept as one. What
is left is a fifth larger than by Zstandard, and read ten times as fast.

    0    check    u32: CRC-32 of all behind it
    4    mask     u16: bit k is set if plane k has a byte for each number
    6    planes   one after another, all bytes or one
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from struct import Struct
from typing import Final
from zlib import crc32

from holdfast.errors import StorageCorrupt

_CHECK: Final = Struct("<I")
_MASK: Final = Struct("<H")


def dump_planes(columns: Sequence[array[int]]) -> bytes:
    """Return columns of the same length, not empty and of 16 bytes a row at most."""
    mask, planes = 0, list[bytes]()
    for column in columns:
        raw, size = column.tobytes(), column.itemsize
        for place in range(size):
            plane = raw[place::size]
            if plane.count(plane[0]) == len(plane):
                plane = plane[:1]
            else:
                mask |= 1 << len(planes)
            planes.append(plane)
    data = _MASK.pack(mask) + b"".join(planes)
    return _CHECK.pack(crc32(data)) + data


def load_planes(data: bytes, *, count: int, most: int) -> Sequence[bytes]:
    """Return the `most` planes of `count` bytes, of one alone that all have.

    Raises:
        StorageCorrupt: it is damaged.
    """
    if len(data) < 6 or _CHECK.unpack_from(data)[0] != crc32(memoryview(data)[4:]):
        raise damaged("their columns are not what was written")
    (mask,) = _MASK.unpack_from(data, 4)
    planes: list[bytes] = []
    at = 6
    for place in range(most):
        end = at + (count if mask >> place & 1 else 1)
        planes.append(data[at:end])
        at = end
    return planes


def numbers_of(planes: Sequence[bytes], kind: str, count: int) -> array[int]:
    """Return the numbers that planes hold, as an array of this kind."""
    raw = bytearray(len(planes) * count)
    for place, plane in enumerate(planes):
        if plane != b"\0":
            raw[place :: len(planes)] = whole(plane, count)
    return array(kind, bytes(raw))


def damaged(why: str) -> StorageCorrupt:
    """Return the error for spans that are not what was written."""
    return StorageCorrupt(
        f"spans in the store of traces are damaged: {why}",
        hint="restore the store from a backup, or move it away: traces begin anew",
    )


def whole(plane: bytes, count: int) -> bytes:
    """Return a plane with a byte for each number."""
    return plane if len(plane) == count else plane * count
