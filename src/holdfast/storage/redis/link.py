"""One connection to the server: connect, send, receive. Nothing is retried here."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Protocol, cast

from holdfast.storage.redis.address import Address
from holdfast.storage.redis.driver import (
    INTRODUCTION,
    LINK_ERRORS,
    Connection,
    SSLConnection,
    exceptions,
)

Command = tuple[bytes, ...]
Reply = Any
"""An integer, bytes, None, a list of these, or a `ResponseError`."""

CONNECT_SECONDS = 10
ANSWER_SECONDS = 30
"""How long the server may take for one answer. Our scripts take milliseconds."""

# Without a descriptor of its own, unlike the system's best one, and not on Windows.
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)


class _Wire(Protocol):
    """What we use of the driver's connection, with types."""

    @property
    def is_connected(self) -> bool: ...
    async def connect(self) -> None: ...
    async def disconnect(self, nowait: bool = False) -> None: ...  # noqa: FBT001, FBT002
    def pack_commands(self, commands: Iterable[Command]) -> list[bytes]: ...
    async def send_packed_command(self, command: list[bytes], check_health: bool) -> None: ...  # noqa: FBT001
    async def read_response(self) -> Reply: ...


class Link:
    """A connection that is made when it is needed and made again after it broke.

    Every method may raise one of `LINK_ERRORS`; then the connection is gone.
    """

    def __init__(self, address: Address, *, prepare: Sequence[Command] = ()) -> None:
        self._wire = _wire(address)
        self._prepare = prepare
        self._prepared = False

    async def connect(self) -> None:
        """Connect and prepare unless that is done and the server is still there.

        Raises:
            ResponseError: the server refused the login or the preparation.
        """
        if self._wire.is_connected and self._is_stale():
            # The server went away, or restarted, since the last request was answered.
            await self.drop()
        if not self._wire.is_connected:
            self._prepared = False
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._wire.connect()
        if not self._prepared:
            await self._run_preparation()

    def forget_preparation(self) -> None:
        """Let the next `connect` prepare once more."""
        self._prepared = False

    async def call(self, *commands: Command) -> list[Reply]:
        """Send the commands together and return their replies; an error reply is a value."""
        async with asyncio.timeout(ANSWER_SECONDS):
            await self.send(commands)
            return [await self.receive() for _ in commands]

    async def send(self, commands: Iterable[Command]) -> None:
        """Send the commands without waiting for replies."""
        if not self._wire.is_connected:
            # The driver would connect by itself, without our preparation.
            raise exceptions.ConnectionError("the connection has ended")
        packed = self._wire.pack_commands(commands)
        await self._wire.send_packed_command(packed, check_health=False)

    async def receive(self) -> Reply:
        """Return the next reply; an error reply is a value."""
        try:
            return await self._wire.read_response()
        except exceptions.ResponseError as error:
            return error

    async def drop(self) -> None:
        """End the connection at once; what was not sent yet is lost."""
        await self._wire.disconnect(nowait=True)

    async def close(self) -> None:
        """End the connection and return when it has ended."""
        with suppress(*LINK_ERRORS):
            await self._wire.disconnect(nowait=False)

    def _is_stale(self) -> bool:
        # Between requests there is nothing to read but the end of the stream. The system knows of
        # it before the driver does, which hears of it only when the event loop has turned.
        writer: asyncio.StreamWriter | None = getattr(self._wire, "_writer", None)
        return writer is None or _is_readable(writer.get_extra_info("socket").fileno())

    async def _run_preparation(self) -> None:
        if self._prepare:
            replies = await self.call(*self._prepare)
            for reply in replies:
                if isinstance(reply, exceptions.ResponseError):
                    raise reply
        self._prepared = True


def _is_readable(descriptor: int) -> bool:
    if descriptor < 0:
        return True
    with _Selector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        return bool(selector.select(0))


def _wire(address: Address) -> _Wire:
    kind = SSLConnection if address.tls else Connection
    options: dict[str, Any] = {
        "host": address.host,
        "port": address.port,
        "db": address.database,
        "username": address.user,
        "password": address.password,
        # RESP 2 has the same replies in every version of the driver.
        "protocol": 2,
        # One timeout around many replies is cheaper than the driver's, which is one a reply.
        "socket_timeout": None,
        "socket_connect_timeout": CONNECT_SECONDS,
        # Only so is a server noticed that vanished without a word while nobody asks it.
        "socket_keepalive": True,
        **INTRODUCTION,
        **dict(address.tls_files),
    }
    return cast("_Wire", kind(**options))
