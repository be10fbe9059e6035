"""Find the JSON in a model's reply, and tell which schemas a strict endpoint takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

_OPENING = re.compile(r"^[ \t]*```(?:json)?[ \t]*\r?\n", re.IGNORECASE | re.MULTILINE)
# No line of a JSON document begins with a backtick, so the first such line ends the fence.
_CLOSING = re.compile(r"^[ \t]*```", re.MULTILINE)
_ONE_LINE = re.compile(r"```(?:json)?(.*)```", re.IGNORECASE)


def extract_json(text: str) -> str:
    """Return the JSON document of a reply: the text itself, or what its first code fence holds.

    Nothing else is guessed: a reply with prose around bare braces comes back as it is, so that
    the parser can say what is wrong with it.
    """
    bare = text.strip().removeprefix("\ufeff").strip()
    if bare[:1] in ("{", "[", '"'):
        return bare
    if on_one_line := _ONE_LINE.fullmatch(bare):
        return on_one_line.group(1).strip()
    opening = _OPENING.search(bare)
    closing = _CLOSING.search(bare, opening.end()) if opening else None
    return bare[opening.end() : closing.start()].strip() if opening and closing else bare


def is_strict(schema: Mapping[str, object]) -> bool:
    """Whether every object of `schema` is closed and requires all its properties.

    That is what OpenAI's `strict` mode asks for; other schemas are sent without it.
    """
    return all(_is_closed(part) for part in _parts(schema))


def _is_closed(part: Mapping[str, object]) -> bool:
    properties = part.get("properties")
    if not isinstance(properties, Mapping):
        return part.get("type") != "object"
    names = set(cast("Mapping[str, object]", properties))
    required = cast("list[str]", part.get("required", []))
    return part.get("additionalProperties") is False and names == set(required)


def _parts(node: object) -> list[Mapping[str, object]]:
    pending, found = [node], list[Mapping[str, object]]()
    while pending:
        current = pending.pop()
        if isinstance(current, Mapping):
            part = cast("Mapping[str, object]", current)
            found.append(part)
            pending.extend(part.values())
        elif isinstance(current, list):
            pending.extend(cast("list[object]", current))
    return found
