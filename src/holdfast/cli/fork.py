"""`holdfast fork`: start a new run with what another has finished."""

from __future__ import annotations

import argparse
import asyncio

from holdfast.app.runtime import Runtime, open_runtime
from holdfast.cli.driving import drive
from holdfast.cli.options import add_quiet, add_run_id, add_use
from holdfast.cli.output import Output
from holdfast.cli.progress import progress_display
from holdfast.cli.report import report
from holdfast.cli.settings import settings_of
from holdfast.engine.history import History


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_run_id(parser)
    parser.add_argument(
        "--from", dest="node", metavar="NODE", help="do this node and everything behind it anew"
    )
    add_use(parser)
    add_quiet(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Run the fork until it ends or waits for an answer."""
    settings = settings_of(arguments, output)

    async def work(runtime: Runtime) -> History:
        source = await runtime.engine.find(arguments.id)
        run_id = await runtime.fork_workflow(source, node=arguments.node, use=arguments.use)
        output.run_id = run_id
        output.note(f"run {run_id}")
        return await runtime.engine.settle(run_id)

    with progress_display(output, quiet=arguments.quiet) as observer:
        history = asyncio.run(drive(open_runtime(settings, observer=observer, make=False), work))
    return report(history, output)
