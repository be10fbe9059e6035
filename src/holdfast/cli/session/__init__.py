"""`holdfast session`: named pieces of work that anybody can take up again."""

from __future__ import annotations

import argparse

from holdfast.cli.verbs import configure_verbs, run_verb

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
    configure_verbs(parser, VERBS, _PLACES, "whose sessions")


run = run_verb
