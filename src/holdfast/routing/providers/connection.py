"""One HTTP/1.1 connection (RFC 9112), with at most one request on its way. Knows no provider.

The syntax is llhttp's, by `httptools`. What is ours is the little that happens for each piece of an
answer: a general client spends more on that than everything else in the router together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, cast

import httptools

_MOST_HEAD: Final = 64 * 1024
_MOST_WAITING: Final = 256 * 1024
"""How many bytes may wait for their reader before the other side is held up."""


class BrokenAnswerError(Exception):
    """The connection ended in the middle, or what came over it is not HTTP."""


class Connection(asyncio.Protocol):
    """Send a request, read its head and its body, and then the next one.

    All waits share one timer, which is set anew only when it rings too early: nearly all of them end
    long before.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, lost: Callable[[Connection], None]) -> None:
        self.status = 0
        self.kept_at = 0.0
        self._loop = loop
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._head: list[tuple[bytes, bytes]] = []
        self._head_size = 0
        self._pieces: list[bytes] = []
        self._size = 0
        self.on_body = self._pieces.append  # called by the parser for each piece
        self._parser = httptools.HttpResponseParser(self)
        self._is_asked = False
        self._has_head = False
        self._is_whole = False
        self._keeps_open = False
        self._is_paused = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    # ------------------------------------------------------------------------ for its user

    def ask(self, request: bytes) -> None:
        """Send a request, head and body; the answer to the one before was read whole."""
        assert self._transport is not None
        self.status, self._head_size = 0, 0
        self._head.clear()
        self._is_asked, self._has_head, self._is_whole = True, False, False
        self._transport.write(request)

    async def head(self, due: float) -> Mapping[str, str]:
        """Return the headers of the answer, names in lower case; `status` is known then.

        Raises:
            TimeoutError: it has not come at the instant `due` of the loop.
            BrokenAnswerError: it never will.
        """
        while not self._has_head:
            if self._error is not None:
                raise self._error
            await self._wait(due)
        return {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self._head
        }

    async def read(self, due: float) -> bytes:
        """Return all of the body that has come, at least one byte; nothing at its end.

        Raises:
            TimeoutError, BrokenAnswerError: as above.
        """
        while not self._pieces:
            if self._is_whole:
                return b""
            if self._error is not None:
                raise self._error
            await self._wait(due)
        pieces = self._pieces
        came = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._size = 0
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()
        return came

    @property
    def is_reusable(self) -> bool:
        """Whether another request may be sent: the answer was read, and the other side stays."""
        return (
            self._is_whole
            and self._keeps_open
            and not self._pieces
            and self._error is None
            and self._transport is not None
            and not self._transport.is_closing()
        )

    def rest(self) -> None:
        """Wait for the next request: what comes before it is no answer."""
        self._is_asked = False
        self.kept_at = self._loop.time()

    def close(self) -> None:
        """End the connection at once, and with it the work of the other side."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self, due: float) -> None:
        self._due = due
        if self._timer is None or due < self._timer.when():
            self._set_timer()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self._loop.time() < self._due:
            self._set_timer()
        else:
            self._waiter.set_exception(TimeoutError())

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # ------------------------------------------------------------------- called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if not self._is_asked:
            self._break("something came that was not asked for")
            return
        if self._has_head:
            self._size += len(data)
        else:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._break(f"not HTTP: {error}")
        if self._head_size > _MOST_HEAD and not self._has_head:
            self._break("a head without an end")
        if self._size > _MOST_WAITING and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._has_head and exc is None and not self._is_framed():
            self._is_whole = True  # such a body ends with its connection (RFC 9112, section 6.3)
        if self._error is None:
            self._error = BrokenAnswerError(type(exc).__name__ if exc else "closed")
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake()
        self._lost(self)

    def _break(self, why: str) -> None:
        self._error = self._error or BrokenAnswerError(why)
        if self._transport is not None:
            self._transport.abort()

    def _is_framed(self) -> bool:
        names = {name.lower() for name, _ in self._head}
        return b"content-length" in names or b"transfer-encoding" in names

    # ----------------------------------------------------------------- called by the parser

    def on_message_begin(self) -> None:
        if self._is_whole:
            raise BrokenAnswerError("more came than was asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._has_head:  # behind the body they are trailers
            self._head.append((name, value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._has_head = self.status >= 200

    def on_message_complete(self) -> None:
        if not self._has_head:  # an interim answer: the real one follows (RFC 9110, section 15.2)
            self._head.clear()
            self._head_size = 0
            return
        self._is_whole = True
        self._keeps_open = self._parser.should_keep_alive()
