"""The formats by their names, and which of them a path has."""

from __future__ import annotations

from pathlib import Path

from holdfast.errors import UsageError
from holdfast.tasks.exchange.seam import Format

NAMES = ("holdfast", "taskwarrior", "beads", "backlog", "seed")


def format_named(name: str) -> Format:
    """Return a format by its name.

    Raises:
        UsageError: there is none of this name.
    """
    match name:
        case "holdfast":
            from holdfast.tasks.exchange.native import Native as Chosen  # noqa: PLC0415
        case "taskwarrior":
            from holdfast.tasks.exchange.taskwarrior import (  # noqa: PLC0415
                Taskwarrior as Chosen,
            )
        case "beads":
            from holdfast.tasks.exchange.beads import Beads as Chosen  # noqa: PLC0415
        case "backlog":
            from holdfast.tasks.exchange.backlog import Backlog as Chosen  # noqa: PLC0415
        case "seed":
            from holdfast.tasks.exchange.seed import Seed as Chosen  # noqa: PLC0415
        case _:
            raise UsageError(f"there is no format {name!r}", hint=f"known are {', '.join(NAMES)}")
    return Chosen()


def detect_format(path: Path) -> Format:
    """Return the format of a file or folder.

    Raises:
        UsageError: there is nothing at the path, or nothing that looks like one of the formats.
    """
    if not path.exists():
        raise UsageError(f"there is no {path}", hint="check the path")
    for name in NAMES:
        found = format_named(name)
        if found.detect(path):
            return found
    raise UsageError(
        f"{path} looks like none of {', '.join(NAMES)}",
        hint="name its format with --format; then what cannot be read is told line by line",
    )
