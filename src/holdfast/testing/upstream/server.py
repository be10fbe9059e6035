"""The faulty upstream itself: HTTP/1.1 on loopback, with nothing between it and the socket."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Self

from holdfast.testing.upstream.acts import Act
from holdfast.testing.upstream.connections import Connection
from holdfast.testing.upstream.exchanges import Exchange


class Upstream:
    """A provider that does what it is told, on a free port of loopback.

    `url` ends in /v1. Requests take their acts from the script, in the order in which they come; when
    it is at its end, they get `default`, which may be a function of the request. `models` is what
    `/models` lists.
    """

    def __init__(
        self,
        *,
        default: Act | Callable[[Exchange], Act] | None = None,
        models: tuple[str, ...] = ("m",),
    ) -> None:
        self.default = default or Act()
        self.models = models
        self.exchanges: list[Exchange] = []
        self._acts: deque[Act] = deque()
        self._arrived = asyncio.Condition()
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._door: socket.socket | None = None
        self._port = 0

    @property
    def root(self) -> str:
        """The address without a path: Ollama's base address."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        """The base address of chat completions and messages."""
        return f"{self.root}/v1"

    def script(self, *acts: Act) -> None:
        """Say what is done with the next requests."""
        self._acts.extend(acts)

    async def exchange(self, number: int) -> Exchange:
        """Wait for the request of this number, the first being 1, and return it."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.exchanges) >= number)
        return self.exchanges[number - 1]

    async def refuse(self) -> None:
        """Refuse connections from now on, and close those that are open. The port stays taken."""
        await self._shut()
        self._door = self._bind()

    async def accept(self) -> None:
        """Take connections again."""
        if self._server is None:
            if self._door is not None:
                self._door.close()
                self._door = None
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: Connection(self), sock=self._bind())

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._shut()
        if self._door is not None:
            self._door.close()

    async def begin(self, make: Callable[[Act, float], Exchange]) -> Exchange:
        """Take the next act for a request that has arrived; for `Connection`."""
        act = self._acts.popleft() if self._acts else self.default
        now = asyncio.get_running_loop().time()
        if isinstance(act, Act):
            exchange = make(act, now)
        else:
            exchange = make(Act(), now)
            exchange.act = act(exchange)
        self.exchanges.append(exchange)
        async with self._arrived:
            self._arrived.notify_all()
        return exchange

    def note(self, connection: Connection, *, is_open: bool) -> None:
        """Keep count of open connections; for `Connection`."""
        (self._connections.add if is_open else self._connections.discard)(connection)

    def _bind(self) -> socket.socket:
        door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(("127.0.0.1", self._port))
        self._port = int(door.getsockname()[1])
        return door

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
            for connection in [*self._connections]:
                await connection.end()
            await self._server.wait_closed()
            self._server = None
