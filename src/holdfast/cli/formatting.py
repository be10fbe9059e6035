"""How the help of the commands is laid out."""

from __future__ import annotations

import argparse
import os

_NARROWEST = 11


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Lay help out as `argparse` does.

    That one loads `shutil` to learn the width of the terminal, whenever an argument is added.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=max(_columns() - 2, _NARROWEST))


def _columns() -> int:
    """Return the width of the terminal, as `shutil.get_terminal_size` does."""
    said = os.environ.get("COLUMNS", "")  # noqa: TID251 - of the terminal, no setting
    if said.isdecimal() and int(said):
        return int(said)
    try:
        return os.get_terminal_size(1).columns or 80
    except OSError:  # it is no terminal
        return 80
