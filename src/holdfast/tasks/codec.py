"""Write records as compact JSON, leaving out what has its default."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, cast

from holdfast.errors import InputError, StorageCorrupt
from holdfast.frozen import MISSING, members_of


def _encoder() -> Callable[[object], str]:
    """Return what encodes as compact JSON.

    `JSONEncoder.encode` makes the C part of itself anew for each value, which takes as long as most
    values do. Without that part, or with another Python that has none, it is used as it is.
    """
    encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    make = cast("Any", json.encoder).c_make_encoder
    if make is None:
        return encoder.encode
    # No markers of where it is: a value that holds itself ends as a RecursionError.
    parts = make(None, encoder.default, quote, None, ":", ",", False, False, False)  # noqa: FBT003
    return lambda value: "".join(parts(value, 0))


quote = cast("Callable[[str], str]", json.encoder.encode_basestring)  # type: ignore[attr-defined]
"""Return a string as JSON."""
_encode = _encoder()


def to_json(value: object, *, what: str) -> str:
    """Return `value` as compact JSON.

    Raises:
        InputError: it is not made of JSON's types; the message begins with `what`.
    """
    try:
        return _encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        deep = isinstance(error, RecursionError)
        raise InputError(
            f"{what} cannot be stored: {'it is nested too deeply, or holds itself' if deep else error}",
            hint="give None, bool, int, float (finite), str, or lists and dicts of these",
        ) from error


def to_bytes(value: object, *, what: str) -> bytes:
    """Return `value` as compact JSON in UTF-8; lone surrogates are kept."""
    return to_json(value, what=what).encode("utf-8", "surrogatepass")


def from_bytes(data: bytes, *, what: str) -> Any:
    """Return what `to_bytes` wrote.

    Raises:
        StorageCorrupt: it is no JSON; the message begins with `what`.
    """
    try:
        return json.loads(data.decode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise StorageCorrupt(
            f"{what} is not JSON: {error}",
            hint="run `holdfast task repair`, or restore the store from a backup",
        ) from error


@cache
def defaults(kind: type) -> tuple[tuple[str, object], ...]:
    """Return the names of the fields of a record and their defaults, `MISSING` for none."""
    return tuple((each.name, each.fill()) for each in members_of(kind))


def plain(value: object) -> dict[str, object]:
    """Return the fields of a dataclass that do not have their default."""
    found: dict[str, object] = {}
    for name, default in defaults(type(value)):
        member: object = getattr(value, name)
        if default is MISSING or member != default:
            found[name] = member
    return found


def plain_all(values: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """Return the dataclasses of a mapping as `plain` does."""
    return {name: plain(value) for name, value in values.items()}
