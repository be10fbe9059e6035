"""`holdfast wallet check`: put in order what a crash left behind, and see that all adds up."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from holdfast.cli.output import Output
from holdfast.cli.settings import settings_of
from holdfast.cli.wallet.opening import with_wallet

if TYPE_CHECKING:
    from holdfast.routing.ecash.checking import Checked
    from holdfast.routing.ecash.wallet import Wallet


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """There is nothing to say but the verb."""


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Check the wallet."""

    async def work(wallet: Wallet) -> Checked:
        from holdfast.routing.ecash.checking import check  # noqa: PLC0415 - needs an extra

        return await check(wallet)

    checked = with_wallet(settings_of(arguments, output), work)
    output.data({"done": list(checked.done), "problems": list(checked.problems)})
    for each in checked.done:
        output.line(each)
    for each in checked.problems:
        output.line(f"problem: {each}")
    if not checked.done and not checked.problems:
        output.line("everything adds up")
    return 5 if checked.problems else 0
