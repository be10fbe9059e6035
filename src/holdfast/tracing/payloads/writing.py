"""JSON texts of messages, in the ways that programs write them. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import cast

_ROLE = ("role", "type", "author")


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _spaced(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


STYLES: Mapping[str, Callable[[object], str]] = {
    "compact": _compact,
    "spaced": _spaced,
    "ascii": json.dumps,
    "compact-ascii": lambda value: json.dumps(value, separators=(",", ":")),
}
"""Names of ways to write JSON: a text that one of them gives back exactly can be taken apart."""


def messages_of(value: object) -> Sequence[object] | None:
    """Return the messages that a value is a list of, None if it is something else."""
    if not isinstance(value, list | tuple) or not value:
        return None
    items = cast("Sequence[object]", value)
    if all(isinstance(each, Mapping) and any(key in each for key in _ROLE) for each in items):
        return items
    return None


def read_messages(text: str) -> tuple[Sequence[object], str] | None:
    """Return the messages in a text and its style; None if it could not be given back exactly."""
    if not text.startswith("[") or not text.endswith("]"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    messages = messages_of(value)
    if messages is None:
        return None
    style = next((name for name, write in STYLES.items() if write(value) == text), None)
    return None if style is None else (messages, style)
