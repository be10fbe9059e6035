"""`holdfast wallet invoice` and `receive`: put money into the wallet."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from holdfast.cli.output import Output
from holdfast.cli.settings import settings_of
from holdfast.cli.wallet.opening import sats_of, told, with_wallet
from holdfast.errors import UsageError

if TYPE_CHECKING:
    from holdfast.routing.ecash.records import Operation
    from holdfast.routing.ecash.wallet import Wallet
    from holdfast.settings import Settings

_PAUSES = (0.2, 0.5, 1.0, 2.0)
_MOST_TOKEN = 1_000_000


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    if verb == "receive":
        parser.add_argument(
            "token", metavar="TOKEN", nargs="?", default="-",
            help="the token; left out or -, it is read from standard input, which no history keeps",
        )  # fmt: skip
        return
    parser.add_argument("amount", metavar="SATS", help="how much")
    parser.add_argument("--mint", metavar="URL", help="the mint (default: the first of [wallet])")
    parser.add_argument(
        "--no-wait", action="store_true", help="print the invoice and end; `check` takes the coins"
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Fill the wallet."""
    settings = settings_of(arguments, output)
    if arguments.verb == "receive":
        return _receive(settings, _token(arguments.token), output)
    amount, wait = sats_of(arguments.amount), not arguments.no_wait

    async def work(wallet: Wallet) -> Operation:
        asked = await wallet.invoice(amount, arguments.mint)
        if wait:
            output.note(f"pay this invoice: {asked.invoice}")
            output.note("waiting for the payment; Ctrl-C loses nothing: `check` takes the coins")
            return await _paid(wallet, asked)
        return asked

    operation = with_wallet(settings, work)
    output.data({**told(operation), "invoice": operation.invoice})
    if not wait:
        output.line(operation.invoice)
    else:
        output.line(f"{operation.amount} sat came in: operation {operation.id}")
    return 0 if operation.phase in ("done", "awaiting") else 5


def _receive(settings: Settings, token: str, output: Output) -> int:
    async def work(wallet: Wallet) -> tuple[Operation, int]:
        operation = await wallet.receive(token)
        return operation, wallet.store.fees_of(operation.id)

    operation, fee_msat = with_wallet(settings, work)
    output.data({**told(operation), "fee_msat": fee_msat})
    left = operation.amount - fee_msat // 1000
    output.line(f"{left} sat came in (the mint took {fee_msat // 1000} sat)")
    return 0


def _token(given: str) -> str:
    if given != "-":
        return given
    if sys.stdin.isatty():
        sys.stderr.write("paste the token, then Enter and Ctrl-D:\n")
    text = sys.stdin.read(_MOST_TOKEN + 1).strip()
    if not text:
        raise UsageError("there is no token", hint="give it as an argument or on standard input")
    return text


async def _paid(wallet: Wallet, asked: Operation) -> Operation:
    """Return the operation once it has its coins, or never will."""
    pauses = iter(_PAUSES)
    pause = 0.0
    while (now := await wallet.claim(asked.id)).phase == "awaiting":
        pause = next(pauses, pause)
        await wallet.clock.sleep(pause)
    if now.phase != "done":
        raise UsageError(f"the invoice brought nothing: {now.message}", hint="get another one")
    return now
