"""`holdfast route`: how model calls are led, and what they came to."""

from __future__ import annotations

import argparse

from holdfast.cli.verbs import configure_verbs, run_verb

VERBS = {
    "check": "check providers, keys, prices and policies; no model is asked",
    "explain": "show every candidate for a request, its expected cost, or why it is not asked",
    "providers": "show providers, their models, prices and circuits",
    "trust": "give a provider that charged more than it quoted another chance",
    "circuit": "leave an endpoint alone, or keep asking it, whatever happens; or let it decide",
    "stats": "what requests came to: number, tokens, cost, latency, by model, provider, ...",
    "requests": "list requests, the newest first",
    "quality": "show which cheaper models are shown good enough, or forget what is known of one",
    "feedback": "say whether an answer was good or bad: it counts for and against its model",
    "replay": "say what logged requests would have cost under another policy or strategy",
}
_MODULES = {
    "checking": ("check",),
    "explaining": ("explain",),
    "listing": ("providers",),
    "trusting": ("trust",),
    "forcing": ("circuit",),
    "reporting": ("stats", "requests"),
    "judging": ("feedback", "quality"),
    "replaying": ("replay",),
}
_PLACES = {verb: f"{__name__}.{module}" for module, verbs in _MODULES.items() for verb in verbs}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs that may be meant, and their arguments."""
    configure_verbs(parser, VERBS, _PLACES, "")


run = run_verb
