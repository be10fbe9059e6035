"""Read and write the part of CBOR (RFC 8949) that tokens are made of. Pure, safe with any input.

Maps with text keys, lists, texts, bytes and whole numbers that are not negative; of definite length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

from holdfast.frozen import NamedTuple

_NUMBER, _BYTES, _TEXT, _LIST, _MAP, _SIMPLE = 0, 2, 3, 4, 5, 7
_LITERALS: Final[Mapping[int, object]] = {20: False, 21: True, 22: None}
_SIZES: Final = {24: 1, 25: 2, 26: 4, 27: 8}
_DEEPEST = 16


class _Read(NamedTuple):
    value: object
    end: int


def encode(value: object) -> bytes:
    """Return a value as CBOR.

    Raises:
        TypeError: it is none of the above.
    """
    match value:
        case bytes():
            return _head(_BYTES, len(value)) + value
        case str():
            data = value.encode()
            return _head(_TEXT, len(data)) + data
        case int() if not isinstance(value, bool) and value >= 0:
            return _head(_NUMBER, value)
        case Mapping():
            pairs = cast("Mapping[str, object]", value).items()
            body = b"".join(encode(name) + encode(each) for name, each in pairs)
            return _head(_MAP, len(pairs)) + body
        case list() | tuple():
            items = cast("Sequence[object]", value)
            return _head(_LIST, len(items)) + b"".join(map(encode, items))
        case _:
            raise TypeError(f"{type(value).__name__} is not written")


def decode(data: bytes) -> object:
    """Return the one value that CBOR holds.

    Raises:
        ValueError: it holds something else, ends too early, or goes on behind the value.
    """
    read = _value(data, 0, _DEEPEST)
    if read.end != len(data):
        raise ValueError("there is more behind the end")
    return read.value


def _head(kind: int, size: int) -> bytes:
    if size < 24:
        return bytes([kind << 5 | size])
    for code, width in _SIZES.items():
        if size < 1 << 8 * width:
            return bytes([kind << 5 | code]) + size.to_bytes(width, "big")
    raise ValueError("a number is too large")


def _value(data: bytes, at: int, depth: int) -> _Read:
    if not depth:
        raise ValueError("it is nested too deeply")
    kind, size, at = _open(data, at)
    match kind:
        case 0:
            return _Read(size, at)
        case 2:
            return _Read(_take(data, at, size), at + size)
        case 3:
            return _Read(_take(data, at, size).decode(), at + size)
        case 4:
            return _items(data, at, size, depth)
        case 5:
            return _pairs(data, at, size, depth)
        case 7 if size in _LITERALS:
            return _Read(_LITERALS[size], at)
        case _:
            raise ValueError("it holds a kind of value that no token has")


def _open(data: bytes, at: int) -> tuple[int, int, int]:
    first = _take(data, at, 1)[0]
    kind, size, at = first >> 5, first & 31, at + 1
    if size < 24:
        return kind, size, at
    if (width := _SIZES.get(size)) is None:
        raise ValueError("it has parts of no definite length")
    return kind, int.from_bytes(_take(data, at, width), "big"), at + width


def _take(data: bytes, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise ValueError("it ends too early")
    return data[at : at + size]


def _items(data: bytes, at: int, size: int, depth: int) -> _Read:
    items: list[object] = []
    for _ in range(size):
        read = _value(data, at, depth - 1)
        items.append(read.value)
        at = read.end
    return _Read(items, at)


def _pairs(data: bytes, at: int, size: int, depth: int) -> _Read:
    pairs: dict[str, object] = {}
    for _ in range(size):
        name = _value(data, at, depth - 1)
        if not isinstance(name.value, str) or name.value in pairs:
            raise ValueError("a name in it is no text, or is there twice")
        read = _value(data, name.end, depth - 1)
        pairs[name.value] = read.value
        at = read.end
    return _Read(pairs, at)
