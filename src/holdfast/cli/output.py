"""Print: text for people, one JSON document for programs, errors with what to do next."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from holdfast.errors import HoldfastError


class Output:
    """Where a command prints. Results go to standard output, everything else to standard error."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.run_id: str | None = None

    def line(self, text: str = "") -> None:
        """Print a line of the result, unless JSON is wanted."""
        if not self.as_json:
            sys.stdout.write(safe(text) + "\n")

    def note(self, text: str) -> None:
        """Print a line beside the result, unless JSON is wanted."""
        if not self.as_json:
            sys.stderr.write(safe(text) + "\n")

    def data(self, value: object) -> None:
        """Print the JSON document, if JSON is wanted."""
        if self.as_json:
            json.dump(value, sys.stdout, ensure_ascii=False, indent=2)
            sys.stdout.write("\n")

    def error(self, error: HoldfastError) -> None:
        """Print what went wrong and what to do next."""
        members = {"type": type(error).__name__, "message": error.message, "hint": error.hint}
        self._error(members)

    def unexpected(self, error: Exception) -> None:
        """Print an error that is a fault of Holdfast."""
        self._error(
            {
                "type": type(error).__name__,
                "message": f"unexpected {type(error).__name__}: {error}",
                "hint": "this is a fault in Holdfast; run it again with --debug and report it",
            }
        )

    def interrupted(self) -> None:
        """Say that nothing is lost."""
        message, hint = "interrupted", ""
        if self.run_id is not None:
            hint = f"finished steps are kept; go on with: holdfast resume {self.run_id[:8]}"
        self._error({"type": "Interrupted", "message": message, "hint": hint, "id": self.run_id})

    def _error(self, members: Mapping[str, str | None]) -> None:
        if self.as_json:
            self.data({"error": members})
            return
        sys.stdout.flush()
        sys.stderr.write(safe(f"error: {members['message']}") + "\n")
        if members["hint"]:
            sys.stderr.write(safe(f"  {members['hint']}") + "\n")


def safe(text: str) -> str:
    """Return text that cannot drive the terminal: control characters are made visible."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in "\n\t" else f"\\x{ord(char):02x}" for char in text
    )


def seconds(milliseconds: float) -> str:
    """Return a length of time as people say it."""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    minutes, rest = divmod(round(milliseconds / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def moment(milliseconds: int) -> str:
    """Return an instant in local time."""
    return (
        datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    )


def iso(milliseconds: int | None) -> str | None:
    """Return an instant in ISO 8601, UTC."""
    if milliseconds is None:
        return None
    stamp = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """Return rows as lines with aligned columns; the first row is the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
