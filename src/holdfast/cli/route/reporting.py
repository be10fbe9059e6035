"""`holdfast route stats` and `requests`: what was asked, who served it, what it cost."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from holdfast.cli.output import Output, moment
from holdfast.cli.route.opening import with_ledger
from holdfast.cli.settings import settings_of
from holdfast.clock import SystemClock
from holdfast.frozen import members_of
from holdfast.routing.cost import format_msat

if TYPE_CHECKING:
    from holdfast.routing.ledger.reports import Logged, Sums

_HOURS_MS = 3_600_000
_GROUPS = ("model", "tier", "provider", "policy", "owner", "day")


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    if verb == "stats":
        parser.add_argument("--by", choices=_GROUPS, default="model", help="what to sum by")
        parser.add_argument("--hours", type=float, default=168, help="how far back (default 168)")
        parser.set_defaults(verb_action=_stats)
    else:
        parser.add_argument("--page", type=int, default=1, metavar="N", help="which page")
        parser.add_argument("--per-page", type=int, default=20, metavar="N", help="at most 100")
        parser.add_argument("--model", help="only of this model")
        parser.add_argument("--provider", help="only of this provider")
        parser.add_argument("--failed", action="store_true", help="only those that failed")
        parser.set_defaults(verb_action=_requests)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Show sums or requests."""
    code: int = arguments.verb_action(arguments, output)
    return code


def _stats(arguments: argparse.Namespace, output: Output) -> int:
    since_ms = SystemClock().now_ms() - round(arguments.hours * _HOURS_MS)
    groups = with_ledger(
        settings_of(arguments, output),
        lambda ledger: ledger.stats(since_ms, group_by=arguments.by),
    )
    output.data({"by": arguments.by, "groups": [_record(each) for each in groups]})
    for each in groups:
        output.line(f"{each.group or '(none)':32} {_sums(each)}")
    if not groups:
        output.line("no requests in this time")
    return 0


def _requests(arguments: argparse.Namespace, output: Output) -> int:
    from holdfast.routing.ledger.reports import Filters  # noqa: PLC0415

    filters = Filters(
        model=arguments.model,
        provider=arguments.provider,
        success=False if arguments.failed else None,
    )
    page = with_ledger(
        settings_of(arguments, output),
        lambda ledger: ledger.requests(arguments.page, arguments.per_page, filters=filters),
    )
    output.data(
        {
            "page": page.page,
            "total": page.total,
            "requests": [_record(each) for each in page.requests],
        }
    )
    for each in page.requests:
        output.line(_request(each))
    output.line(f"page {page.page}: {len(page.requests)} of {page.total} requests")
    return 0


def _sums(each: Sums) -> str:
    unknown = f", {each.unknown_requests} of unknown cost" if each.unknown_requests else ""
    failed = f", {each.failed} failed" if each.failed else ""
    latency = "" if each.mean_latency_ms is None else f", {each.mean_latency_ms:.0f} ms on average"
    return (
        f"{each.requests} request{'' if each.requests == 1 else 's'}{failed}, {each.input_tokens} tokens in, "
        f"{each.output_tokens} out, {format_msat(each.debit_msat)}{unknown}{latency}"
    )


def _request(each: Logged) -> str:
    served = f"{each.provider}/{each.model}" if each.provider else each.asked_model
    took = "" if each.latency_ms is None else f"{each.latency_ms} ms"
    return (
        f"{moment(each.at_ms)}  {each.id[:8]}  {each.outcome or each.state:10}  "
        f"{served:32}  {format_msat(each.charged_msat):>14}  {took}"
    )


def _record(record: object) -> dict[str, object]:
    members = (member.name for member in members_of(type(record)))
    values = {name: getattr(record, name) for name in members if name != "attempts"}
    return {name: _record(value) if name == "usage" else value for name, value in values.items()}
