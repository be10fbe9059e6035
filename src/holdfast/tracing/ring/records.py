"""Find the records in the bytes of a segment, also behind damage."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from zlib import adler32

from holdfast.frozen import NamedTuple
from holdfast.tracing.ring.layout import KINDS, RECORD

_HEAD: Final = RECORD.size
_SOMETHING = re.compile(rb"[^\0]")


class Record(NamedTuple):
    """A record and where the next one begins."""

    kind: int
    payload: bytes
    end: int


class Damage(NamedTuple):
    """Bytes that hold no record, and where the next one begins."""

    end: int


def records_in(data: bytes, at: int, *, is_over: bool) -> Iterator[Record | Damage]:
    """Find records from `at` on, up to what is being written.

    Of a segment that nobody writes any more (`is_over`) what lies behind a gap of zeros is found
    too. A record that its process was killed over is nothing, and no damage.
    """
    while True:
        found = _record_at(data, at) or _behind(data, at, is_over=is_over)
        if found is None:
            return
        yield found
        at = found.end


def _record_at(data: bytes, at: int) -> Record | None:
    if at + _HEAD > len(data):
        return None
    check, size = RECORD.unpack_from(data, at)
    kind, end = size & 7, at + _HEAD + (size >> 3)
    if kind not in KINDS or end > len(data):
        return None
    payload = data[at + _HEAD : end]
    return Record(kind, payload, end) if adler32(payload, kind) == check else None


def _behind(data: bytes, at: int, *, is_over: bool) -> Damage | None:
    """Return where the next record is behind bytes that are none."""
    if not is_over and data[at + 4 : at + _HEAD] == bytes(4):
        return None
    while (something := _SOMETHING.search(data, at + 1)) is not None:
        # The check may begin with zeros.
        for start in range(max(at + 1, something.start() - 3), something.start() + 1):
            if _record_at(data, start) is not None:
                return Damage(start)
        at = something.start()
    return None
