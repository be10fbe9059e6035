"""Fit tables and sentences into the width of a terminal. What is no terminal gets all of them."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.cli.output import Output, table

Rows = Sequence[tuple[str, ...]]

GAP = 2
COMFORTABLE, _LEAST = 20, 6


def print_table(
    rows: Rows, output: Output, *, elastic: int, spare: Sequence[str], indent: int = 0
) -> None:
    """Print rows, of which the first is the heading, as far as the terminal is wide.

    The column `elastic` is shortened; those named in `spare` are left out, the first one first, and
    the reader is told which.
    """
    room = output.room()
    fitting, left_out = fit(rows, room and room - indent, elastic=elastic, spare=spare)
    for line in table(fitting):
        output.line(" " * indent + line)
    if left_out:
        output.note(f"no room for {', '.join(left_out)}: widen the terminal, or --json")


def print_sentence(text: str, output: Output, *, indent: int = 0) -> None:
    """Print a line that goes on below, indented, where the terminal ends."""
    room = output.room()
    if room is None or len(text) <= room:
        output.line(text)
        return
    from textwrap import wrap  # noqa: PLC0415 - few lines are so long

    hanging = " " * min(indent, room // 3)
    for line in wrap(text, max(room, COMFORTABLE), subsequent_indent=hanging, drop_whitespace=True):
        output.line(line)


def fit(
    rows: Rows, room: int | None, *, elastic: int, spare: Sequence[str]
) -> tuple[list[tuple[str, ...]], Sequence[str]]:
    """Return the rows that fit into `room` characters, and the headings of what was left out. Pure."""
    if room is None:
        return list(rows), ()
    kept = list(range(len(rows[0])))
    widths = [max(len(row[column]) for row in rows) for column in kept]
    left_out: list[str] = []

    def free() -> int:
        return room - sum(widths[column] + GAP for column in kept if column != elastic)

    while len(left_out) < len(spare) and free() < min(widths[elastic], COMFORTABLE):
        heading = spare[len(left_out)]
        kept.remove(next(each for each in kept if each != elastic and rows[0][each] == heading))
        left_out.append(heading)
    width = max(free(), _LEAST)
    return [
        tuple(
            shortened(row[column], width) if column == elastic else row[column] for column in kept
        )
        for row in rows
    ], left_out


def shortened(text: str, width: int) -> str:
    """Return a text of at most `width` characters; what was cut shows as an ellipsis."""
    return text if len(text) <= width else f"{text[: width - 1]}…"
