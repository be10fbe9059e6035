"""Send HTTP requests to one endpoint and read their answers as they come."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from ipaddress import ip_address
from typing import Final
from urllib.parse import quote, urlsplit

from holdfast.errors import ProviderError, ProviderRefused, ProviderUnavailable
from holdfast.routing.config import ProviderConfig, Timeouts
from holdfast.routing.faults import Fault
from holdfast.routing.providers.connection import BrokenAnswerError, Connection

MAX_ANSWER_BYTES: Final = 32 * 1024 * 1024
_KEPT_SECONDS: Final = 15.0
"""How long a connection is kept without a request: many endpoints close theirs soon after."""

_RACE_SECONDS: Final = 0.25
"""How long one address of a host is tried before the next one too (RFC 8305, section 5)."""

_PLAIN_IN_PATHS: Final = "/:@!$&'()*+,;=~?%"


class Transport:
    """Connections to one endpoint, kept open between requests.

    There is no limit to their number: how much runs at once is decided above, never by waiting here.
    """

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config
        self._kept: list[Connection] = []
        self._sweep: asyncio.TimerHandle | None = None

    async def send(self, path: str, *, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """Post `body` to a path below the base address, or get what is there without one.

        The caller closes the answer; before its end that closes the connection as well. Redirects
        are not followed: they would carry the key to another place.

        Raises:
            ProviderUnavailable: no connection, too slow, or cut off.
            ProviderRefused: a bad address, or a certificate that cannot be trusted.
        """
        loop = asyncio.get_running_loop()
        wait = _Wait(self._config.timeouts, loop.time)
        try:
            request = self._place.request(path, headers, body)
            connection = self._take(loop.time()) or await self._connect(wait)
        except (OSError, UnicodeError) as error:
            raise self._failure(error, wait) from None
        wait.note_connection()
        answer = Answer(connection, wait, self._failure, self._keep)
        try:
            connection.ask(request)
            await answer.begin()
        except BaseException:
            answer.close()
            raise
        return answer

    @property
    def kept(self) -> int:
        """How many connections wait for their next request."""
        return len(self._kept)

    def close(self) -> None:
        """Close what is kept."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        while self._kept:
            self._kept.pop().close()

    @cached_property
    def _place(self) -> _Place:
        return _Place(self._config)

    async def _connect(self, wait: _Wait) -> Connection:
        loop, place = asyncio.get_running_loop(), self._place
        async with asyncio.timeout_at(wait.due()):
            _, connection = await loop.create_connection(
                lambda: Connection(loop, self._forget),
                place.host, place.port, ssl=place.tls, happy_eyeballs_delay=place.race_seconds,
            )  # fmt: skip
        return connection

    def _take(self, now: float) -> Connection | None:
        oldest = now - _KEPT_SECONDS
        while self._kept:
            connection = self._kept.pop()
            if connection.kept_at > oldest and connection.is_reusable:
                return connection
            connection.close()
        return None

    def _keep(self, connection: Connection) -> None:
        connection.rest()
        self._kept.append(connection)
        if self._sweep is None:
            loop = asyncio.get_running_loop()
            self._sweep = loop.call_later(_KEPT_SECONDS, self._drop_old)

    def _drop_old(self) -> None:
        self._sweep = None
        loop = asyncio.get_running_loop()
        oldest = loop.time() - _KEPT_SECONDS
        for connection in [each for each in self._kept if each.kept_at <= oldest]:
            self._kept.remove(connection)
            connection.close()
        if self._kept:
            self._sweep = loop.call_at(self._kept[0].kept_at + _KEPT_SECONDS, self._drop_old)

    def _forget(self, connection: Connection) -> None:
        if connection in self._kept:
            self._kept.remove(connection)

    def _failure(self, error: Exception, wait: _Wait) -> ProviderError:
        where = f"provider {self._config.name!r}"
        hint = f"is {self._config.base_url} up and reachable from here?"
        fault = wait.phase
        match error:
            case TimeoutError(errno=None):
                what = wait.over()
            case ssl.SSLError():
                message = f"{where} has no certificate that can be trusted: {error}"
                mend = "check its base_url in holdfast.toml"
                return ProviderRefused(message, hint=mend, fault=Fault.CONNECT)
            case UnicodeError():
                return ProviderRefused(f"{where} has a base_url that is not an address", hint=hint)
            case _TooLongError():
                return ProviderRefused(
                    f"{where} sent more than {MAX_ANSWER_BYTES >> 20} MiB for one answer",
                    hint="ask for less with max_tokens",
                    fault=Fault.MALFORMED,
                )
            case OSError() if fault == Fault.CONNECT:
                what = f"cannot be reached: {error.strerror or error}"
            case _:
                what = f"broke the connection off ({error})"
                fault = Fault.TRUNCATED if fault == Fault.IDLE else fault
        return ProviderUnavailable(f"{where} {what}", hint=hint, fault=fault)


class Answer:
    """The head of an answer, and its body in the pieces in which it arrives. Close it.

    `headers` have names in lower case.
    """

    headers: Mapping[str, str]

    def __init__(
        self,
        connection: Connection,
        wait: _Wait,
        failure: Callable[[Exception, _Wait], ProviderError],
        keep: Callable[[Connection], None],
    ) -> None:
        self._connection: Connection | None = connection
        self._wait = wait
        self._failure = failure
        self._keep = keep

    @property
    def status(self) -> int:
        """The HTTP status."""
        assert self._connection is not None
        return self._connection.status

    async def begin(self) -> None:
        """Wait for the head."""
        assert self._connection is not None
        try:
            self.headers = await self._connection.head(self._wait.due())
        except (TimeoutError, BrokenAnswerError) as error:
            raise self._failure(error, self._wait) from None

    async def read(self) -> bytes:
        """Return what has come of the body, nothing at its end.

        Whoever takes long between two calls does not make the endpoint a silent one.

        Raises:
            ProviderUnavailable: too slow, or cut off.
            ProviderRefused: the answer has more than `MAX_ANSWER_BYTES`.
        """
        assert self._connection is not None
        try:
            piece = await self._connection.read(self._wait.due())
        except (TimeoutError, BrokenAnswerError) as error:
            raise self._failure(error, self._wait) from None
        self._wait.received += len(piece)
        if self._wait.received > MAX_ANSWER_BYTES:
            raise self._failure(_TooLongError(), self._wait)
        return piece

    async def read_all(self) -> bytes:
        """Return the rest of the body."""
        pieces: list[bytes] = []
        while piece := await self.read():
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        """Let the connection go: to the next request if the answer was read whole."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if connection.is_reusable:
            self._keep(connection)
        else:
            connection.close()


class _TooLongError(Exception):
    """An answer has more than `MAX_ANSWER_BYTES`."""


class _Wait:
    """What an answer is waited for, and until when."""

    def __init__(self, timeouts: Timeouts, now: Callable[[], float]) -> None:
        self.received = 0
        self._timeouts = timeouts
        self._now = now
        begun = now()
        self._end = None if timeouts.total is None else begun + timeouts.total
        self._first = begun + timeouts.connect
        self._is_connected = False

    def note_connection(self) -> None:
        """From now on the first byte is waited for."""
        self._is_connected = True
        self._first = self._now() + self._timeouts.first_byte

    def due(self) -> float:
        """Return the instant until which the next byte must come."""
        due = self._now() + self._timeouts.idle if self.received else self._first
        return due if self._end is None else min(due, self._end)

    @property
    def phase(self) -> Fault:
        """What it is that fails if nothing more comes."""
        if not self._is_connected:
            return Fault.CONNECT
        return Fault.IDLE if self.received else Fault.FIRST_BYTE

    def over(self) -> str:
        """Return what took too long."""
        waits = self._timeouts
        if self._end is not None and self._now() >= self._end:
            return f"took longer than {waits.total:g} s for its answer"
        match self.phase:
            case Fault.CONNECT:
                return f"could not be connected to within {waits.connect:g} s"
            case Fault.IDLE:
                return f"fell silent for {waits.idle:g} s in the middle of its answer"
            case _:
                return f"did not begin to answer within {waits.first_byte:g} s"


class _Place:
    """Where an endpoint is, and how a request for it begins."""

    def __init__(self, config: ProviderConfig) -> None:
        parts = urlsplit(config.base_url)
        host = parts.hostname or ""
        self.host = host if host.isascii() else host.encode("idna").decode("ascii")
        self.tls = ssl.create_default_context() if parts.scheme == "https" else None
        self.port = parts.port or (443 if self.tls else 80)
        # A single address has no rival; and Python's race loses a socket if it is cancelled at the end.
        self.race_seconds = None if _is_address(self.host) else _RACE_SECONDS
        self._prefix = parts.path.rstrip("/")
        shown = f"[{self.host}]" if ":" in self.host else self.host
        named = shown if parts.port is None else f"{shown}:{parts.port}"
        self._common = f" HTTP/1.1\r\nHost: {named}\r\nUser-Agent: holdfast\r\nAccept: */*\r\n"
        self._headers: Mapping[str, str] | None = None
        self._lines = ""

    def request(self, path: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
        """Return a whole request."""
        if headers is not self._headers:  # nearly always those of the request before
            self._headers, self._lines = headers, _lines_of(headers)
        method = "GET" if body is None else "POST"
        length = "" if body is None else f"Content-Length: {len(body)}\r\n"
        head = f"{method} {_quoted(self._prefix + path)}{self._common}{self._lines}{length}\r\n"
        return head.encode("latin-1") + (body or b"")


def _lines_of(headers: Mapping[str, str]) -> str:
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
        raise ValueError("a header cannot hold a line end")
    return lines


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


@lru_cache(256)
def _quoted(path: str) -> str:
    return quote(path, safe=_PLAIN_IN_PATHS)
