"""`holdfast session`: named pieces of work that anybody can take up again."""

from __future__ import annotations

import argparse
from importlib import import_module

from holdfast.cli.output import Output
from holdfast.cli.verbs import add_verbs

VERBS = {
    "start": "start a session, and make it the current one",
    "switch": "make another open session the current one",
    "note": "write something down",
    "decide": "write down what was decided, why, and what else was weighed",
    "scope": "say what belongs to the work and what does not, or show how that changed",
    "context": "set values that who goes on should know, and files that were worked on",
    "end": "bring a session to an end, and name what is left open",
    "list": "list sessions, the newest first",
    "show": "show all about a session",
    "resume": "say what was in progress, what was decided and what is next",
    "repair": "make the records of sessions anew from their histories",
}
_MODULES = {
    "beginning": ("start", "switch", "end"),
    "writing": ("note", "decide", "scope", "context"),
    "showing": ("list", "show"),
    "resuming": ("resume",),
    "keeping": ("repair",),
}
_PLACES = {verb: f"{__name__}.{module}" for module, verbs in _MODULES.items() for verb in verbs}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs that may be meant, and their arguments."""
    for verb, made in add_verbs(parser, VERBS):
        group = made.add_argument_group("whose sessions, and who does it")
        group.add_argument("--owner", default="local", help="whose they are (default local)")
        group.add_argument("--by", metavar="NAME", help="who does it (default: your user name)")
        module = import_module(_PLACES[verb])
        module.configure(verb, made)
        made.set_defaults(act=module.run)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Do what was asked for."""
    code: int = arguments.act(arguments, output)
    return code
