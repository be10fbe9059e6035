"""Small pieces of Markdown, and docstrings turned into it."""

import inspect
from collections.abc import Sequence


def code(text: object) -> str:
    """Return the text as inline code."""
    return f"`{text}`"


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; bars and line breaks in cells are made harmless."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    """Return the text on one line; outside of inline code its asterisks are not emphasis."""
    parts = " ".join(text.split()).replace("|", "\\|").split("`")
    return "`".join(
        each if place % 2 else each.replace("*", "\\*") for place, each in enumerate(parts)
    )


def docstring(thing: object) -> str:
    """Return a docstring as Markdown: indented literal blocks become fenced ones."""
    text = inspect.getdoc(thing) or ""
    lines: list[str] = []
    block: list[str] = []
    for line in [*text.splitlines(), "end"]:
        inside = bool(block) or (lines and lines[-1] == "::")
        if inside and (not line or line.startswith("    ") or not line[0].isalnum()):
            block.append(line)
            continue
        if block:
            lines[-1:] = ["```text", inspect.cleandoc("\n".join(block)).strip("\n"), "```", ""]
            block = []
        lines.append(line)
    return "\n".join(lines[:-1]).strip()


def first_sentence(thing: object) -> str:
    """Return the first line of a docstring."""
    return docstring(thing).partition("\n")[0]
