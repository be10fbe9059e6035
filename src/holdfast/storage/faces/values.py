"""Read and write JSON strictly: what a person typed is either understood or refused, with a line.

Refused is also what other readers take silently: a member given twice, `NaN`, a number too large.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import pairwise
from typing import cast

from holdfast.errors import FaceError

Fields = Mapping[str, object]
"""The members of a JSON object."""

MAX_DEPTH = 100
"""The deepest nesting that a face can show."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')

# Legal in JSON text, but editors and YAML treat them as line ends, drop them or refuse them.
_AWKWARD = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


class _OddToken(ValueError):
    def __init__(self, token: str, reason: str) -> None:
        super().__init__(token)
        self.token = token
        self.reason = reason


class _Duplicate(ValueError):
    pass


def read_value(text: str) -> object:
    """Return the value that a JSON text stands for.

    Raises:
        FaceError: it is not JSON, gives a member twice, or holds what JSON cannot.
    """
    try:
        value = _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise FaceError(error.lineno, f"{error.msg} (column {error.colno})") from error
    except _OddToken as error:
        raise FaceError(_line_of_token(text, error.token), error.reason) from error
    except _Duplicate as error:
        line, name = _find_duplicate(text)
        raise FaceError(line, f"the member {name} is given twice") from error
    except RecursionError as error:
        raise FaceError(1, _TOO_DEEP) from error
    if _depth_exceeds(value, MAX_DEPTH):
        raise FaceError(1, _TOO_DEEP)
    return value


def read_fields(text: str) -> Fields:
    """Return the members of the JSON object that a text stands for.

    Raises:
        FaceError: as `read_value`, or the text is JSON but no object.
    """
    value = read_value(text)
    if not isinstance(value, dict):
        raise FaceError(1, "the file must hold one object in braces: { ... }")
    return cast("Fields", value)


def write_value(value: object, *, indent: int | None = None, sort: bool = True) -> str:
    """Return a value as JSON text that is valid UTF-8 and that `read_value` reads back exactly.

    Raises:
        FaceError: JSON cannot hold the value.
    """
    separators = (",", ": ") if indent else (", ", ": ")
    try:
        text = json.dumps(
            value,
            indent=indent,
            sort_keys=sort,
            ensure_ascii=False,
            allow_nan=False,
            separators=separators,
        )
    except (ValueError, TypeError, RecursionError) as error:
        raise FaceError(1, f"JSON cannot hold the value: {error}") from error
    return _AWKWARD.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def canonical(value: object) -> str:
    """Return a text that is equal for equal JSON values only: 1, 1.0 and true all differ."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def is_same(one: object, other: object) -> bool:
    """Tell whether two JSON values are the same, types included."""
    return canonical(one) == canonical(other)


def digest(fields: Fields) -> str:
    """Return 16 hexadecimal digits that stand for these fields and their values."""
    return sha256(canonical(fields).encode()).hexdigest()[:16]


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise _Duplicate
    return members


def _float(token: str) -> float:
    number = float(token)
    if number in (float("inf"), float("-inf")):
        raise _OddToken(token, f"the number {token} is too large")
    return number


def _integer(token: str) -> int:
    try:
        return int(token)
    except ValueError as error:
        raise _OddToken(token, "a number has too many digits") from error


def _refuse(token: str) -> object:
    raise _OddToken(token, f"JSON has no {token}")


_decoder = json.JSONDecoder(
    object_pairs_hook=_members, parse_float=_float, parse_int=_integer, parse_constant=_refuse
)
_TOO_DEEP = f"the values are nested deeper than {MAX_DEPTH} levels"


def _line_of_token(text: str, token: str) -> int:
    places = (match.start() for match in _TOKEN.finditer(text) if match[0] == token)
    return text.count("\n", 0, next(places, 0)) + 1


def _find_duplicate(text: str) -> tuple[int, str]:
    """Return line and name of a member that is given twice, in a text that is JSON otherwise."""
    seen: list[set[str]] = []
    tokens = [(match.start(), match[0]) for match in _TOKEN.finditer(text)]
    for (start, token), (_, following) in pairwise(tokens):
        if token[0] in "{[":
            seen.append(set())
        elif token[0] in "}]":
            seen.pop()
        elif following == ":":
            name = cast("str", json.loads(token))
            if name in seen[-1]:
                return text.count("\n", 0, start) + 1, repr(name)
            seen[-1].add(name)
    return 1, "of an object"


def _depth_exceeds(value: object, limit: int) -> bool:
    level: list[object] = [value]
    for _ in range(limit + 1):
        level = [inner for outer in level for inner in _inner(outer)]
        if not level:
            return False
    return True


def _inner(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from cast("dict[str, object]", value).values()
    elif isinstance(value, list):
        yield from cast("Iterable[object]", value)
