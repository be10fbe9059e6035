"""Work on runs until done, and let go of them in good order when told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import TypeVar

from holdfast.app.runtime import Runtime

Result = TypeVar("Result")


async def drive(
    opening: AbstractAsyncContextManager[Runtime], work: Callable[[Runtime], Awaitable[Result]]
) -> Result:
    """Return what `work` returns; SIGTERM interrupts it as Ctrl-C does, and its runs are kept.

    Ctrl-C after that only ends what is still waited for, as all is done: checks of answers, for instance.
    """
    task = asyncio.current_task()
    assert task is not None
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        task.cancel()

    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError):  # Windows has no such signal
        loop.add_signal_handler(signal.SIGTERM, stop)
    done: list[Result] = []
    try:
        async with opening as runtime:
            done.append(await work(runtime))
    except asyncio.CancelledError:
        if stopped:
            raise KeyboardInterrupt from None
        if not done:
            raise
        task.uncancel()
    return done[0]
