"""`holdfast wallet balance` and `history`: what there is, and how it came to be."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from holdfast.cli.output import Output, moment, table
from holdfast.cli.settings import settings_of
from holdfast.cli.wallet.opening import told, with_wallet
from holdfast.routing.cost import format_msat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdfast.routing.ecash.records import Operation
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

        _show_history(with_wallet(settings, read), output)
        return 0

    async def look(wallet: Wallet) -> dict[str, Any]:
        return _balance(wallet)

    _show_balance(with_wallet(settings, look), output)
    return 0


def _balance(wallet: Wallet) -> dict[str, Any]:
    from holdfast.routing.ecash.records import State  # noqa: PLC0415 - needs an extra

    holdings = {(each.mint, each.state): each.amount for each in wallet.store.holdings()}
    urls = dict.fromkeys((*wallet.mints, *(mint for mint, _ in holdings)))
    mints = [
        {
            "mint": url,
            "sats": holdings.get((url, State.OURS), 0),
            "held_sats": holdings.get((url, State.HELD), 0),
        }
        for url in urls
    ]
    accounts = wallet.store.accounts()
    return {
        "sats": sum(holdings.get((url, State.OURS), 0) for url in urls),
        "mints": mints,
        "nodes": _nodes(accounts),
        "accounts_msat": dict(accounts),
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
    for line in table(rows):
        output.line(line)
