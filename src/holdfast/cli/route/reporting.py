"""`holdfast route stats` and `requests`: what was asked, who served it, what it cost."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from holdfast.cli.output import Output, count, moment, seconds
from holdfast.cli.route.opening import NOTHING_YET, look_into_ledger
from holdfast.cli.settings import settings_of
from holdfast.cli.tables import print_table
from holdfast.cli.times import read_time
from holdfast.clock import SystemClock
from holdfast.errors import UsageError
from holdfast.frozen import members_of
from holdfast.routing.cost import format_msat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.routing.ledger.ledger import Ledger
    from holdfast.routing.ledger.reports import Filters, Logged, Page, Sums

_HOURS_MS = 3_600_000
_GROUPS = (
    "model", "tier", "asked-tier", "provider", "policy", "owner", "key", "class", "outcome", "day",
)  # fmt: skip
_SORTS = {"time": "at", "cost": "cost", "latency": "latency", "tokens": "tokens"}
_SPARE_OF_SUMS = ("ON AVERAGE", "OUT", "IN", "REFUSED", "FAILED", "UNKNOWN", "REQUESTS")
_SPARE_OF_REQUESTS = ("TOOK", "WHEN", "COST")
_NAMES = ("model", "provider", "owner", "policy", "tier")


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    for name in _NAMES:
        parser.add_argument(f"--{name}", metavar="NAME", help=f"only of this {name}")
    parser.add_argument("--since", metavar="TIME", help="asked then or later: 2h, 3d, ISO 8601")
    parser.add_argument("--until", metavar="TIME", help="asked before: 2h, 3d, ISO 8601")
    if verb == "stats":
        parser.add_argument("--by", choices=_GROUPS, default="model", help="what to sum by")
        parser.add_argument(
            "--hours", type=float, default=168, help="how far back without --since (default 168)"
        )
        parser.set_defaults(verb_action=_stats)
    else:
        parser.add_argument("--page", type=int, default=1, metavar="N", help="which page")
        parser.add_argument(
            "--per-page", "--limit", type=int, default=20, metavar="N", help="at most 100"
        )
        parser.add_argument("--run", dest="run_id", metavar="ID", help="only of this run")
        parser.add_argument("--key", metavar="ID", help="only of this key")
        parser.add_argument(
            "--outcome", metavar="WORD", help="only with it: ok, refused, timeout, ..."
        )
        parser.add_argument("--failed", action="store_true", help="only those that failed")
        parser.add_argument("--streamed", action="store_true", help="only those that were streamed")
        parser.add_argument(
            "--sort", choices=tuple(_SORTS), default="time", help="what to order by"
        )
        parser.add_argument("--ascending", action="store_true", help="the least first")
        parser.set_defaults(verb_action=_requests)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Show sums or requests."""
    code: int = arguments.verb_action(arguments, output)
    return code


def _stats(arguments: argparse.Namespace, output: Output) -> int:
    filters = _filters(arguments, round(arguments.hours * _HOURS_MS))
    by: Any = arguments.by.replace("-", "_")

    async def ask(ledger: Ledger) -> tuple[str, list[Sums]]:
        return ledger.currency, [*await ledger.stats(filters, group_by=by)]

    found = look_into_ledger(settings_of(arguments, output), ask)
    currency, groups = found or ("", [])
    output.data(
        {
            "by": arguments.by,
            "currency": currency or None,
            "groups": [_record(each) for each in groups],
        }
    )
    if groups:
        _print_sums(arguments.by, groups, currency, output)
    else:
        output.line(NOTHING_YET if found is None else "no requests in this time")
    return 0


def _requests(arguments: argparse.Namespace, output: Output) -> int:
    filters = _filters(arguments, None)
    order: Any = "asc" if arguments.ascending else "desc"
    sort: Any = _SORTS[arguments.sort]

    async def ask(ledger: Ledger) -> tuple[str, Page]:
        page, size = arguments.page, arguments.per_page
        found = await ledger.requests(page, size, sort=sort, order=order, filters=filters)
        return ledger.currency, found

    found = look_into_ledger(settings_of(arguments, output), ask)
    if found is None:
        output.data({"page": arguments.page, "total": 0, "currency": None, "requests": []})
        output.line(NOTHING_YET)
        return 0
    currency, page = found
    output.data(
        {
            "page": page.page,
            "total": page.total,
            "currency": currency or None,
            "requests": [_record(each) for each in page.requests],
        }
    )
    if page.requests:
        _print_requests(page.requests, currency, output)
    output.line(f"page {page.page}: {len(page.requests)} of {page.total} requests")
    return 0


def _filters(arguments: argparse.Namespace, back_ms: int | None) -> Filters:
    """Return which requests are meant; without another beginning those of the last `back_ms`.

    Raises:
        UsageError: a time is none, or the end is before the beginning.
    """
    from holdfast.routing.ledger.reports import Filters  # noqa: PLC0415

    now_ms = SystemClock().now_ms()
    since_ms, until_ms = (read_time(each, now_ms) for each in (arguments.since, arguments.until))
    if since_ms is None and back_ms is not None:
        since_ms = (until_ms or now_ms) - back_ms
    if since_ms is not None and until_ms is not None and since_ms >= until_ms:
        raise UsageError("--until is not after --since", hint="no request can be in that time")
    if arguments.verb == "stats":
        only: dict[str, Any] = {}
    else:
        only = {
            "run_id": arguments.run_id,
            "key_id": arguments.key,
            "outcome": arguments.outcome,
            "success": False if arguments.failed else None,
            "stream": True if arguments.streamed else None,
        }
    named = {name: getattr(arguments, name) for name in _NAMES}
    return Filters(since_ms=since_ms, until_ms=until_ms, **named, **only)


def _print_sums(by: str, groups: Sequence[Sums], currency: str, output: Output) -> None:
    rows = [
        (by.upper(), "REQUESTS", "FAILED", "REFUSED", "IN", "OUT", "COST", "UNKNOWN", "ON AVERAGE")
    ]
    rows += [
        (
            each.group or "(none)",
            f"{each.requests:,}",
            f"{each.failed:,}",
            f"{each.refused:,}",
            f"{each.input_tokens:,}",
            f"{each.output_tokens:,}",
            _money(each.debit_msat, each.micros, currency),
            count(each.unknown_requests, "request") if each.unknown_requests else "",
            "" if each.mean_latency_ms is None else seconds(each.mean_latency_ms),
        )
        for each in groups
    ]
    print_table(rows, output, elastic=0, spare=_SPARE_OF_SUMS)
    if any(each.unknown_requests for each in groups):
        output.note("the cost of some requests is unknown, and not in the sums")


def _print_requests(requests: Sequence[Logged], currency: str, output: Output) -> None:
    rows = [("ID", "WHEN", "OUTCOME", "COST", "TOOK", "MODEL")]
    rows += [
        (
            each.id[:8],
            moment(each.at_ms),
            each.outcome or each.state,
            _money(each.charged_msat, each.micros, currency),
            "" if each.latency_ms is None else seconds(each.latency_ms),
            _served(each),
        )
        for each in requests
    ]
    print_table(rows, output, elastic=5, spare=_SPARE_OF_REQUESTS)


def _served(each: Logged) -> str:
    """Return who served a request, or why nobody was asked."""
    served = f"{each.provider}/{each.model}" if each.provider else each.asked_model
    return f"{served}: {each.message}" if each.outcome == "refused" else served


def _money(msat: int | None, micros: int | None, currency: str) -> str:
    """Return an amount in sats and, where there is a rate, in the currency beside it."""
    if msat is None or micros is None:
        return format_msat(msat)
    return f"{format_msat(msat)} ({micros / 1e6:.4f} {currency})"


def _record(record: object) -> dict[str, object]:
    members = (member.name for member in members_of(type(record)))
    values = {name: getattr(record, name) for name in members if name != "attempts"}
    return {name: _record(value) if name == "usage" else value for name, value in values.items()}
