"""Hear of changes from the server, and tell those who watch.

The scripts publish every change. What is published while the connection is down is lost: so
everybody who watches is told to look when it breaks, and again when it is back.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

from holdfast.errors import HoldfastError
from holdfast.storage.keys import encode_prefix
from holdfast.storage.redis.address import Address
from holdfast.storage.redis.driver import LINK_ERRORS
from holdfast.storage.redis.driver import exceptions as driver
from holdfast.storage.redis.errors import cannot_reach, not_open
from holdfast.storage.redis.link import Link, Reply
from holdfast.storage.seam import Changes, Key
from holdfast.storage.watchers import Watchers

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0

_FAILURES = (driver.ResponseError, *LINK_ERRORS)


class Feed:
    """The subscriptions of one store, on a connection of their own.

    It connects for the first watcher. `channel` is what the names of all channels begin with.
    """

    def __init__(self, link: Link, address: Address, channel: bytes) -> None:
        self._link = link
        self._address = address
        self._channel = channel
        self._watchers = Watchers(str(address))
        self._patterns: Counter[bytes] = Counter()
        # Who waits for each confirmation that is due, in the order in which the server sends them.
        self._due: deque[list[asyncio.Future[None]]] = deque()
        # Who waits for the attempt to connect that is under way, and who for the next one.
        self._trying: list[asyncio.Future[None]] = []
        self._newcomers: list[asyncio.Future[None]] = []
        self._live = False
        self._missed = False
        self._nudge = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watching(self, prefix: Key) -> AsyncGenerator[Changes]:
        """Give a watcher once the server knows of it."""
        pattern = _pattern(self._channel + encode_prefix(prefix))
        with self._watchers.watching(prefix) as watcher:
            self._patterns[pattern] += 1
            try:
                await self._subscribe(pattern)
                yield watcher
            finally:
                await self._leave(pattern)

    async def close(self) -> None:
        """End the connection; whoever watches sees that the store is closed."""
        self._live = False
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._link.close()
        self._trying += self._newcomers
        self._fail(lambda: not_open(self._address))
        self._watchers.close()

    async def _subscribe(self, pattern: bytes) -> None:
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._live:
            self._due.append([confirmed])
            # A failure ends the connection, which fails whoever waits.
            with suppress(*_FAILURES):
                await self._link.send([(b"PSUBSCRIBE", pattern)])
        else:
            self._newcomers.append(confirmed)
            self._nudge.set()
            if self._task is None:
                self._task = asyncio.create_task(self._run(), name="holdfast-redis-feed")
        await confirmed

    async def _leave(self, pattern: bytes) -> None:
        self._patterns[pattern] -= 1
        if self._patterns[pattern]:
            return
        del self._patterns[pattern]
        if self._live:
            with suppress(*_FAILURES):
                await self._link.send([(b"PUNSUBSCRIBE", pattern)])

    async def _run(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._connect()
                pause = _FIRST_PAUSE_SECONDS
                while True:
                    self._take(await self._link.receive())
            except _FAILURES as error:
                await self._break(error)
            # Not the injected clock: it may stand still, and the server comes back regardless.
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._nudge.wait()
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _connect(self) -> None:
        self._nudge.clear()
        self._trying, self._newcomers = self._newcomers, []
        await self._link.connect()
        # From here to the command there is no await: nobody can join in between unnoticed.
        self._live = True
        joined = self._trying + self._newcomers
        self._trying, self._newcomers = [], []
        patterns = tuple(self._patterns)
        if patterns:
            self._due.extend([] for _ in patterns[1:])
            self._due.append(joined)
            await self._link.send([(b"PSUBSCRIBE", *patterns)])

    def _take(self, reply: Reply) -> None:
        if isinstance(reply, driver.ResponseError):
            raise reply
        if reply[0] == b"pmessage":
            self._watchers.tell([reply[2][len(self._channel) :]])
        elif reply[0] == b"psubscribe":
            for confirmed in self._due.popleft():
                if not confirmed.done():
                    confirmed.set_result(None)
            if self._missed and not self._due:
                self._missed = False
                self._watchers.tell_all()

    async def _break(self, error: Exception) -> None:
        await self._link.drop()
        if self._live:
            self._live, self._missed = False, True
            self._watchers.tell_all()
        self._fail(lambda: cannot_reach(error, self._address))

    def _fail(self, make: Callable[[], HoldfastError]) -> None:
        """Fail everybody who waited for this connection, each with an exception of its own."""
        for confirmed in (*self._trying, *(each for due in self._due for each in due)):
            if not confirmed.done():
                confirmed.set_exception(make())
        self._due.clear()
        self._trying.clear()


def _pattern(name: bytes) -> bytes:
    """Return the glob that matches what begins with `name`."""
    return re.sub(rb"([\\*?\[\]])", rb"\\\1", name) + b"*"
