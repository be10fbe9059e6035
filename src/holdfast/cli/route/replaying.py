"""`holdfast route replay`: what logged requests would have cost under other rules."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from holdfast.cli.output import Output
from holdfast.cli.route.opening import with_dispatcher, with_ledger
from holdfast.cli.settings import settings_of
from holdfast.cli.tables import print_sentence, print_table
from holdfast.clock import SystemClock
from holdfast.frozen import members_of
from holdfast.routing.cost import format_msat

if TYPE_CHECKING:
    from holdfast.routing.dispatching.dispatcher import Dispatcher
    from holdfast.routing.dispatching.replaying import Replayed
    from holdfast.routing.ledger.ledger import Ledger
    from holdfast.routing.ledger.reports import Logged

_HOURS_MS = 3_600_000
_PAGE = 100


def configure(verb: str, parser: argparse.ArgumentParser) -> None:  # noqa: ARG001 - there is one
    """Add the arguments."""
    parser.add_argument("--hours", type=float, default=24, help="how far back (default 24)")
    parser.add_argument("--policy", metavar="NAME", help="under this policy of holdfast.toml")
    parser.add_argument(
        "--strategy", choices=("cheapest", "fastest", "balanced", "round_robin"),
        help="with this strategy",
    )  # fmt: skip
    parser.add_argument("--model", metavar="MODEL", help="as if this model had been asked for")
    parser.add_argument("--list", action="store_true", help="show each request")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Show what was paid and what would be."""
    from holdfast.routing.dispatching.replaying import Rules, replay  # noqa: PLC0415

    settings = settings_of(arguments, output)
    since_ms = SystemClock().now_ms() - round(arguments.hours * _HOURS_MS)
    logged = with_ledger(settings, lambda ledger: _all(ledger, since_ms))
    rules = Rules(policy=arguments.policy, strategy=arguments.strategy, model=arguments.model)

    def act(dispatcher: Dispatcher) -> Sequence[Replayed]:
        return replay(dispatcher.chooser.catalogue, dispatcher.config, logged, rules)

    found = with_dispatcher(settings, act)
    output.data({"rules": _record(rules), **_sums(found), "requests": [_record(r) for r in found]})
    if arguments.list and found:
        rows = [("ID", "WAS", "COST", "COST NOW", "NOW"), *map(_row, found)]
        print_table(rows, output, elastic=4, spare=("COST", "WAS"))
    print_sentence(_told(found), output, indent=6)
    return 0


async def _all(ledger: Ledger, since_ms: int) -> Sequence[Logged]:
    from holdfast.routing.ledger.reports import Filters  # noqa: PLC0415

    filters, number = Filters(since_ms=since_ms), 1
    requests: list[Logged] = []
    while True:
        page = await ledger.requests(number, _PAGE, order="asc", filters=filters)
        requests.extend(page.requests)
        if len(requests) >= page.total or not page.requests:
            return requests
        number += 1


def _sums(found: Sequence[Replayed]) -> dict[str, object]:
    """Return the sums over requests of which both costs are known."""
    both = [(e.was_msat, e.now_msat) for e in found if e.was_msat is not None]
    known = [(was, now) for was, now in both if now is not None]
    return {
        "count": len(found),
        "compared": len(known),
        "refused": sum(1 for each in found if each.refused),
        "moved": sum(1 for each in found if each.now and each.now != each.was),
        "was_msat": sum(was for was, _ in known),
        "now_msat": round(sum(now for _, now in known)),
    }


def _told(found: Sequence[Replayed]) -> str:
    sums = _sums(found)
    was, now = format_msat(int(str(sums["was_msat"]))), format_msat(int(str(sums["now_msat"])))
    return (
        f"{sums['compared']} of {sums['count']} requests compared: {was} as it was, {now} now; "
        f"{sums['moved']} would go elsewhere, {sums['refused']} to nobody"
    )


def _row(each: Replayed) -> tuple[str, ...]:
    cost = "" if each.now_msat is None else format_msat(round(each.now_msat))
    was = format_msat(each.was_msat)
    return each.request_id[:8], each.was, was, cost, each.refused or each.now


def _record(record: object) -> dict[str, object]:
    return {member.name: getattr(record, member.name) for member in members_of(type(record))}
