"""Send one HTTP request and read its answer as it comes. The only module that knows aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import aiohttp
from aiohttp import ClientRequest, ClientTimeout
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from holdfast.errors import ProviderError, ProviderRefused, ProviderUnavailable
from holdfast.routing.config import ProviderConfig
from holdfast.routing.faults import Fault

MAX_ANSWER_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The head of an answer, and its body in the pieces in which it arrives."""

    status: int
    headers: Mapping[str, str]
    pieces: AsyncIterator[bytes]


class Transport:
    """Connections to one endpoint, kept open between requests."""

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def send(
        self, url: str, *, headers: Mapping[str, str], body: bytes | None
    ) -> AsyncGenerator[Answer]:
        """Post `body`, or get what is there without one.

        Leaving the block before the end of the answer closes the connection.

        Redirects are not followed: they would carry the key to another place.

        Raises:
            ProviderUnavailable: no connection, too slow, or cut off.
            ProviderRefused: a bad address, a certificate that cannot be trusted, or an answer
                of more than `MAX_ANSWER_BYTES`.
        """
        waits = self._config.timeouts
        progress = _Progress(asyncio.get_running_loop().time, waits.total)
        deadline = asyncio.timeout_at(progress.soon(waits.connect))

        def connected() -> None:
            progress.connected = True
            deadline.reschedule(progress.soon(waits.first_byte))

        _connected.set(connected)
        try:
            async with deadline, self._open(url, headers, body) as response:
                try:
                    yield Answer(
                        status=response.status,
                        headers=response.headers,
                        pieces=self._read(response, deadline, progress),
                    )
                finally:
                    if not response.content.at_eof():
                        response.close()
        except (TimeoutError, aiohttp.ClientError) as error:
            if isinstance(error, TimeoutError) and not deadline.expired():
                raise
            # `from None`: some errors of aiohttp carry the headers, and with them the key.
            raise self._failure(error, progress) from None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(
        self, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # No limit: how much runs at once is decided above, never by waiting here.
                connector=_Connector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=_OURS,
            )
        method = "GET" if body is None else "POST"
        return self._session.request(method, url, headers=headers, data=body, allow_redirects=False)

    async def _read(
        self, response: aiohttp.ClientResponse, deadline: asyncio.Timeout, progress: _Progress
    ) -> AsyncIterator[bytes]:
        idle = self._config.timeouts.idle
        async for piece in response.content.iter_any():
            # Whoever is slow to take a piece must not look like an endpoint that fell silent.
            deadline.reschedule(progress.end)
            progress.received += len(piece)
            if progress.received > MAX_ANSWER_BYTES:
                limit = MAX_ANSWER_BYTES // 1024 // 1024
                raise ProviderRefused(
                    f"provider {self._config.name!r} sent more than {limit} MiB for one answer",
                    hint="ask for less with max_tokens",
                    fault=Fault.MALFORMED,
                )
            yield piece
            deadline.reschedule(progress.soon(idle))

    def _failure(self, error: Exception, progress: _Progress) -> ProviderError:
        where, waits = f"provider {self._config.name!r}", self._config.timeouts
        hint = f"is {self._config.base_url} up and reachable from here?"
        match error:
            case TimeoutError() if progress.is_over():
                what = f"took longer than {waits.total:g} s for its answer"
                fault = progress.phase
            case TimeoutError() if not progress.connected:
                fault, what = Fault.CONNECT, f"could not be connected to within {waits.connect:g} s"
            case TimeoutError() if progress.received:
                what = f"fell silent for {waits.idle:g} s in the middle of its answer"
                fault = Fault.IDLE
            case TimeoutError():
                what = f"did not begin to answer within {waits.first_byte:g} s"
                fault = Fault.FIRST_BYTE
            case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
                message = f"{where} has no certificate that can be trusted: {error}"
                mend = "check its base_url in holdfast.toml"
                return ProviderRefused(message, hint=mend, fault=Fault.CONNECT)
            case aiohttp.InvalidURL():
                return ProviderRefused(f"{where} has a base_url that is not an address", hint=hint)
            case aiohttp.ClientConnectorError():
                what = f"cannot be reached: {error.os_error.strerror or error.os_error}"
                fault = Fault.CONNECT
            case _:
                what = f"broke the connection off ({type(error).__name__})"
                fault = Fault.TRUNCATED if progress.received else Fault.FIRST_BYTE
        return ProviderUnavailable(f"{where} {what}", hint=hint, fault=fault)


class _Connector(aiohttp.TCPConnector):
    """Says when a request has its connection, which a kept one has at once."""

    async def connect(
        self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        _connected.get()()
        return connection


_connected: ContextVar[Callable[[], None]] = ContextVar("connected")
_OURS = ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
"""All waiting is limited here: limits of aiohttp's own would end one wait with the words of another."""


class _Progress:
    """How far an answer has come, and when all of it must have; None for never."""

    def __init__(self, now: Callable[[], float], total: float | None) -> None:
        self.connected = False
        self.received = 0
        self.end = None if total is None else now() + total
        self._now = now

    def soon(self, seconds: float) -> float:
        """Return the instant after so many seconds, but not behind the end."""
        then = self._now() + seconds
        return then if self.end is None else min(then, self.end)

    @property
    def phase(self) -> Fault:
        """What it is that fails if nothing more comes."""
        if not self.connected:
            return Fault.CONNECT
        return Fault.IDLE if self.received else Fault.FIRST_BYTE

    def is_over(self) -> bool:
        """Whether the whole answer took too long."""
        return self.end is not None and self._now() >= self.end
