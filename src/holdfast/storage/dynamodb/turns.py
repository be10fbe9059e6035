"""Let the tasks of this process do one after the other what only one can do at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary


class Turns:
    """A lock for each name, kept as long as somebody holds or awaits it.

    Correctness never depends on it, as other processes have no part in it. But tasks that append
    to one log, or claim from one queue, at the same time would only refuse one another: of so many
    requests one would win, and all others would come back.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, names: Iterable[str]) -> AsyncGenerator[None]:
        """Have the turn of all these names for the length of the block."""
        async with AsyncExitStack() as stack:
            for name in sorted(names):
                lock = self._locks.setdefault(name, asyncio.Lock())
                await stack.enter_async_context(lock)
            yield
