"""Arguments that several commands share."""

from __future__ import annotations

import argparse

from holdfast.errors import UsageError


def add_run_id(parser: argparse.ArgumentParser) -> None:
    """Add the id of a run."""
    parser.add_argument("id", metavar="ID", help="the run's id, or a unique beginning of it")


def add_use(parser: argparse.ArgumentParser) -> None:
    """Add which workflow to go on with after an edit."""
    parser.add_argument(
        "--use",
        choices=["stored", "edited"],
        help="after an edit of the workflow file: the workflow as it was, or as it is now",
    )


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Add the wish for silence."""
    parser.add_argument("--quiet", "-q", action="store_true", help="show no progress")


def add_limit(parser: argparse.ArgumentParser, default: int) -> None:
    """Add how many to show."""
    parser.add_argument(
        "--limit", type=int, default=default, metavar="N", help=f"how many (default {default})"
    )


def check_limit(arguments: argparse.Namespace) -> int:
    """Return how many are wanted.

    Raises:
        UsageError: none are.
    """
    limit: int = arguments.limit
    if limit < 1:
        raise UsageError(f"--limit must be at least 1, not {limit}")
    return limit
