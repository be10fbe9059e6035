"""Read JSON that somebody else wrote: what is not of the expected kind counts as not there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import orjson

from holdfast.errors import MalformedAnswer

Object = Mapping[str, object]
EXCERPT = 300


def as_object(value: object) -> Object:
    """Return a JSON object, an empty one for anything else."""
    if type(value) is dict:  # nearly always: asking for the kind is dearer than all else here
        return value  # pyright: ignore[reportUnknownVariableType] - a cast costs as much again
    return cast("Object", value) if isinstance(value, Mapping) else {}


def as_list(value: object) -> list[object]:
    """Return a JSON array, an empty one for anything else."""
    return cast("list[object]", value) if isinstance(value, list) else []


def as_objects(value: object) -> list[Object]:
    """Return the objects of a JSON array."""
    return [
        cast("Object", each)
        for each in as_list(value)
        if type(each) is dict or isinstance(each, Mapping)
    ]


def as_text(value: object) -> str:
    """Return a JSON string, an empty one for anything else."""
    return value if isinstance(value, str) else ""


def as_count(value: object) -> int | None:
    """Return a whole number that is not negative, None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def is_number(value: object) -> bool:
    """Whether a value is a JSON number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def parse_object(data: bytes) -> dict[str, Any]:
    """Return the JSON object in `data`.

    Raises:
        MalformedAnswer: it is not JSON, or no object.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise MalformedAnswer(
            f"the provider sent something that is not JSON: {excerpt(data)!r}"
        ) from None
    if not isinstance(value, dict):
        raise MalformedAnswer(f"the provider sent JSON that is no object: {excerpt(data)!r}")
    return value  # pyright: ignore[reportUnknownVariableType] - a cast is a tenth of a stream


def parse_arguments(text: str) -> dict[str, object] | None:
    """Return the arguments of a tool call, an empty object for an empty text, None for no object."""
    if not text.strip():
        return {}
    try:
        value: object = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return None
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def write_json(value: object) -> str:
    """Return a value as compact JSON."""
    return orjson.dumps(value, default=dict).decode()


def excerpt(text: str | bytes, limit: int = EXCERPT) -> str:
    """Return the beginning of a text on one line."""
    if isinstance(text, bytes):
        text = text[: 4 * limit].decode(errors="replace")
    text = " ".join(text[: 4 * limit].split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
