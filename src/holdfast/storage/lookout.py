"""Look for what other processes commit, as long as somebody watches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from holdfast.clock import Clock
from holdfast.errors import StorageError
from holdfast.storage.watchers import Watchers

_INTERVAL_SECONDS = 0.05


class Lookout:
    """One task an event loop that looks at intervals while a watch is kept there."""

    def __init__(
        self, look: Callable[[], Awaitable[None]], watchers: Watchers, clock: Clock
    ) -> None:
        self.look = look
        self._watchers = watchers
        self._clock = clock
        self._tasks: dict[asyncio.AbstractEventLoop, asyncio.Task[None]] = {}
        self._kept: dict[asyncio.AbstractEventLoop, int] = {}

    @asynccontextmanager
    async def kept(self) -> AsyncGenerator[None]:
        """Look on until the last context of this event loop ends."""
        loop = asyncio.get_running_loop()
        self._kept[loop] = self._kept.get(loop, 0) + 1
        if self._kept[loop] == 1:
            self._tasks[loop] = loop.create_task(self._look_on())
        try:
            yield
        finally:
            self._kept[loop] -= 1
            if self._kept[loop] == 0:
                del self._kept[loop]
                await _end(self._tasks.pop(loop))

    async def _look_on(self) -> None:
        while True:
            await self._clock.sleep(_INTERVAL_SECONDS)
            try:
                await self.look()
            except StorageError:
                # The watchers look at the store themselves, and get an error of their own.
                self._watchers.tell_all()


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    # Not by awaiting it: a caller who is cancelled now could not be told from the task.
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()
