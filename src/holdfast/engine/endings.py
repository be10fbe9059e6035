"""Say how a run ended, from how its program did. Pure but for looking at the task of the program."""

from __future__ import annotations

import asyncio

from holdfast.engine.active import Stop
from holdfast.errors import ProgramError, StepTimeout, describe_error
from holdfast.tasks.events import Cancelled, Completed, Event, Failed, Released

VIA = "engine"
"""From where what the engine does to a task is done."""


def ending_of(
    main: asyncio.Task[object], *, stop: Stop | None, exceeded: float | None, now: int
) -> Event:
    """Return the event that follows on a program that has ended.

    `stop` is why it was made to, `exceeded` the seconds that it was allowed if it took longer.
    """
    if stop is Stop.CANCEL:
        return Cancelled(via=VIA, at=now)
    if exceeded is not None:
        error = StepTimeout(
            f"the run worked longer than {exceeded:g} s", hint="raise the workflow's timeout"
        )
        return Failed(via=VIA, at=now, error=describe_error(error))
    if main.cancelled() and stop is not None:
        return Released(via=VIA, at=now)
    if main.cancelled():
        error = ProgramError("the program cancelled itself")
        return Failed(via=VIA, at=now, error=describe_error(error))
    if (failure := main.exception()) is not None:
        return Failed(via=VIA, at=now, error=describe_error(failure))
    return Completed(via=VIA, at=now, result=main.result())
