"""Ask mints and nodes over HTTP, and relays over WebSocket. The only module here that knows aiohttp.

What is asked may hold money: no error repeats a path with its query, a header or a body.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Self, cast

import aiohttp
import orjson

from holdfast.frozen import frozen

_CONNECT_SECONDS = 10.0
_TOTAL_SECONDS = 60.0
_IDLE_SECONDS = 2.0
"""How long a connection may rest and be used again.

Servers close theirs after some seconds (uvicorn, which mints run on: 5). A question that meets the
closing is lost, and who asked with money cannot tell whether it arrived.
"""
_MOST_BYTES = 8 * 1024 * 1024
_MOST_MESSAGE = 1024 * 1024

Table = Mapping[str, object]


class Unreachable(Exception):
    """No answer came. Whether the question arrived is not known; the message says why."""


@frozen
class Reply:
    """An answer: its status, and its JSON, None if it is none."""

    status: int
    body: object

    @property
    def table(self) -> Table:
        """The object that the answer is; an empty one if it is something else."""
        return cast("Table", self.body) if isinstance(self.body, Mapping) else {}


class Web:
    """Connections, kept open while the block goes on."""

    def __init__(self, *, total_seconds: float = _TOTAL_SECONDS) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._total = total_seconds

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def ask(
        self,
        url: str,
        *,
        json: Table | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        post: bool = False,
    ) -> Reply:
        """Get what is at an address, or post to it.

        Raises:
            Unreachable: no whole answer came.
        """
        method = "POST" if post or json is not None else "GET"
        sent = {"Accept": "application/json", **(headers or {})}
        data = None
        if json is not None:
            data, sent["Content-Type"] = orjson.dumps(json), "application/json"
        try:
            async with self._open().request(
                method, url, params=query, headers=sent, data=data, allow_redirects=False
            ) as response:
                return Reply(status=response.status, body=await _read(response))
        except (TimeoutError, aiohttp.ClientError) as error:
            # `from None`: errors of aiohttp carry the address and the headers.
            raise Unreachable(_reason(error)) from None

    async def messages(self, url: str, first: object) -> AsyncGenerator[object]:
        """Send a message over a WebSocket, and yield what comes back until the caller leaves.

        Raises:
            Unreachable: there is no connection, or it ended before the caller had enough.
        """
        read = 0
        try:
            async with self._socket(url) as socket:
                await socket.send_str(orjson.dumps(first).decode())
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.ERROR:
                        raise Unreachable("a message of it is too long, or none")
                    if message.type is aiohttp.WSMsgType.TEXT:
                        text = cast("str", message.data).encode("utf-8", "replace")
                        if (read := read + len(text)) > _MOST_BYTES:
                            raise Unreachable("it sends too much")
                        yield _json(text)
        except (TimeoutError, aiohttp.ClientError) as error:
            raise Unreachable(_reason(error)) from None
        raise Unreachable("it closed the connection before it had told all")

    @asynccontextmanager
    async def _socket(self, url: str) -> AsyncGenerator[aiohttp.ClientWebSocketResponse]:
        socket = await self._open().ws_connect(url, max_msg_size=_MOST_MESSAGE)
        try:
            yield socket
        finally:
            # It says goodbye, and waits for that of the other side, which may never come.
            with suppress(TimeoutError):
                async with asyncio.timeout(0):
                    await socket.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=self._total, connect=_CONNECT_SECONDS),
                connector=aiohttp.TCPConnector(keepalive_timeout=_IDLE_SECONDS),
            )
        return self._session


async def _read(response: aiohttp.ClientResponse) -> object:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > _MOST_BYTES:
            raise aiohttp.ClientPayloadError("the answer is too long")
    return _json(bytes(body))


def _json(data: bytes) -> object:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


def _reason(error: Exception) -> str:
    match error:
        case aiohttp.ServerTimeoutError() | TimeoutError() | asyncio.TimeoutError():
            return "it does not answer in time"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return "it has no certificate that can be trusted"
        case aiohttp.InvalidURL():
            return "that is no address"
        case aiohttp.ClientConnectorError():
            return f"it cannot be reached: {_told_by_system(error.os_error)}"
        case aiohttp.WSServerHandshakeError():
            return f"it does not speak WebSocket there (HTTP {error.status})"
        case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError():
            return "the connection broke before the answer was there"
        case _:
            return f"the connection failed ({type(error).__name__})"


def _told_by_system(error: OSError) -> str:
    """Return why there is no connection; asyncio replaces the words of the system by its own."""
    if error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or "no connection"
