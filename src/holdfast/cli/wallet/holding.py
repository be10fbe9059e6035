"""`holdfast wallet balance` and `history`: what there is, and how it came to be."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from holdfast.cli.output import Output, moment
from holdfast.cli.settings import settings_of
from holdfast.cli.tables import print_table
from holdfast.cli.wallet.opening import look_into_wallet, told
from holdfast.routing.cost import format_msat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdfast.routing.ecash.records import Operation
    from holdfast.routing.ecash.store import Holding
    from holdfast.routing.ecash.wallet import Wallet

_USUAL = 20


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    if verb == "history":
        parser.add_argument(
            "--limit", type=int, default=_USUAL, help=f"how many (default {_USUAL})"
        )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Show coins, or operations; no mint is asked."""
    settings = settings_of(arguments, output)
    if arguments.verb == "history":
        limit = max(1, arguments.limit)

        async def read(wallet: Wallet) -> Sequence[Operation]:
            return wallet.store.newest_operations(limit)

        _show_history(look_into_wallet(settings, read) or (), output)
        return 0

    async def look(wallet: Wallet) -> dict[str, Any]:
        accounts = dict(wallet.store.accounts())
        return _balance(wallet.mints, wallet.store.holdings(), accounts)

    mints = settings.wallet.mints if settings.wallet else ()
    found = look_into_wallet(settings, look)
    _show_balance(found or _balance(mints, (), {}), output)
    if found is None and mints:
        output.suggest("there is no wallet yet; make one with: ", "wallet", "invoice", "SATS")
    return 0


def _balance(
    known: Sequence[str], holding: Sequence[Holding], accounts: Mapping[str, int]
) -> dict[str, Any]:
    from holdfast.routing.ecash.records import State  # noqa: PLC0415 - needs an extra

    holdings = {(each.mint, each.state): each.amount for each in holding}
    urls = dict.fromkeys((*known, *(mint for mint, _ in holdings)))
    mints = [
        {
            "mint": url,
            "sats": holdings.get((url, State.OURS), 0),
            "held_sats": holdings.get((url, State.HELD), 0),
        }
        for url in urls
    ]
    return {
        "sats": sum(holdings.get((url, State.OURS), 0) for url in urls),
        "mints": mints,
        "nodes": _nodes(accounts),
        "accounts_msat": accounts,
    }


def _nodes(accounts: Mapping[str, int]) -> list[dict[str, Any]]:
    names = sorted({each.partition(":")[2] for each in accounts} - {""})
    parts = ("node", "transit", "spent", "fees", "lost")
    return [
        {"node": name} | {f"{part}_msat": accounts.get(f"{part}:{name}", 0) for part in parts}
        for name in names
    ]


def _show_balance(balance: dict[str, Any], output: Output) -> None:
    output.data(balance)
    output.line(f"{balance['sats']} sat")
    for row in balance["mints"]:
        held = f" and {row['held_sats']} on their way" if row["held_sats"] else ""
        output.line(f"  {row['sats']} sat{held} at {row['mint']}")
    for row in balance["nodes"]:
        has, spent, lost = (format_msat(row[f"{each}_msat"]) for each in ("node", "spent", "lost"))
        transit = f", {format_msat(row['transit_msat'])} on its way" if row["transit_msat"] else ""
        gone = f", {lost} lost" if row["lost_msat"] else ""
        output.line(f"  {has} at node {row['node']}{transit}; {spent} spent there{gone}")
    if not balance["mints"]:
        output.note('there is no mint yet: write mints = ["https://..."] below [wallet]')


def _show_history(operations: Sequence[Operation], output: Output) -> None:
    output.data({"operations": [told(each) for each in operations]})
    if not operations:
        output.line("nothing was done yet")
        return
    rows = [("id", "when", "what", "sat", "how far", "")]
    for each in operations:
        where = f"node {each.node}" if each.node else each.message
        rows.append(
            (str(each.id), moment(each.at_ms), each.kind, str(each.amount), each.phase, where)
        )
    print_table(rows, output, elastic=5, spare=("when", "how far"))
