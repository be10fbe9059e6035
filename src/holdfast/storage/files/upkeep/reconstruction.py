"""Put a damaged line together again from what the index holds; the next line's hash proves it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import product
from typing import cast

from holdfast.storage.files.lines import Line, write_key, write_line, write_value, write_values
from holdfast.storage.files.tail import Cell
from holdfast.storage.files.upkeep.comparison import Found
from holdfast.storage.files.upkeep.healing import Anchor
from holdfast.storage.keys import decode_key

_HEAD = re.compile(
    rb'\{"n":.{1,20}?,"s":(.{1,20}?),"v":(.{1,20}?),"t":(.{1,20}?),"p":".{32}","o":\[', re.DOTALL
)
_TRAILER = len(b'],"c":"01234567"}\n')
_MOST_STEPS = 5000
_MOST_GUESSES = 2000
_MOST_ENTRIES = 8
_KINDS = ("put", "delete", "append", "erase")


def operations_of(found: Found) -> list[str]:
    """Return what was found as the operations of a line."""
    puts = sorted(found.puts, key=lambda each: each[1].version)
    return [
        *(f'["delete",{_key(key)},{version}]' for key, version in found.deletes),
        *(_put(key, cell, with_times=_has_times(cell)) for key, cell in puts),
        *(_erase(*each) for each in found.erasures),
        *(_append(*each) for each in found.entries),
    ]


def rebuild(
    damaged: bytes, found: Found, *, place: Anchor, version: int, after: Line
) -> bytes | None:
    """Return the bytes of the one line between two others, or None.

    `place` is the number and the hash of what it follows, `version` the greatest one by then. The
    operations are taken from the damaged bytes where they still make sense, and from the index where
    they do not.
    """
    head = _HEAD.match(damaged)
    if head is None or len(damaged) < head.end() + _TRAILER:
        return None
    heads = _heads(head.groups(), place.number, version, after)
    pieces = [text.encode() for text in _pieces(found)]
    for operations in _arrangements(damaged[head.end() : -_TRAILER], pieces):
        for synced, greatest, written_at in heads:
            data, digest = write_line(
                place.number + 1,
                operations.decode("utf-8", "replace"),
                synced=synced,
                version=greatest,
                written_at=written_at,
                previous=place.hash,
            )
            if digest == after.previous:
                return data
    return None


def _heads(
    texts: Sequence[bytes], number: int, version: int, after: Line
) -> list[tuple[int, int, int]]:
    """Return what the numbers of the head may have been."""
    synced, greatest, written_at = texts
    guesses = (
        _numbers(synced, max(number - _MOST_GUESSES, 0), number),
        _numbers(greatest, version, after.version),
        _numbers(written_at, after.written_at - _MOST_GUESSES, after.written_at),
    )
    if len(guesses[0]) * len(guesses[1]) * len(guesses[2]) > 2 * _MOST_GUESSES:
        return []
    return list(product(*guesses))


def _numbers(text: bytes, low: int, high: int) -> Sequence[int]:
    return (int(text),) if text.isdigit() else range(low, high + 1)


def _pieces(found: Found) -> Iterator[str]:
    """Give every operation that the index may stand for."""
    for key, cell in found.puts:
        yield _put(key, cell, with_times=_has_times(cell))
    yield from (f'["delete",{_key(key)},{version}]' for key, version in found.deletes)
    yield from (_erase(*each) for each in found.erasures)
    for log, first, values in found.entries:
        count = min(len(values), _MOST_ENTRIES)
        for start in range(count):
            for end in range(start + 1, count + 1):
                yield _append(log, first + start, values[start:end])


def _arrangements(damaged: bytes, pieces: Sequence[bytes]) -> Iterator[bytes]:
    """Give the sequences of operations that are as long as the damaged ones and look like them."""
    text = damaged.decode("latin-1")
    waiting: list[tuple[int, tuple[bytes, ...]]] = [(0, ())]
    for _ in range(_MOST_STEPS):
        if not waiting:
            return
        start, taken = waiting.pop()
        for piece in _next_pieces(damaged, text, start, pieces):
            end = start + len(piece)
            if end == len(damaged):
                yield b",".join((*taken, piece))
            elif end < len(damaged):
                waiting.append((end + 1, (*taken, piece)))


def _next_pieces(damaged: bytes, text: str, start: int, pieces: Sequence[bytes]) -> Iterator[bytes]:
    as_it_is = _read_piece(text, start)
    if as_it_is:
        yield damaged[start : start + as_it_is]
    for piece in pieces:
        if _resembles(piece, damaged[start : start + len(piece)]):
            yield piece


def _read_piece(text: str, start: int) -> int:
    """Return the length of an operation that can be read as it is, else 0."""
    try:
        fields, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return 0
    if not isinstance(fields, list):
        return 0
    kind = next(iter(cast("list[object]", fields)), None)
    return end - start if kind in _KINDS else 0


def _resembles(piece: bytes, damaged: bytes) -> bool:
    """Return whether most bytes are the same; zeros may have been anything."""
    if len(piece) != len(damaged):
        return False
    differing = sum(b not in (a, 0) for a, b in zip(piece, damaged, strict=True))
    return differing * 2 <= len(piece)


def _put(key: bytes, cell: Cell, *, with_times: bool) -> str:
    times = ""
    if with_times:
        written = ("null" if each is None else str(each) for each in (cell.expires_at, cell.due_at))
        times = "," + ",".join(written)
    return f'["put",{_key(key)},{cell.version},{write_value(cell.value or b"")}{times}]'


def _has_times(cell: Cell) -> bool:
    return cell.expires_at is not None or cell.due_at is not None


def _append(log: bytes, first: int, values: Sequence[bytes]) -> str:
    return f'["append",{_key(log)},{first},{write_values(values)}]'


def _erase(log: bytes, last: int) -> str:
    return f'["erase",{_key(log)},{last}]'


def _key(key: bytes) -> str:
    return write_key(decode_key(key))
