"""Wait for the disk without stopping the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def on_thread(action: Callable[[], T]) -> T:
    """Run `action` in a thread and return its result.

    A cancelled caller waits for the end of the action all the same: what it holds (a lock, a
    claimed file) is then in a known state.
    """
    running = asyncio.get_running_loop().run_in_executor(None, action)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        if running.done() and not running.cancelled():
            running.exception()  # nobody else will ask for it
        raise
