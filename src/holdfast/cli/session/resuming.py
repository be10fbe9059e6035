"""`holdfast session resume`."""

from __future__ import annotations

import argparse

from holdfast.cli.output import Output
from holdfast.cli.taking_up import configure_resume, run_resume


def configure(verb: str, parser: argparse.ArgumentParser) -> None:  # noqa: ARG001 - the only one
    """Add the arguments of the verb."""
    configure_resume(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print how the work stands."""
    return run_resume(arguments, output)
