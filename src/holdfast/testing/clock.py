"""Turn time by hand."""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush
from itertools import count

_TURNS = 20
"""Turns of the event loop that a woken task gets to go on and to sleep again."""


class ManualClock:
    """A clock that stands still until a test advances it.

    `sleep` returns when the test has advanced the clock far enough::

        clock = ManualClock()
        task = asyncio.create_task(clock.sleep(60))
        await clock.until_sleeping(1)
        clock.advance(60)
        await task

    Reading it is safe in any thread; sleeping and advancing belong to one event loop.
    """

    def __init__(self, start_ms: int = 1_700_000_000_000) -> None:
        self._start_ns = start_ms * 1_000_000
        self._now_ns = self._start_ns
        self._order = count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._watchers: list[tuple[int, asyncio.Future[None]]] = []

    def now_ms(self) -> int:
        return self._now_ns // 1_000_000

    def monotonic_ns(self) -> int:
        return self._now_ns - self._start_ns

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await _turn()
            return
        awake = asyncio.get_running_loop().create_future()
        due = self._now_ns + round(seconds * 1e9)
        heappush(self._sleepers, (due, next(self._order), awake))
        self._tell_watchers()
        await awake

    def advance(self, seconds: float) -> None:
        """Move the time on and wake all who are due, the earliest first.

        Who sleeps again when woken counts from the new time; see `run` for the alternative.
        """
        self._now_ns += round(seconds * 1e9)
        while self._sleepers and self._sleepers[0][0] <= self._now_ns:
            self._wake_next()

    async def run(self, seconds: float) -> None:
        """Move the time on in steps, so that who sleeps again within `seconds` is woken again."""
        end = self._now_ns + round(seconds * 1e9)
        await _turns()
        while self._sleepers and self._sleepers[0][0] <= end:
            self._now_ns = max(self._now_ns, self._sleepers[0][0])
            self._wake_next()
            await _turns()
        self._now_ns = end

    @property
    def sleeping(self) -> int:
        """The number of tasks that sleep now."""
        return sum(not awake.done() for _, _, awake in self._sleepers)

    async def until_sleeping(self, number: int = 1) -> None:
        """Return as soon as at least `number` tasks sleep."""
        if self.sleeping < number:
            watcher = asyncio.get_running_loop().create_future()
            self._watchers.append((number, watcher))
            await watcher

    def _wake_next(self) -> None:
        _, _, awake = heappop(self._sleepers)
        # A cancelled sleeper leaves its future behind.
        if not awake.done():
            awake.set_result(None)

    def _tell_watchers(self) -> None:
        sleeping = self.sleeping
        for number, watcher in self._watchers:
            if number <= sleeping and not watcher.done():
                watcher.set_result(None)
        self._watchers = [each for each in self._watchers if not each[1].done()]


async def _turn() -> None:
    """Let every task that is ready run once."""
    loop = asyncio.get_running_loop()
    turned = loop.create_future()
    loop.call_soon(_finish, turned)
    await turned


async def _turns() -> None:
    for _ in range(_TURNS):
        await _turn()


def _finish(turned: asyncio.Future[None]) -> None:
    if not turned.done():
        turned.set_result(None)
