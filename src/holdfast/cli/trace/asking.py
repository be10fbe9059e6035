"""`holdfast trace sql`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from holdfast.cli.options import add_limit, check_limit
from holdfast.cli.output import Output
from holdfast.cli.tables import COMFORTABLE, GAP, print_table, shortened
from holdfast.cli.trace.desk import traces_of
from holdfast.errors import UsageError
from holdfast.tracing.exports.plain import plain_value

_LONGEST = 60


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    del verb
    parser.add_argument(
        "sql", metavar="QUERY",
        help="one SELECT over the views traces, spans, calls, errors and names; `-` reads it from "
        "standard input",
    )  # fmt: skip
    add_limit(parser, 1000)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print the rows."""
    limit = check_limit(arguments)
    sql = sys.stdin.read() if arguments.sql == "-" else arguments.sql
    with traces_of(arguments, output) as traces:
        ask = getattr(traces, "ask", None)
        if ask is None:
            raise UsageError(
                "this store of traces cannot be asked in SQL",
                hint="ask its database itself, or `holdfast trace export parquet`",
            )
        columns, rows = ask(sql, limit=limit + 1)
    _print(columns, rows[:limit], output)
    if len(rows) > limit:
        output.note("there are more rows: --limit N shows them")
    return 0


def _print(columns: Sequence[str], rows: Sequence[Sequence[object]], output: Output) -> None:
    if output.as_json:
        named = [dict(zip(columns, map(_plain, row), strict=True)) for row in rows]
        output.data({"columns": list(columns), "rows": named})
        return
    cells = [tuple(_shown(value) for value in row) for row in rows]
    table = [tuple(columns), *cells]
    widths = [max(len(row[column]) for row in table) for column in range(len(columns))]
    elastic = _elastic(widths, output.room())
    others = [*columns[:elastic], *columns[elastic + 1 :]]
    print_table(table, output, elastic=elastic, spare=others[::-1])


def _elastic(widths: Sequence[int], room: int | None) -> int:
    """Return the widest of as many columns, from the first on, as have room once it is shortened."""
    for kept in range(len(widths), 1, -1):
        widest = max(range(kept), key=widths.__getitem__)
        shortest = min(widths[widest], COMFORTABLE)
        if room is None or sum(widths[:kept]) - widths[widest] + shortest + GAP * kept <= room:
            return widest
    return 0


def _plain(value: object) -> object:
    return plain_value(value) if isinstance(value, bytes | float) else value


def _shown(value: object) -> str:
    return shortened("" if value is None else str(_plain(value)).replace("\n", " "), _LONGEST)
