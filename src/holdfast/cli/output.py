"""Print: text for people, one JSON document for programs, errors with what to do next."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from datetime import UTC, datetime
from typing import TextIO

from holdfast.errors import HoldfastError


@contextmanager
def result_stream() -> Generator[TextIO]:
    """Give standard output to the command alone.

    What anybody else prints meanwhile, a Python node or a program that it starts, goes to standard
    error, so that it cannot spoil a result or a JSON document.
    """
    real = sys.stdout
    try:
        real.flush()
        number, kept = real.fileno(), os.dup(real.fileno())
        os.dup2(sys.stderr.fileno(), number)
    except (AttributeError, OSError, ValueError):  # closed, or not a file
        with redirect_stdout(sys.stderr):
            yield real
        return
    stream = os.fdopen(os.dup(kept), "w", encoding=real.encoding, errors=real.errors)
    try:
        with redirect_stdout(sys.stderr):
            yield stream
    finally:
        with suppress(OSError):  # whoever read it is gone; that was told before
            stream.close()
        os.dup2(kept, number)
        os.close(kept)


class Output:
    """Where a command prints. Results go to standard output, everything else to standard error.

    `store` is the address that was given on the command line: commands that are suggested repeat
    it. `keeps_runs` is false for a store that is gone with the process, which leaves nothing to
    suggest.
    """

    def __init__(
        self, *, as_json: bool, stream: TextIO | None = None, store: str | None = None
    ) -> None:
        self.as_json = as_json
        self.run_id: str | None = None
        self.keeps_runs = True
        self._store = store
        self._stream = stream or sys.stdout
        self._is_lost = False

    def line(self, text: str = "") -> None:
        """Print a line of the result, unless JSON is wanted."""
        if not self.as_json:
            self.raw(safe(text) + "\n")

    def raw(self, text: str) -> None:
        """Print text for programs, as it is and whatever else is wanted."""
        with self._writing():
            self._stream.write(text)

    def note(self, text: str) -> None:
        """Print a line beside the result, unless JSON is wanted."""
        if not self.as_json:
            self.flush()  # the two may end in one place, and then the order counts
            sys.stderr.write(safe(text) + "\n")

    def data(self, value: object) -> None:
        """Print the JSON document, if JSON is wanted."""
        if self.as_json:
            self.document(value)

    def document(self, value: object) -> None:
        """Print a JSON document."""
        with self._writing():
            json.dump(value, self._stream, ensure_ascii=False, indent=2)
            self._stream.write("\n")

    def command(self, *words: str) -> str:
        """Return a command of Holdfast as it must be typed to reach the same store."""
        import shlex  # noqa: PLC0415 - only where something is suggested

        store = ["--store", self._store] if self._store else []
        return shlex.join(["holdfast", *words, *store])

    def suggest(self, before: str, *words: str) -> None:
        """Note what could be typed next, unless there is nothing left that it could reach."""
        if self.keeps_runs:
            self.note(f"{before}{self.command(*words)}")

    def flush(self) -> None:
        """Hand over what was printed so far.

        Raises:
            HoldfastError: there is no room for it where it goes.
        """
        with self._writing():
            self._stream.flush()

    @contextmanager
    def _writing(self) -> Generator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            self._is_lost = True
            raise HoldfastError(
                f"the output cannot be written: {error.strerror}",
                hint="only what was to be printed is lost; print it again where there is room",
            ) from error

    def width(self) -> int:
        """Return how many characters a line of the result may have."""
        import shutil  # noqa: PLC0415 - only `show` needs it

        try:
            return os.get_terminal_size(self._stream.fileno()).columns
        except (OSError, ValueError):
            return shutil.get_terminal_size((100, 24)).columns

    def room(self) -> int | None:
        """Return how many characters a line has room for, None if no person reads it as it comes."""
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or None
        except (OSError, ValueError):
            return None

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
        if self.run_id is not None and self.keeps_runs:
            again = self.command("resume", self.run_id[:8])
            hint = f"finished steps are kept; go on with: {again}"
        self._error({"type": "Interrupted", "message": message, "hint": hint, "id": self.run_id})

    def _error(self, members: Mapping[str, str | None]) -> None:
        if self.as_json and not self._is_lost:
            self.data({"error": members})
            return
        if not self._is_lost:
            self.flush()
        sys.stderr.write(safe(f"error: {members['message']}\n"))
        if members["hint"]:
            sys.stderr.write(safe(f"  {members['hint']}\n"))


def safe(text: str) -> str:
    """Return text that cannot drive the terminal: control characters are made visible."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in "\n\t" else _escaped(char) for char in text
    )


def _escaped(char: str) -> str:
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def count(number: int, noun: str) -> str:
    """Return a number of things as people say it: `1 step`, `2 steps`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


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
