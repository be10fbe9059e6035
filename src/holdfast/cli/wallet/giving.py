"""`holdfast wallet send` and `reclaim`: tokens for others, and those that nobody took."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from holdfast.cli.output import Output
from holdfast.cli.settings import settings_of
from holdfast.cli.wallet.opening import sats_of, told, with_wallet

if TYPE_CHECKING:
    from holdfast.routing.ecash.records import Operation
    from holdfast.routing.ecash.wallet import Wallet
    from holdfast.settings import Settings


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    if verb == "reclaim":
        parser.add_argument(
            "operation", metavar="ID", type=int, help="the number that `history` shows"
        )
        return
    parser.add_argument("amount", metavar="SATS", help="how much")
    parser.add_argument("--mint", metavar="URL", help="the mint (default: the first of [wallet])")
    parser.add_argument(
        "--with-fee", action="store_true",
        help="add what the receiver will be charged for taking it, so that SATS are left",
    )  # fmt: skip


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Hand over money, or take it back."""
    settings = settings_of(arguments, output)
    if arguments.verb == "reclaim":
        return _reclaim(settings, arguments.operation, output)
    amount = sats_of(arguments.amount)

    async def work(wallet: Wallet) -> Operation:
        return await wallet.send(amount, arguments.mint, receiver_fee=arguments.with_fee)

    operation = with_wallet(settings, work)
    output.data({**told(operation), "token": operation.token})
    output.line(operation.token)
    output.note(
        f"whoever has this token has {operation.amount} sat. If nobody takes it: "
        f"{output.command('wallet', 'reclaim', str(operation.id))}"
    )
    return 0


def _reclaim(settings: Settings, number: int, output: Output) -> int:
    async def work(wallet: Wallet) -> tuple[Operation, int]:
        operation = await wallet.take_back(number)
        return operation, wallet.store.fees_of(operation.id)

    operation, fee_msat = with_wallet(settings, work)
    output.data({**told(operation), "fee_msat": fee_msat})
    output.line(
        f"the token of {operation.amount} sat is back (the mint took {fee_msat // 1000} sat)"
    )
    return 0
