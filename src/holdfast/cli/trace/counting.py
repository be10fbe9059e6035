"""`holdfast trace top`, `errors` and `cost`: sums over many traces."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from holdfast.cli.options import add_limit, check_limit
from holdfast.cli.output import Output, count
from holdfast.cli.tables import print_sentence, print_table, shortened
from holdfast.cli.trace.desk import traces_of
from holdfast.cli.trace.parts import add_query, query_of
from holdfast.cli.trace.printing import SHORT, began, iso_ns, money, took
from holdfast.clock import SystemClock
from holdfast.tracing.store.seam import CostRow, ErrorGroup, NameStatistics

_KEYS = ("model", "provider", "workflow", "name", "user", "day", "trace")
_SPARE_OF_TOP = ("P99", "P50", "ERRORS", "COUNT", "P95")
_SPARE_OF_COST = ("WRITTEN", "REASONING", "CACHED", "UNKNOWN", "CALLS", "OUT", "IN")
_BELOW = 9


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a verb."""
    add_limit(parser, 20)
    if verb == "top":
        parser.add_argument(
            "--exact", action="store_true", help="count each span, do not estimate within 1 %%"
        )
    if verb == "cost":
        parser.add_argument(
            "--by", choices=_KEYS, default="model", help="a line for each (default model)"
        )
    add_query(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print what was asked for."""
    check_limit(arguments)
    {"top": _top, "errors": _errors, "cost": _cost}[arguments.verb](arguments, output)
    return 0


def _top(arguments: argparse.Namespace, output: Output) -> None:
    query = query_of(arguments, SystemClock().now_ms())
    with traces_of(arguments, output) as traces:
        found = traces.statistics(query, exact=arguments.exact, limit=arguments.limit)
    output.data({"names": [_name_data(each) for each in found]})
    if not found:
        output.line("no such spans")
        return
    rows: list[tuple[str, ...]] = [("NAME", "COUNT", "ERRORS", "P50", "P95", "P99", "TOTAL")]
    rows += [
        (
            shortened(each.name, 48), f"{each.count:,}", str(each.errors or ""), took(each.p50_ns),
            took(each.p95_ns), took(each.p99_ns), took(each.total_ns),
        )
        for each in found
    ]  # fmt: skip
    print_table(rows, output, elastic=0, spare=_SPARE_OF_TOP)
    if not found[0].exact:
        output.note("percentiles are estimates within 1 %; --exact counts each span")


def _name_data(each: NameStatistics) -> dict[str, object]:
    return {
        "name": each.name,
        "count": each.count,
        "errors": each.errors,
        "total_ms": each.total_ns / 1e6,
        "p50_ms": each.p50_ns / 1e6,
        "p95_ms": each.p95_ns / 1e6,
        "p99_ms": each.p99_ns / 1e6,
        "exact": each.exact,
    }


def _errors(arguments: argparse.Namespace, output: Output) -> None:
    query = query_of(arguments, SystemClock().now_ms())
    with traces_of(arguments, output) as traces:
        groups = traces.errors(query, limit=arguments.limit)
    output.data({"errors": [_group_data(each) for each in groups]})
    if not groups:
        output.line("no errors")
    for each in groups:
        _print_group(each, output)


def _print_group(group: ErrorGroup, output: Output) -> None:
    kind = f"{group.kind}: " if group.kind and not group.message.startswith(group.kind) else ""
    burned = "" if group.cost_msat is None else f", these traces cost {money(group.cost_msat)}"
    shown = " ".join(each[:SHORT] for each in group.traces)
    below = " " * _BELOW
    when = f"{began(group.first_ns)} to {began(group.last_ns)}"
    for line in (
        f"{group.count:>5} x  [{group.error_class}] {kind}{_first_line(group.message)}",
        f"{below}in {count(group.traces_count, 'trace')}, {when}{burned}",
        f"{below}{group.fingerprint}  e.g. {shown}",
    ):
        print_sentence(line, output, indent=_BELOW)


def _first_line(text: str) -> str:
    return text.partition("\n")[0][:160]


def _group_data(group: ErrorGroup) -> dict[str, object]:
    return {
        "fingerprint": group.fingerprint,
        "class": group.error_class,
        "type": group.kind,
        "message": group.message,
        "count": group.count,
        "traces_count": group.traces_count,
        "first_at": iso_ns(group.first_ns),
        "last_at": iso_ns(group.last_ns),
        "traces": list(group.traces),
        "cost_msat": group.cost_msat,
    }


def _cost(arguments: argparse.Namespace, output: Output) -> None:
    query = query_of(arguments, SystemClock().now_ms())
    with traces_of(arguments, output) as traces:
        found = traces.costs(arguments.by, query, limit=arguments.limit)
    output.data({"by": arguments.by, "costs": [_cost_data(each) for each in found]})
    if not found:
        output.line("no model was called")
        return
    _print_costs(arguments.by, found, output)


def _print_costs(by: str, found: Sequence[CostRow], output: Output) -> None:
    rows: list[tuple[str, ...]] = [
        (by.upper(), "CALLS", "IN", "CACHED", "WRITTEN", "OUT", "REASONING", "COST", "UNKNOWN")
    ]
    rows += [
        (
            shortened(each.key, 48), str(each.calls), f"{each.input:,}", f"{each.cache_read:,}",
            f"{each.cache_write:,}", f"{each.output:,}", f"{each.reasoning:,}",
            _cost_said(each),
            count(each.unknown, "call") if each.unknown else "",
        )
        for each in found
    ]  # fmt: skip
    print_table(rows, output, elastic=0, spare=_SPARE_OF_COST)
    if any(each.unknown for each in found):
        output.note(
            "the cost of some calls is unknown and not in the sums: give prices in [prices]"
        )


def _cost_said(row: CostRow) -> str:
    if row.unknown == row.calls:
        return "unknown"  # a sum of nothing is no 0
    return money(row.cost_msat, row.cost_micros or None, row.currency)


def _cost_data(row: CostRow) -> dict[str, object]:
    return {
        "key": row.key,
        "calls": row.calls,
        "unknown": row.unknown,
        "cost_msat": row.cost_msat,
        "cost_micros": row.cost_micros,
        "currency": row.currency,
        "input_tokens": row.input,
        "cache_read_tokens": row.cache_read,
        "cache_write_tokens": row.cache_write,
        "output_tokens": row.output,
        "reasoning_tokens": row.reasoning,
    }
