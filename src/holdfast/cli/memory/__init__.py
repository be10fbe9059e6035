"""`holdfast memory`: what agents and people should remember."""

from __future__ import annotations

import argparse

from holdfast.cli.verbs import configure_verbs, run_verb

VERBS = {
    "write": "remember something",
    "read": "print what is remembered under a key, or the entry with an id",
    "list": "list entries, the newest first",
    "search": "find entries by their words, the best first",
    "history": "show what happened to an entry, to what it replaced and to what replaced it",
    "supersede": "put a new entry in the place of one; the old one stays in the history",
    "forget": "end an entry; a tombstone and its history stay",
    "prime": "print the best entries within a budget of characters, and name all others",
    "as-of": "show what was believed at a time",
    "export": "print all entries with their history as lines of JSON",
    "import": "take in what was exported; doing it again changes nothing",
    "repair": "make records, files and the search index anew from the histories",
}
_MODULES = {
    "writing": ("write", "supersede", "forget"),
    "looking": ("read", "list", "search", "history", "prime", "as-of"),
    "keeping": ("export", "import", "repair"),
}
_PLACES = {verb: f"{__name__}.{module}" for module, verbs in _MODULES.items() for verb in verbs}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs that may be meant, and their arguments."""
    configure_verbs(parser, VERBS, _PLACES, "")


run = run_verb
