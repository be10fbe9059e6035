"""`holdfast resume`: go on with a run that was interrupted, or with all of them."""

from __future__ import annotations

import argparse
import asyncio

from holdfast.app import Runtime, open_runtime
from holdfast.cli.driving import drive
from holdfast.cli.options import add_quiet, add_use
from holdfast.cli.output import Output
from holdfast.cli.progress import progress_display
from holdfast.cli.report import exit_code, headline, report, run_data
from holdfast.cli.settings import settings_of
from holdfast.engine.history import History
from holdfast.errors import HoldfastError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "id", metavar="ID", nargs="?",
        help="the run's id, or a unique beginning of it; without it, every interrupted run",
    )  # fmt: skip
    add_use(parser)
    add_quiet(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Go on with the run until it ends or waits for an answer."""
    settings = settings_of(arguments, output)
    with progress_display(output, quiet=arguments.quiet) as observer:
        opening = open_runtime(settings, observer=observer)
        if arguments.id is not None:
            history = asyncio.run(drive(opening, lambda runtime: _one(runtime, arguments, output)))
            return report(history, output)
        histories = asyncio.run(drive(opening, lambda runtime: _all(runtime, arguments, output)))
    output.data([run_data(history) for history in histories])
    for history in histories:
        output.line(headline(history))
    if not histories:
        output.line("there is no interrupted run")
    return max(map(exit_code, histories), default=0)


async def _one(runtime: Runtime, arguments: argparse.Namespace, output: Output) -> History:
    run_id = await runtime.engine.find(arguments.id)
    output.run_id = run_id
    await runtime.resume_workflow(run_id, use=arguments.use)
    return await runtime.engine.settle(run_id)


async def _all(runtime: Runtime, arguments: argparse.Namespace, output: Output) -> list[History]:
    resumed: list[str] = []
    for run_id in await runtime.engine.orphans():
        try:
            await runtime.resume_workflow(run_id, use=arguments.use)
            resumed.append(run_id)
        except HoldfastError as error:
            output.note(f"{run_id[:8]} is left alone: {error.message}")
    return [await runtime.engine.settle(run_id) for run_id in resumed]
