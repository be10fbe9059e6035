"""Load the settings for a command."""

from __future__ import annotations

import argparse
from pathlib import Path

from holdfast.cli.output import Output
from holdfast.settings import Settings, load_settings


def settings_of(arguments: argparse.Namespace, output: Output) -> Settings:
    """Return the settings of the folder that the command runs in, warnings printed."""
    overrides = {"store": arguments.store} if arguments.store else {}
    settings = load_settings(Path.cwd(), **overrides)
    output.keeps_runs = not settings.store.startswith("memory:")
    for warning in settings.warnings:
        output.note(f"warning: {warning}")
    return settings
