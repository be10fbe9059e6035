"""Wait for the disk without stopping the event loop."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from types import ModuleType

T = TypeVar("T")


async def on_thread(action: Callable[[], T]) -> T:
    """Run `action` in a thread and return its result.

    A cancelled caller waits for the end of the action all the same: what it holds (a lock, a
    claimed file) is then in a known state. Where no event loop runs, nobody else would have to wait:
    there the action runs in this thread.
    """
    asyncio = _loaded_asyncio()
    if asyncio is None:
        return action()
    running = asyncio.get_running_loop().run_in_executor(None, action)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        if running.done() and not running.cancelled():
            running.exception()  # nobody else will ask for it
        raise


def new_turn() -> AbstractAsyncContextManager[object]:
    """Return what lets the tasks of an event loop through one by one; for now, if none runs."""
    asyncio = _loaded_asyncio()
    return nullcontext() if asyncio is None else asyncio.Lock()


def _loaded_asyncio() -> ModuleType | None:
    """Return `asyncio` if an event loop runs here: then somebody has loaded it."""
    asyncio = sys.modules.get("asyncio")
    # Not `get_running_loop`, whose error would have to be made and thrown away.
    return asyncio if asyncio and asyncio._get_running_loop() else None  # noqa: SLF001
