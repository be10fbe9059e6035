"""`holdfast trace`: where the time went, what went wrong, what it cost."""

from __future__ import annotations

import argparse

from holdfast.cli.verbs import configure_verbs, run_verb

VERBS = {
    "list": "list traces, the newest first",
    "show": "show a trace: what went wrong, where the time went, what it cost, the waterfall",
    "tail": "print spans as they end, and what is open, until interrupted",
    "top": "where time goes: percentiles of all spans by name",
    "errors": "what went wrong, grouped by fingerprint, the most frequent first",
    "cost": "what model calls cost: by model, workflow, user, day, ...",
    "reprice": "count the costs of kept traces anew, after prices or rates have changed",
    "compare": "compare two traces or two releases; for gates in CI",
    "sql": "ask the traces in SQL",
    "export": "write traces for other viewers: Perfetto, speedscope, OTLP, Parquet",
    "import": "bring in spans from a file of OTLP",
    "pin": "keep a trace whatever its age",
    "unpin": "let a trace go with its age",
    "forget": "remove traces, for instance all of a user",
    "sweep": "remove what is older or more than the settings keep, now",
    "state": "say how much is kept, and what was lost",
}
_MODULES = {
    "listing": ("list",),
    "showing": ("show",),
    "tailing": ("tail",),
    "counting": ("top", "errors", "cost"),
    "repricing": ("reprice",),
    "comparing": ("compare",),
    "asking": ("sql",),
    "exporting": ("export",),
    "importing": ("import",),
    "keeping": ("pin", "unpin", "forget", "sweep", "state"),
}
_PLACES = {verb: f"{__name__}.{module}" for module, verbs in _MODULES.items() for verb in verbs}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs that may be meant, and their arguments."""
    configure_verbs(parser, VERBS, _PLACES, "")


run = run_verb
