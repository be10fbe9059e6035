"""`holdfast wallet`: ecash in the project, and the nodes that are paid with it."""

from __future__ import annotations

import argparse

from holdfast.cli.verbs import configure_verbs, run_verb

VERBS = {
    "balance": "show what the wallet holds, by mint",
    "invoice": "get a Lightning invoice, wait until it is paid, and take the coins",
    "receive": "take the coins of a token",
    "send": "make a token of coins: whoever has it has the money",
    "reclaim": "take back a token that nobody took",
    "topup": "hand money over to a node, to pay for requests there",
    "refund": "take back what a node has of yours",
    "nodes": "list nodes that others told of; none is paid before you accept it",
    "accept": "make a node a provider that may be paid, or no longer",
    "history": "list what was done, the newest first",
    "check": "finish what a crash left behind, and compare every coin with what its mint says",
}
_MODULES = {
    "holding": ("balance", "history"),
    "filling": ("invoice", "receive"),
    "giving": ("send", "reclaim"),
    "prepaying": ("topup", "refund"),
    "finding": ("nodes", "accept"),
    "checking": ("check",),
}
_PLACES = {verb: f"{__name__}.{module}" for module, verbs in _MODULES.items() for verb in verbs}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs that may be meant, and their arguments."""
    configure_verbs(parser, VERBS, _PLACES, "")


run = run_verb
