"""Arguments of `holdfast session`, and what they mean."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from holdfast.cli.task.parts import read_json, read_pairs


def add_many(parser: argparse.ArgumentParser, option: str, meaning: str, dest: str = "") -> None:
    """Add an option with a text that may be given several times."""
    parser.add_argument(
        option,
        dest=dest or option.strip("-").replace("-", "_"),
        action="append",
        default=[],
        metavar="TEXT",
        help=f"{meaning}; may be repeated",
    )


def add_scope(parser: argparse.ArgumentParser) -> None:
    """Add what belongs to the work, and what does not."""
    add_many(parser, "--in", "what belongs to the work", "includes")
    add_many(parser, "--out", "what does not", "excludes")


def read_values(words: Sequence[str]) -> dict[str, object]:
    """Return `NAME=VALUE` words: a value is JSON, or the text itself where it is none."""
    return {name: read_json(text) for name, text in read_pairs(words).items()}


def read_files(names: Sequence[str], root: Path) -> list[str]:
    """Return files as they are called from the root of the project, with `/` between the parts.

    What lies outside keeps its whole path.
    """
    found: list[str] = []
    for name in names:
        path = Path(os.path.normpath(Path.cwd() / name))
        inside = path.is_relative_to(root)
        found.append((path.relative_to(root) if inside else path).as_posix())
    return found
