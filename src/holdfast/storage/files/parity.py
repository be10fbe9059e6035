"""Redundancy for compressed files: one damaged block in each group is made again.

A flipped bit in a compressed file spoils all that follows it, so that nothing in it helps to find
the bit. Therefore a skippable frame (RFC 8878, section 3.1.2) stands behind the frames, which every
decompressor passes over: the CRC-32 of each block of the file, and for each group of blocks the
exclusive or of all of them. It makes a file 1.7 % longer.
"""

from __future__ import annotations

import struct
from binascii import crc32
from collections.abc import Sequence

from holdfast.frozen import NamedTuple

BLOCK = 4096
GROUP = 64
"""So many blocks share one that is redundant."""

_HEAD = struct.Struct("<II")
_SKIPPABLE = 0x184D2A5C
_FOOT = struct.Struct("<QI4s")
_MAGIC = b"HFP1"


class Parity:
    """Gather what can make a file again while it is written."""

    def __init__(self) -> None:
        self._length = 0
        self._pending = b""
        self._sums: list[bytes] = []
        self._groups: list[bytes] = []
        self._group = 0
        self._width = 0

    def add(self, data: bytes) -> None:
        """Take in the next bytes of the file."""
        self._length += len(data)
        whole = self._pending + data
        end = len(whole) - len(whole) % BLOCK
        for start in range(0, end, BLOCK):
            self._add_block(whole[start : start + BLOCK])
        self._pending = whole[end:]

    def frame(self) -> bytes:
        """Return the frame that belongs behind the file."""
        if self._pending:
            self._add_block(self._pending)
        self._end_group()
        body = b"".join(self._sums) + b"".join(self._groups)
        return _frame(self._length, body)

    def _add_block(self, block: bytes) -> None:
        self._sums.append(struct.pack("<I", crc32(block)))
        self._group ^= int.from_bytes(block, "little")
        self._width = max(self._width, len(block))
        if len(self._sums) % GROUP == 0:
            self._end_group()

    def _end_group(self) -> None:
        if self._width:
            self._groups.append(self._group.to_bytes(self._width, "little"))
        self._group, self._width = 0, 0


class Inspection(NamedTuple):
    """What the redundancy says of a file.

    `frames` is the file without the redundancy, mended where that was possible. `damaged` are the
    numbers of the bad blocks, `is_mended` tells whether all of them could be made again. `is_sound`
    tells whether the redundancy is there and good itself.
    """

    frames: bytes
    damaged: Sequence[int]
    is_mended: bool
    is_sound: bool


def protect(data: bytes) -> bytes:
    """Return a compressed file with its redundancy behind it."""
    parity = Parity()
    parity.add(data)
    return data + parity.frame()


def mended(data: bytes) -> bytes:
    """Return the frames of a file, mended where they are damaged and can be."""
    return inspect(data).frames


def inspect(data: bytes) -> Inspection:
    """Compare a file with its redundancy."""
    length = _length_of(data)
    if length is None:
        return Inspection(data, (), is_mended=False, is_sound=False)
    frames, body = data[:length], data[length + _HEAD.size : -_FOOT.size]
    if data[length:] != _frame(length, body):
        return Inspection(frames, (), is_mended=False, is_sound=False)
    blocks = [frames[start : start + BLOCK] for start in range(0, length, BLOCK)]
    bad = [number for number, block in enumerate(blocks) if _sum(body, number) != crc32(block)]
    healed = _heal(blocks, bad, body[4 * len(blocks) :])
    return Inspection(b"".join(blocks), bad, is_mended=healed, is_sound=True)


def _heal(blocks: list[bytes], bad: Sequence[int], parities: bytes) -> bool:
    """Make the bad blocks again, in place; return whether all of them could be."""
    groups = [number // GROUP for number in bad]
    for number, group in zip(bad, groups, strict=True):
        if groups.count(group) == 1:
            first = group * GROUP
            parity = parities[group * BLOCK : (group + 1) * BLOCK]
            rest = int.from_bytes(parity, "little")
            for other in range(first, min(first + GROUP, len(blocks))):
                if other != number:
                    rest ^= int.from_bytes(blocks[other], "little")
            blocks[number] = rest.to_bytes(len(parity), "little")[: len(blocks[number])]
    return len(set(groups)) == len(groups)


def _sum(body: bytes, number: int) -> int:
    return int.from_bytes(body[4 * number : 4 * number + 4], "little")


def _length_of(data: bytes) -> int | None:
    """Return where the frames end, if the redundancy tells and its size fits."""
    if len(data) < _HEAD.size + _FOOT.size:
        return None
    length, _, magic = _FOOT.unpack(data[-_FOOT.size :])
    if magic != _MAGIC:
        return None
    blocks = -(-length // BLOCK)
    whole, rest = divmod(blocks, GROUP)
    parities = whole * BLOCK + (min(BLOCK, length - whole * GROUP * BLOCK) if rest else 0)
    body = 4 * blocks + parities
    return length if len(data) == length + _HEAD.size + body + _FOOT.size else None


def _frame(length: int, body: bytes) -> bytes:
    check = crc32(body + length.to_bytes(8, "little"))
    foot = _FOOT.pack(length, check, _MAGIC)
    return _HEAD.pack(_SKIPPABLE, len(body) + len(foot)) + body + foot
