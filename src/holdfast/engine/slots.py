"""Let at most so many steps run at once."""

from __future__ import annotations

import asyncio
from collections import deque


class Slots:
    """Places for a number of holders; who finds none is served in the order of coming.

    `asyncio.Semaphore` does the same, but costs a coroutine also where a place is free: every step
    takes one.
    """

    __slots__ = ("_free", "_waiting")

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take(self) -> bool:
        """Take a place if one is free, and return whether it is taken."""
        if self._free:
            self._free -= 1
            return True
        return False

    async def wait(self) -> None:
        """Return when a place is taken."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was given to one who does not want it any more
                self.release()
            raise

    def release(self) -> None:
        """Hand the place to whoever has waited longest, or set it free."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
