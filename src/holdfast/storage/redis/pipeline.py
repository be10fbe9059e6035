"""Serve the requests of many tasks over one connection, a group at a time.

Everything that has come in while a group was under way makes the next group, and the server
syncs its log once for all that reaches it together: with `appendfsync always` this is group
commit. The tasks wait on futures and never touch the connection, so cancelling one of them cannot
leave another one's answer on it (the off-by-one of redis-py issues 2624 and 2665).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from holdfast.errors import HoldfastError
from holdfast.storage.redis.address import Address
from holdfast.storage.redis.driver import LINK_ERRORS
from holdfast.storage.redis.driver import exceptions as driver
from holdfast.storage.redis.errors import broken, cannot_reach, not_open, refused
from holdfast.storage.redis.link import ANSWER_SECONDS, Command, Link, Reply

T = TypeVar("T")

_MOST_REQUESTS = 256
_MOST_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """A command, what to make of its reply, and who waits for that."""

    command: Command
    decode: Callable[[Reply], object]
    answer: asyncio.Future[Any]


class Pipeline:
    """A connection and the task that works on it.

    What was sent and not answered when the connection breaks is sent once more if `writing` is
    false. A write is not: it may have happened.
    """

    def __init__(self, link: Link, address: Address, *, writing: bool) -> None:
        self._link = link
        self._address = address
        self._writing = writing
        self._queue: deque[Request] = deque()
        self._wake = asyncio.Event()
        self._open = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to serve on a link that is connected."""
        self._open = True
        self._task = asyncio.create_task(self._run(), name="holdfast-redis")

    def submit(
        self,
        command: Command,
        decode: Callable[[Reply], T],
        answer: asyncio.Future[T] | None = None,
    ) -> asyncio.Future[T]:
        """Queue a command; it is carried out also if nobody waits for the answer."""
        if not self._open:
            raise not_open(self._address)
        answer = answer or asyncio.get_running_loop().create_future()
        self._queue.append(Request(command, decode, answer))
        self._wake.set()
        return answer

    async def stop(self) -> None:
        """Serve what was accepted, then close the connection."""
        self._open = False
        self._wake.set()
        if self._task is None:
            return
        try:
            await self._task
        finally:
            self._task.cancel()
            await self._link.close()

    async def _run(self) -> None:
        try:
            while self._open or self._queue:
                await self._wake.wait()
                self._wake.clear()
                while self._queue:
                    await self._serve(self._next_group())
        finally:
            # Only when the event loop ends before the store is closed is anything left.
            self._open = False
            self._fail(self._queue, lambda: not_open(self._address))

    def _next_group(self) -> deque[Request]:
        group: deque[Request] = deque()
        size = 0
        while self._queue and len(group) < _MOST_REQUESTS and size < _MOST_BYTES:
            group.append(self._queue.popleft())
            size += sum(map(len, group[-1].command))
        return group

    async def _serve(self, waiting: deque[Request]) -> None:
        """Answer every request of a group, be it with an error."""
        try:
            await self._attempt(waiting)
        finally:
            # Only a cancelled task or a fault of ours leaves any.
            self._fail(waiting, lambda: not_open(self._address))

    async def _attempt(self, waiting: deque[Request]) -> None:
        retries, reloads = (0 if self._writing else 1), 1
        while waiting:
            try:
                await self._link.connect()
            except (driver.ResponseError, *LINK_ERRORS) as error:
                await self._link.drop()
                self._give_up(waiting, error)
                return
            try:
                await self._exchange(waiting, may_reload=reloads > 0)
            except LINK_ERRORS as error:
                await self._link.drop()
                if not retries:
                    self._break(waiting, error)
                retries -= 1
            else:
                reloads -= 1
                if waiting:
                    self._link.forget_preparation()

    async def _exchange(self, waiting: deque[Request], *, may_reload: bool) -> None:
        """Send the group and answer its requests, except for those that ran into `SCRIPT FLUSH`.

        Those wait on: a script that is unknown did nothing, and can be loaded again once.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(ANSWER_SECONDS) as limit:
            await self._link.send([request.command for request in waiting])
            for _ in range(len(waiting)):
                reply = await self._link.receive()
                limit.reschedule(loop.time() + ANSWER_SECONDS)
                request = waiting.popleft()
                if may_reload and isinstance(reply, driver.NoScriptError):
                    waiting.append(request)
                else:
                    self._settle(request, reply)

    def _settle(self, request: Request, reply: Reply) -> None:
        if request.answer.done():
            return
        try:
            if isinstance(reply, driver.ResponseError):
                raise refused(reply, self._address) from reply
            request.answer.set_result(request.decode(reply))
        except Exception as error:  # noqa: BLE001 - delivered to the caller
            request.answer.set_exception(error)

    def _give_up(self, waiting: deque[Request], error: Exception) -> None:
        """Fail the group, and all others: each would wait as long for the same."""
        waiting.extend(self._queue)
        self._queue.clear()
        self._fail(waiting, lambda: cannot_reach(error, self._address), error)

    def _break(self, waiting: deque[Request], error: Exception) -> None:
        """Fail what was sent and not answered."""
        self._fail(waiting, lambda: broken(error, self._address, writing=self._writing), error)

    def _fail(
        self,
        waiting: deque[Request],
        make: Callable[[], HoldfastError],
        cause: Exception | None = None,
    ) -> None:
        """Fail each request with an exception of its own."""
        while waiting:
            request = waiting.popleft()
            if not request.answer.done():
                failure = make()
                failure.__cause__ = cause
                request.answer.set_exception(failure)
