"""Turn what an attribute holds into JSON and back, whatever it is.

Plain values are JSON as orjson writes it. It refuses some, and writes NaN as null; then the slow
way is gone, which never raises: mappings with the key `$` stand for what JSON does not have.
Objects that are no values at all are kept as the text that they show.
"""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AnySet
from typing import Any, cast

import orjson

from holdfast.tracing.safely import text_of, told
from holdfast.tracing.span import Value

_TAG = "$"
_DEEPEST = 100
_NUMBERS = 1 << 63
_PLAIN, _TAGGED = b"0", b"1"


def dump_value(value: object) -> bytes:
    """Return any value as JSON behind a byte that says whether it is tagged; never raises."""
    try:
        data = orjson.dumps(value)
    except Exception:  # noqa: BLE001 - see the module
        return _TAGGED + orjson.dumps(Tagging().tag(value, 0))
    if b"null" in data and has_nan(value, 0):
        return _TAGGED + orjson.dumps(Tagging().tag(value, 0))
    return _PLAIN + data


def load_value(data: bytes) -> Any:
    """Return the value that `dump_value` wrote."""
    value = orjson.loads(memoryview(data)[1:])
    return untag(value) if data[:1] == _TAGGED else value


def has_nan(value: object, depth: int) -> bool:
    """Tell whether a value that orjson took holds a number that JSON does not have."""
    if isinstance(value, float):
        return not math.isfinite(value)
    if depth > _DEEPEST:
        return True  # let the slow way see
    if isinstance(value, dict):
        return any(
            has_nan(each, depth + 1) for each in cast("dict[object, object]", value).values()
        )
    if isinstance(value, (list, tuple)):
        return any(has_nan(each, depth + 1) for each in cast("list[object]", value))
    return False


class Tagging:
    """Turns anything into what JSON has."""

    def __init__(self) -> None:
        self._around: set[int] = set()

    def tag(self, value: object, depth: int) -> object:
        """Return what stands for a value; never raises."""
        if value is None or value is True or value is False:
            return value
        try:
            return self._tag(value, depth)
        except Exception:  # noqa: BLE001 - see the module
            return _text(told(value))

    def _tag(self, value: object, depth: int) -> object:
        if isinstance(value, str):
            return _text(str.__str__(value))
        if isinstance(value, int):
            return _integer(int.__int__(value))
        if isinstance(value, float):
            return _float(float.__float__(value))
        if isinstance(value, (bytes, bytearray, memoryview)):
            return _mark("bytes", b64encode(bytes(cast("bytes", value))).decode())
        if depth > _DEEPEST or id(value) in self._around:
            return _text(told(value))
        return self._tag_container(value, depth + 1)

    def _tag_container(self, value: object, depth: int) -> object:
        members = _members(value)
        if members is None:
            return _tag_object(value)
        self._around.add(id(value))
        try:
            if isinstance(members, dict):
                return self._tag_mapping(members, depth)
            return [self.tag(each, depth) for each in members]
        finally:
            self._around.discard(id(value))

    def _tag_mapping(self, members: dict[object, object], depth: int) -> object:
        tagged: dict[str, object] = {}
        for key, value in members.items():
            name = str.__str__(key) if isinstance(key, str) else text_of(key)
            while name in tagged:
                name += "'"
            tagged[name] = self.tag(value, depth)
        if _TAG not in tagged and all(_is_plain(name) for name in tagged):
            return tagged
        return _mark("map", [[_text(name), value] for name, value in tagged.items()])


def _tag_object(value: object) -> object:
    """Return what orjson makes of a record, a date and the like; else how the object shows itself."""
    try:
        return orjson.loads(orjson.dumps(value))
    except Exception:  # noqa: BLE001 - an object may do anything when it is looked at
        return _text(told(value))


def _members(value: object) -> dict[object, object] | list[object] | None:
    """Return the members of a container as a plain one; None if it is none."""
    if isinstance(value, Mapping):
        return dict(cast("Mapping[object, object]", value).items())
    if isinstance(value, (list, tuple, Sequence, AnySet)):
        return list(cast("Sequence[object]", value))
    return None


def _mark(kind: str, value: object) -> Mapping[str, object]:
    return {_TAG: kind, "v": value}


def _text(text: str) -> object:
    if _is_plain(text):
        return text
    return _mark("text", b64encode(text.encode("utf-8", "surrogatepass")).decode())


def _integer(number: int) -> object:
    return number if -_NUMBERS <= number < _NUMBERS else _mark("int", hex(number))


def _float(number: float) -> object:
    return number if math.isfinite(number) else _mark("float", str(number))


def _is_plain(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def untag(value: Any) -> Any:
    """Return the value that a tagged one stands for."""
    if isinstance(value, list):
        return [untag(each) for each in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    members = cast("dict[str, Any]", value)
    if _TAG in members:
        return _UNTAG[members[_TAG]](members["v"])
    return {name: untag(each) for name, each in members.items()}


_UNTAG: Mapping[str, Callable[[Any], Value]] = {
    "bytes": b64decode,
    "text": lambda text: b64decode(text).decode("utf-8", "surrogatepass"),
    "int": lambda text: int(text, 16),
    "float": float,
    "map": lambda pairs: {untag(name): untag(each) for name, each in pairs},
}
