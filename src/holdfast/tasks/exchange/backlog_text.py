"""Take a task file of Backlog.md apart into pieces of text that make the file again, and read them. Pure.

A piece is a member of the front matter with its lines, or a section from its heading to the next. So
whatever nobody changes stays as it is, to the byte.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import yaml

from holdfast.tasks.exchange.words import instant, read_iso

_FENCE = "---"
_KEY = re.compile(r"([A-Za-z_][\w-]*)[ \t]*:")
_HEADING = re.compile(r"## +(.+?)\s*$")
_MARK = re.compile(r"<!-- (?:SECTION:)?[A-Z_]+:(BEGIN|END) -->\s*$")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}( \d{2}:\d{2})?")
_MARKS = {
    "Description": "SECTION:DESCRIPTION",
    "Acceptance Criteria": "AC",
    "Definition of Done": "DOD",
    "Implementation Plan": "SECTION:PLAN",
    "Implementation Notes": "SECTION:NOTES",
    "Final Summary": "SECTION:FINAL_SUMMARY",
    "Comments": "COMMENTS",
}
_TIGHT = {"Acceptance Criteria", "Definition of Done"}
_LOADER: type = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_PLAIN = re.compile(r"[A-Za-z]([\w ./()-]*[\w./()-])?")
_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", "~"}
FRONT = "front:"
SECTION = "section:"


class NotATask(ValueError):
    """The text is no task file; `line` says where that shows."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def take_apart(text: str) -> dict[str, str]:
    """Return the pieces of a file, in their order.

    Raises:
        NotATask: it has no front matter.
    """
    lines = _split(text)
    if not lines or lines[0].rstrip() != _FENCE:
        raise NotATask(1, "the file does not begin with a line ---")
    end = next((at for at, line in enumerate(lines[1:], 1) if line.rstrip() == _FENCE), 0)
    if not end:
        raise NotATask(len(lines), "the front matter is not closed by a line ---")
    pieces: dict[str, str] = {"open": lines[0]}
    name = FRONT
    for line in lines[1:end]:
        if found := _KEY.match(line):
            name = _free(pieces, FRONT + found[1])
        pieces[name] = pieces.get(name, "") + line
    pieces["close"] = lines[end]
    pieces.update(_sections(lines[end + 1 :]))
    return pieces


def put_together(pieces: Mapping[str, str]) -> str:
    """Return the file that the pieces make: what is new of the front matter stands in it."""
    front = [text for name, text in pieces.items() if name.startswith(FRONT)]
    rest = [text for name, text in pieces.items() if name.startswith(SECTION)]
    found = pieces.get("open", "---\n") + "".join(front) + pieces.get("close", "---\n")
    for text in rest:
        found += text if not text or found.endswith("\n") else f"\n{text}"
    return found


def values_of(pieces: Mapping[str, str], wanted: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the values of members of the front matter, and the names of those that are not YAML.

    Text stays text, also what looks like a date or a number.
    """
    found: dict[str, Any] = {}
    broken: list[str] = []
    there = [name for name in wanted if FRONT + name in pieces]
    try:
        found = _load("".join(pieces[FRONT + name] for name in there))
    except ValueError:
        for name in there:
            try:
                found |= _load(pieces[FRONT + name])
            except ValueError:
                broken.append(name)
    return found, broken


def line_of(pieces: Mapping[str, str], name: str) -> int:
    """Return the line in which a piece begins."""
    before = list(pieces)[: list(pieces).index(name)] if name in pieces else []
    return 1 + sum(pieces[each].count("\n") for each in before)


def body_of(piece: str) -> str:
    """Return the text of a section without its heading and its marks."""
    lines = piece.replace("\r\n", "\n").strip("\n").split("\n")[1:]
    return "\n".join(line for line in lines if not _MARK.match(line)).strip("\n")


def section(title: str, body: str) -> str:
    """Return a section as Backlog.md writes it."""
    mark = _MARKS.get(title)
    if mark is None:
        return f"\n## {title}\n\n{body}\n"
    gap = "" if title in _TIGHT else "\n"
    return f"\n## {title}\n{gap}<!-- {mark}:BEGIN -->\n{body}\n<!-- {mark}:END -->\n"


def member(name: str, value: str | Sequence[str]) -> str:
    """Return a member of the front matter as Backlog.md writes it."""
    if isinstance(value, str):
        return f"{name}: {_scalar(value)}\n"
    if not value:
        return f"{name}: []\n"
    return f"{name}:\n" + "".join(f"  - {_scalar(each)}\n" for each in value)


def read_date(text: str) -> int | None:
    """Return a date, with or without the minute, in UTC; None if it is none."""
    return read_iso(text) if _DATE.fullmatch(text) else None


def write_date(ms: int) -> str:
    """Return an instant as Backlog.md writes it: to the minute, in UTC."""
    return instant(ms).strftime("%Y-%m-%d %H:%M")


def split_sections(text: str) -> dict[str, str]:
    """Return the bodies of the sections in a text by their titles; what comes first has none."""
    pieces = _sections(_split(text))
    found: dict[str, str] = {}
    for name, piece in pieces.items():
        title = name.removeprefix(SECTION)
        found[title] = body_of(piece) if title else piece.strip("\n")
    return found


def _sections(lines: Sequence[str]) -> dict[str, str]:
    """Return the text before the first heading, and the sections; headings in fences are none."""
    pieces: dict[str, str] = {}
    name, is_code, is_marked = SECTION, False, False
    for line in lines:
        if line.lstrip().startswith(("```", "~~~")):
            is_code = not is_code
        if mark := _MARK.match(line):
            is_marked = mark[1] == "BEGIN"
        found = _HEADING.match(line) if not is_code and not is_marked else None
        if found:
            gap = _take_gap(pieces, name)
            name = _free(pieces, SECTION + found[1])
            pieces[name] = gap
        pieces[name] = pieces.get(name, "") + line
    return pieces


def _take_gap(pieces: dict[str, str], name: str) -> str:
    """Take the blank lines from the end of a section: they belong to the next heading."""
    text = pieces.get(name, "")
    kept = text.rstrip("\r\n")
    if kept:
        end = text.find("\n", len(kept)) + 1
        pieces[name], gap = text[:end], text[end:]
    else:
        gap = text
        pieces.pop(name, None)
    return gap


def _split(text: str) -> list[str]:
    """Return the lines of a text with their ends, which nothing but a line feed makes."""
    return [line for line in re.split(r"(?<=\n)", text) if line]


def _free(pieces: Mapping[str, str], name: str) -> str:
    """Return a name that no piece has: titles may be there twice."""
    number = 1
    while name in pieces:
        number += 1
        name = f"{name.partition('#')[0]}#{number}"
    return name


def _load(text: str) -> dict[str, Any]:
    try:
        value: object = yaml.load(text, Loader=_LOADER)  # noqa: S506 - makes nothing but text
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error)) from error
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _scalar(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS and not text.startswith("@"):
        return text
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    dumped: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10**9)
    return dumped.strip()
