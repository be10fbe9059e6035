"""`holdfast session repair`."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from holdfast.cli.output import Output, count
from holdfast.cli.session.desk import look
from holdfast.errors import StorageError


def configure(verb: str, parser: argparse.ArgumentParser) -> None:  # noqa: ARG001 - the only one
    """Add the arguments of the verb."""
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Mend the records, and say what was found."""
    dry_run = arguments.dry_run
    report = look(arguments, output, lambda desk: desk.sessions.repair(dry_run=dry_run))
    output.data({**asdict(report), "is_clean": report.is_clean})
    verb = "would be made anew" if arguments.dry_run else "made anew"
    if report.rewritten:
        output.line(f"{count(len(report.rewritten), 'record')} {verb}")
    for session_id, why in report.damaged.items():
        output.line(f"damaged: {session_id}: {why}")
    for session_id, numbers in report.altered.items():
        output.line(f"altered: {session_id}: the entries {', '.join(map(str, numbers))}")
    if report.is_clean:
        output.line(f"{count(report.sessions, 'session')}: nothing to mend")
    return StorageError.exit_code if report.damaged or report.altered else 0
