"""`holdfast resume`: go on with a run that was interrupted, or with all of them."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.app.runtime import Runtime, open_runtime
from holdfast.cli.driving import drive
from holdfast.cli.options import add_quiet, add_use
from holdfast.cli.output import Output
from holdfast.cli.progress import progress_display
from holdfast.cli.report import exit_code, headline, print_open_ends, report, run_data
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
    several = arguments.id is None
    with progress_display(output, quiet=arguments.quiet, of_several=several) as observer:
        opening = open_runtime(settings, observer=observer, make=False)
        if arguments.id is not None:
            history = asyncio.run(drive(opening, lambda runtime: _one(runtime, arguments, output)))
            return report(history, output)
        resumed = asyncio.run(drive(opening, lambda runtime: _all(runtime, arguments)))
    return _report_all(resumed, output)


@dataclass(frozen=True, slots=True)
class _Resumed:
    """How a run stands, and why it was not gone on with if it was not."""

    history: History
    refusal: HoldfastError | None = None


async def _one(runtime: Runtime, arguments: argparse.Namespace, output: Output) -> History:
    run_id = await runtime.engine.find(arguments.id)
    output.run_id = run_id
    await runtime.resume_workflow(run_id, use=arguments.use)
    return await runtime.engine.settle(run_id)


async def _all(runtime: Runtime, arguments: argparse.Namespace) -> Sequence[_Resumed]:
    refusals: dict[str, HoldfastError | None] = {}
    for run_id in await runtime.engine.orphans():
        try:
            await runtime.resume_workflow(run_id, use=arguments.use)
            refusals[run_id] = None
        except HoldfastError as error:
            if (await runtime.engine.history(run_id)).ended_at is not None:
                await runtime.engine.heal(run_id)  # a crash kept it among those that are open
            else:
                refusals[run_id] = error
    return [
        _Resumed(await runtime.engine.settle(run_id), refusal)
        for run_id, refusal in refusals.items()
    ]


def _report_all(resumed: Sequence[_Resumed], output: Output) -> int:
    output.data([_data(each) for each in resumed])
    for each in resumed:
        if each.refusal is None:
            output.line(headline(each.history))
            print_open_ends(each.history, output)
        else:
            output.note(f"{each.history.birth.id[:8]} is left alone: {each.refusal.message}")
            if each.refusal.hint:
                output.note(f"  {each.refusal.hint}")
    if not resumed:
        output.line("there is no interrupted run")
    refusals = [each.refusal.exit_code for each in resumed if each.refusal is not None]
    return max(refusals or [exit_code(each.history) for each in resumed], default=0)


def _data(resumed: _Resumed) -> dict[str, object]:
    error = resumed.refusal
    refusal = error and {"type": type(error).__name__, "message": error.message, "hint": error.hint}
    return {**run_data(resumed.history), "left_alone": refusal}
