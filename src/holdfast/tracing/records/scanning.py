"""Find the records in the bytes of a segment, also behind damage."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from zlib import crc32

from holdfast.frozen import NamedTuple
from holdfast.tracing.entries import Entry
from holdfast.tracing.records.encoding import decode
from holdfast.tracing.records.layout import KINDS, OPENED, RECORD, SPAN

_HEAD: Final = RECORD.size
_LINES = re.compile(rb'(\[-?\d[^\0-\x1f]*\]\n)?\["[^\0-\x1f]*\]\n')
_BEGINNING = re.compile(b"[%b]" % re.escape(bytes([ord("["), *KINDS])))


class Record(NamedTuple):
    """What a record holds, and where the next one begins."""

    entry: Entry
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
    if data[at : at + 1] == b"[":
        found = _LINES.match(data, at)
        kind = SPAN if found and found[1] else OPENED
        return _record(kind, found[0], found.end()) if found else None
    if at + _HEAD > len(data):
        return None
    kind, check, size = RECORD.unpack_from(data, at)
    end = at + _HEAD + size
    if kind not in KINDS or end > len(data):
        return None
    payload = data[at + _HEAD : end]
    return _record(kind, payload, end) if crc32(payload) == check else None


def _record(kind: int, payload: bytes, end: int) -> Record | None:
    try:
        return Record(decode(kind, payload), end)
    except ValueError:
        return None


def _behind(data: bytes, at: int, *, is_over: bool) -> Damage | None:
    """Return where the next record is behind bytes that are none."""
    if not is_over and data[at : at + 1] in {b"", b"\0"}:
        return None
    for found in _BEGINNING.finditer(data, at + 1):
        if _record_at(data, found.start()) is not None:
            return Damage(found.start())
    return None
