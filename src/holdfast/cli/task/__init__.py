"""`holdfast task`: what is to be done, by whom, and what became of it."""

from __future__ import annotations

import argparse

from holdfast.cli.verbs import configure_verbs, run_verb

VERBS = {
    "create": "write down something to be done",
    "list": "list tasks and runs, the newest first",
    "ready": "list what can be begun, the most urgent first",
    "show": "show all about a task",
    "start": "begin with a task",
    "progress": "say how far the work has come",
    "update": "change what a task says about itself",
    "complete": "end a task with a result",
    "fail": "end a task with an error",
    "cancel": "call a task off",
    "block": "say what keeps a task from going on",
    "unblock": "say that it may go on, or answer what it asks",
    "answer": "answer what a task asks",
    "depend": "let a task depend on another one",
    "undepend": "let it not depend on that one any more",
    "claim": "take a task over for a while, for instance the next one",
    "renew": "keep a claimed task longer",
    "release": "let go of a claimed task",
    "note": "write something down in the history of a task",
    "set": "set or delete variables of a task",
    "search": "find tasks by their words, also those that ended",
    "history": "show what happened to a task",
    "stats": "count the tasks",
    "resume": "say what was in progress, what was decided and what is next",
    "export": "write tasks for another tracker, or for another project",
    "import": "bring in tasks from another tracker, or from another project",
    "faces": "write a readable file for each open task, and take in what was edited in them",
    "repair": "make records and indexes anew from the histories",
    "watch": "print a task whenever it changes, until it has ended",
}
_MODULES = {
    "creating": ("create",),
    "listing": ("list", "ready"),
    "showing": ("show", "history"),
    "working": ("start", "progress", "block", "unblock", "answer"),
    "ending": ("complete", "fail", "cancel"),
    "editing": ("update", "note", "set"),
    "linking": ("depend", "undepend"),
    "holding": ("claim", "renew", "release"),
    "facing": ("faces",),
    "searching": ("search",),
    "counting": ("stats",),
    "exchanging": ("export", "import"),
    "keeping": ("repair", "watch", "resume"),
}
_PLACES = {verb: f"{__name__}.{module}" for module, verbs in _MODULES.items() for verb in verbs}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs that may be meant, and their arguments."""
    configure_verbs(parser, VERBS, _PLACES, "whose tasks")


run = run_verb
