"""`holdfast trace list`."""

from __future__ import annotations

import argparse

from holdfast.cli.options import add_limit, check_limit
from holdfast.cli.output import Output
from holdfast.cli.tables import print_table, shortened
from holdfast.cli.trace.desk import traces_of
from holdfast.cli.trace.parts import add_query, query_of
from holdfast.cli.trace.printing import SHORT, began, cost_of, digest_data, tokens_of, took
from holdfast.clock import SystemClock
from holdfast.tracing.store.seam import Page

_SPARE = ("TOKENS", "SPANS", "COST", "BEGAN", "ERRORS", "TOOK")


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    del verb
    add_limit(parser, 20)
    parser.add_argument(
        "--order", choices=("newest", "slowest", "dearest"), default="newest",
        help="what comes first (default newest)",
    )  # fmt: skip
    parser.add_argument("--cursor", default="", help="go on where the last page ended")
    add_query(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print the traces."""
    limit = check_limit(arguments)
    query = query_of(arguments, SystemClock().now_ms())
    with traces_of(arguments, output) as traces:
        page = traces.traces(query, order=arguments.order, limit=limit, cursor=arguments.cursor)
    output.data(
        {"traces": [digest_data(each) for each in page.traces], "cursor": page.cursor or None}
    )
    _print(page, output)
    return 0


def _print(page: Page, output: Output) -> None:
    if not page.traces:
        output.line("no such traces; a run of a workflow leaves one")
        return
    rows: list[tuple[str, ...]] = [
        ("ID", "NAME", "STATUS", "BEGAN", "TOOK", "SPANS", "ERRORS", "TOKENS", "COST")
    ]
    rows += [
        (
            each.trace_id[:SHORT],
            shortened(each.name, 40),
            each.status,
            began(each.start_ns),
            took(each.duration_ns),
            str(each.spans),
            str(each.errors or ""),
            tokens_of(each.usage),
            cost_of(each),
        )
        for each in page.traces
    ]
    print_table(rows, output, elastic=1, spare=_SPARE)
    if page.cursor:
        output.note(f"there are more: --limit N, or --cursor {page.cursor}")
