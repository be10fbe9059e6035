"""`holdfast wallet topup` and `refund`: money to a node, and back."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from holdfast.app.services import open_ledger
from holdfast.app.wallets import node_named, node_with_money, prepaying_of
from holdfast.cli.output import Output
from holdfast.cli.settings import settings_of
from holdfast.cli.wallet.opening import sats_of, told, with_wallet
from holdfast.routing.cost import format_msat

if TYPE_CHECKING:
    from holdfast.routing.config import ProviderConfig
    from holdfast.routing.ecash.nodes import Balance
    from holdfast.routing.ecash.records import Operation
    from holdfast.routing.ecash.wallet import Wallet
    from holdfast.settings import Settings


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("node", metavar="NODE", help="its name: a provider of the kind routstr")
    if verb == "topup":
        parser.add_argument(
            "amount", metavar="SATS", nargs="?", help="how much (default: its topup_sats)"
        )
        return
    parser.add_argument(
        "--give-up",
        action="store_true",
        help="count as lost what it has, if it does not know the key of the balance any more",
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Move money to a node, or back."""
    try:
        return _move(arguments, output)
    except KeyboardInterrupt:
        output.suggest("nothing is lost; what was on its way is finished by: ", "wallet", "check")
        raise


def _move(arguments: argparse.Namespace, output: Output) -> int:
    settings = settings_of(arguments, output)
    if arguments.verb == "topup":
        node = node_named(settings, arguments.node)
        amount = sats_of(arguments.amount) if arguments.amount else None
        return _top_up(settings, node, amount, output)
    node = node_with_money(settings, arguments.node)
    return _refund(settings, node, output, give_up=arguments.give_up)


def _top_up(settings: Settings, node: ProviderConfig, amount: int | None, output: Output) -> int:
    async def work(wallet: Wallet) -> Balance:
        async with open_ledger(settings) as ledger:
            return await prepaying_of(wallet, node, ledger).top_up(amount)

    balance = with_wallet(settings, work)
    output.data({"node": node.name, "balance_msat": balance.msat})
    output.line(f"node {node.name} has {format_msat(balance.msat)} of yours now")
    return 0


def _refund(settings: Settings, node: ProviderConfig, output: Output, *, give_up: bool) -> int:
    async def work(wallet: Wallet) -> tuple[Operation, int]:
        async with open_ledger(settings) as ledger:
            balance = prepaying_of(wallet, node, ledger)
            operation = await (balance.give_up() if give_up else balance.refund())
        return operation, wallet.store.fees_of(operation.id)

    operation, fee_msat = with_wallet(settings, work)
    output.data({**told(operation), "fee_msat": fee_msat})
    if give_up:
        output.line(f"{operation.amount} sat at node {node.name} are lost")
        output.suggest("let it be asked again at once: ", "route", "circuit", node.name, "auto")
        return 0
    output.line(f"{operation.amount} sat are back (the mint took {fee_msat // 1000} sat)")
    return 0
