"""Say values of spans as text, whatever they are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from holdfast.tracing.payload import MARK
from holdfast.tracing.span import Attributes, Value


def text_of_value(value: object) -> str:
    """Return a value as text: strings as they are, references by their preview."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, Mapping) and MARK in value:
        return str(cast("Mapping[str, object]", value).get("preview", ""))
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    except (TypeError, ValueError, RecursionError):
        return type(cast("object", value)).__name__


def first_text(attributes: Attributes, keys: Iterable[str]) -> str:
    """Return the first of some attributes that says anything, as text."""
    for key in keys:
        found = text_of_value(attributes.get(key))
        if found:
            return found
    return ""


def first_number(attributes: Attributes, keys: Iterable[str]) -> int | None:
    """Return the first of some attributes that is a whole number, also one in text."""
    for key in keys:
        value = attributes.get(key)
        if isinstance(value, bool):
            continue
        if isinstance(value, int):
            return value
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            return int(value)
    return None


def one_line(text: str, most: int = 160) -> str:
    """Return the first line of a text that says something, cut to `most` characters."""
    line = next((each.strip() for each in text.splitlines() if each.strip()), "")
    return line if len(line) <= most else f"{line[: most - 1]}…"


def is_list(value: Value) -> bool:
    """Tell whether a value is a list and no text."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
