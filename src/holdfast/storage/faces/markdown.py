"""Show a record as Markdown: its fields in front matter, one of them as the text below.

::

    ---
    state: "working"
    tags: ["storage", "files"]
    ---

    The text of the chosen field.

Between the two lines `---` each line is `name: value` with a JSON value. YAML reads it alike, but
it is much less than YAML, so that nothing is guessed: text stands in double quotes, always. A name
that is more than letters, digits, `_` and `-` stands in double quotes too.

The text below has a blank line above it and a line end behind it that are not part of it. A text
that editors would change (with carriage returns or control characters) stands in the front matter
like any other field; so does one that is not text. `name:` without a value says that the field of
the text is not there at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import cast

from holdfast.errors import FaceError, UsageError
from holdfast.storage.faces.codecs import JsonValues
from holdfast.storage.faces.values import Fields, read_value, write_value

_FENCE = "---"
_LINE = re.compile(r'([A-Za-z_][A-Za-z0-9_-]*|"(?:[^"\\]|\\.)*")[ \t]*:[ \t]*(.*?)[ \t]*')
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_PLAIN_TEXT = re.compile(
    "[\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]+"
)
# YAML 1.1 takes these for something else than text.
_YAML_WORDS = frozenset(("null", "true", "false", "yes", "no", "on", "off", "y", "n"))


class MarkdownCodec(JsonValues):
    """Show a record as front matter and the text of the field `body`.

    The fields named `first` come first, the others behind them in the order of their names.
    """

    suffix = ".md"

    def __init__(self, *, body: str, first: Sequence[str] = ()) -> None:
        if not body:
            raise UsageError("the field that becomes the text of a Markdown file needs a name")
        self._body = body
        self._first = tuple(first)

    def render(self, fields: Fields) -> str:
        text = fields.get(self._body)
        is_below = text == "" or (isinstance(text, str) and bool(_PLAIN_TEXT.fullmatch(text)))
        lines = [
            f"{_write_name(name)}: {write_value(fields[name])}"
            for name in self._ordered(fields)
            if not (is_below and name == self._body)
        ]
        if self._body not in fields:
            lines.append(f"{_write_name(self._body)}:")
        below = f"\n{text}\n" if is_below and text else ""
        return "\n".join((_FENCE, *lines, _FENCE, below))

    def parse(self, text: str) -> Fields:
        lines = text.split("\n")
        if lines[0].rstrip() != _FENCE:
            raise FaceError(1, f"the first line must be {_FENCE!r}")
        end = next((i for i, line in enumerate(lines) if i and line.rstrip() == _FENCE), None)
        if end is None:
            raise FaceError(len(lines), f"no line {_FENCE!r} ends the fields")
        fields: dict[str, object] = {}
        named: set[str] = set()
        for number, line in enumerate(lines[1:end], 2):
            if not line.strip():
                continue
            name, value = _read_line(line, number)
            if name in named:
                raise FaceError(number, f"the field {name!r} is given twice")
            if not value and name != self._body:
                raise FaceError(number, f"the field {name!r} has no value; remove the line instead")
            named.add(name)
            if value:
                fields[name] = _read_json(name, value, number)
        return self._with_body(fields, named, "\n".join(lines[end + 1 :]), end + 2)

    def _with_body(self, fields: Fields, named: set[str], below: str, number: int) -> Fields:
        if self._body not in named:
            # Not part of the text: the blank line above it and the line end behind it.
            return {**fields, self._body: below.removeprefix("\n").removesuffix("\n")}
        if below.strip():
            reason = f"the field {self._body!r} stands above already; remove it there or here"
            raise FaceError(number, reason)
        return fields

    def _ordered(self, fields: Fields) -> list[str]:
        first = [name for name in self._first if name in fields]
        return [*first, *sorted(fields.keys() - set(first))]


def _write_name(name: str) -> str:
    is_plain = _PLAIN_NAME.fullmatch(name) and name.lower() not in _YAML_WORDS
    return name if is_plain else write_value(name)


def _read_line(line: str, number: int) -> tuple[str, str]:
    match = _LINE.fullmatch(line)
    if match is None:
        raise FaceError(number, f"expected `name: value`, not {line[:40]!r}")
    name, value = match.groups()
    return cast("str", read_value(name)) if name.startswith('"') else name, value


def _read_json(name: str, value: str, number: int) -> object:
    try:
        return read_value(value)
    except FaceError as error:
        hint = "" if value[0] in '"[{' else f"; a text needs quotes: {name}: {json.dumps(value)}"
        raise FaceError(number, f"the field {name!r}: {error.reason}{hint}") from error
