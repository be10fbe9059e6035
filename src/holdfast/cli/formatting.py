"""How the help of the commands is laid out."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence

_NARROWEST = 11
_FIRST_COLUMN = re.compile(r"\s*\S+(?: \S+)*\s{2,}|\s*")


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Lay help out as `argparse` does.

    That one loads `shutil` to learn the width of the terminal, whenever an argument is added.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=max(_columns() - 2, _NARROWEST))

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Keep lines as they are; what is too long goes on below the text that it belongs to."""
        lines = [part for line in text.splitlines() for part in _folded(line, width)]
        return "\n".join(indent + each for each in lines) + "\n"


def _folded(line: str, width: int) -> Sequence[str]:
    if len(line) <= width:
        return [line]
    from textwrap import wrap  # noqa: PLC0415 - few lines are so long

    first = _FIRST_COLUMN.match(line)
    column = first.end() if first else 0
    return wrap(line, width, subsequent_indent=" " * (column if column <= width // 2 else 4))


def _columns() -> int:
    """Return the width of the terminal, as `shutil.get_terminal_size` does."""
    said = os.environ.get("COLUMNS", "")  # noqa: TID251 - of the terminal, no setting
    if said.isdecimal() and int(said):
        return int(said)
    try:
        return os.get_terminal_size(1).columns or 80
    except OSError:  # it is no terminal
        return 80
