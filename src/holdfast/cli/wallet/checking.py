"""`holdfast wallet check`: put in order what a crash left behind, and see that all adds up."""

from __future__ import annotations

import argparse
import asyncio

from holdfast.app.paying import check_wallet
from holdfast.cli.output import Output
from holdfast.cli.settings import settings_of
from holdfast.cli.wallet.opening import has_wallet


def configure(verb: str, parser: argparse.ArgumentParser) -> None:
    """There is nothing to say but the verb."""


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Check the wallet."""
    settings = settings_of(arguments, output)
    if not has_wallet(settings):
        output.data({"done": [], "problems": []})
        output.line("there is no wallet yet, and nothing to check")
        return 0
    checked = asyncio.run(check_wallet(settings))
    output.data({"done": list(checked.done), "problems": list(checked.problems)})
    for each in checked.done:
        output.line(each)
    for each in checked.problems:
        output.line(f"problem: {each}")
    if not checked.done and not checked.problems:
        output.line("everything adds up")
    return 5 if checked.problems else 0
