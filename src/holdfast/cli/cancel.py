"""`holdfast cancel`: call a run off."""

from __future__ import annotations

import argparse
import asyncio

from holdfast.app.runtime import open_runtime
from holdfast.cli.options import add_run_id
from holdfast.cli.output import Output
from holdfast.cli.report import run_data
from holdfast.cli.settings import settings_of
from holdfast.clock import SystemClock
from holdfast.engine.history import History
from holdfast.settings import Settings
from holdfast.tasks.state import TaskState

PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.1


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_run_id(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Cancel the run and say how it stands."""
    settings = settings_of(arguments, output)
    history = asyncio.run(_cancel(settings, arguments.id))
    output.data(run_data(history))
    name = f"{history.birth.name} {history.birth.id[:8]}"
    if history.state is TaskState.CANCELLED:
        output.line(f"{name} is cancelled")
    else:
        output.line(f"{name}: its process was told to stop and has not done so yet")
    return 0


async def _cancel(settings: Settings, prefix: str) -> History:
    clock = SystemClock()
    async with open_runtime(settings, clock=clock, make=False) as runtime:
        run_id = await runtime.engine.find(prefix)
        history = await runtime.engine.cancel(run_id, by="cli")
        waited = 0.0
        while history.ended_at is None and waited < PATIENCE_SECONDS:
            await clock.sleep(_LOOK_SECONDS)
            waited += _LOOK_SECONDS
            history = await runtime.engine.history(run_id)
        return history
