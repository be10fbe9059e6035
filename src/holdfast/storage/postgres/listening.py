"""Hear of changes by `LISTEN`, on one connection a store, made again when it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from holdfast.errors import StorageError
from holdfast.storage.postgres.connections import Connections
from holdfast.storage.postgres.driver import CONNECT_SECONDS, FAILURES, Connection
from holdfast.storage.postgres.errors import translate
from holdfast.storage.postgres.queries import QUERIES
from holdfast.storage.seam import Changes, Key
from holdfast.storage.watchers import Watcher, Watchers

PROBE_SECONDS = 30
"""How long a silent connection is trusted: the death of a machine makes no sound."""

_PAUSE_SECONDS = 0.5


class Listener:
    """Whoever watches one store. The connection comes with the first watch."""

    def __init__(
        self,
        connections: Connections,
        schema: str,
        place: str,
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._connections = connections
        self._channel = f"holdfast_{schema}"
        self._place = place
        self._pause = pause
        self._watchers = Watchers(place)
        self._wanted: set[Watcher] = set()
        self._numbers: dict[Watcher, int] = {}
        self._lock = asyncio.Lock()
        self._connection: Connection | None = None
        self._lost = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watch(self, prefix: Key) -> AsyncGenerator[Changes]:
        """Watch; from here to the end of the context every change is heard."""
        with self._watchers.watching(prefix) as watcher:
            self._wanted.add(watcher)
            try:
                await self._connections.finish(lambda: self._begin(watcher))
                yield watcher
            finally:
                self._wanted.discard(watcher)
                await self._leave(watcher)

    def refuse(self) -> None:
        """Let everybody who waits know that the store closes."""
        self._watchers.close()

    async def close(self) -> None:
        """Disconnect."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        async with self._lock:
            connection, self._connection = self._connection, None
        if connection is None:
            return
        # Should this fail, the next one who watches tidies up.
        with suppress(*FAILURES):
            await connection.execute(QUERIES["forget_listener"], connection.get_server_pid())
            await connection.close(timeout=CONNECT_SECONDS)
        connection.terminate()

    async def _begin(self, watcher: Watcher) -> None:
        async with self._lock:
            connection = await self._connected()
            self._numbers[watcher] = await self._register(connection, watcher)
        if watcher not in self._wanted:
            # Whoever began the watch has given up meanwhile.
            await self._leave(watcher)

    async def _leave(self, watcher: Watcher) -> None:
        number = self._numbers.pop(watcher, None)
        if number is not None:
            # Should this fail, the next one who watches tidies up.
            with suppress(StorageError):
                await self._connections.read("unwatch_prefix", number)

    async def _connected(self) -> Connection:
        """Return the connection, a new one if need be.

        Then who watched before is told: what happened since was not heard.
        """
        if self._connection is not None and not self._lost.is_set():
            return self._connection
        connection = await self._connections.connect()
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        try:
            await self._listen(connection)
        except BaseException as error:
            connection.terminate()
            if isinstance(error, FAILURES):
                raise translate(error, self._place) from error
            raise
        # Only now: a connection on which not everybody is registered counts as none.
        self._connection, self._lost = connection, lost
        for watcher in self._numbers:
            watcher.tell()
        if self._keeper is None:
            self._keeper = asyncio.ensure_future(self._keep())
        return connection

    async def _listen(self, connection: Connection) -> None:
        await connection.add_listener(self._channel, self._hear)
        for watcher in list(self._numbers):
            number = await self._register(connection, watcher)
            if watcher in self._numbers:
                self._numbers[watcher] = number
            else:
                await self._connections.read("unwatch_prefix", number)

    async def _register(self, connection: Connection, watcher: Watcher) -> int:
        listener = connection.get_server_pid()
        rows = await self._connections.read("watch_prefix", listener, watcher.prefix)
        return rows[0]["number"]

    def _hear(self, _connection: object, _sender: int, _channel: str, text: str) -> None:
        try:
            self._watchers.tell([bytes.fromhex(text)])
        except ValueError:
            # Not from a store of this version: whatever it means, everybody can look.
            self._watchers.tell_all()

    async def _keep(self) -> None:
        """Connect again whenever the connection is lost."""
        while True:
            try:
                await self._until_lost()
                await self._connections.finish(self._reconnect)
            except StorageError:
                await self._pause(_PAUSE_SECONDS)

    async def _reconnect(self) -> None:
        async with self._lock:
            await self._connected()

    async def _until_lost(self) -> None:
        while not self._lost.is_set():
            try:
                async with asyncio.timeout(PROBE_SECONDS):
                    await self._lost.wait()
            except TimeoutError:
                await self._connections.finish(self._probe)

    async def _probe(self) -> None:
        assert self._connection is not None
        try:
            await self._connection.fetchval(QUERIES["probe"])
        except FAILURES:
            self._connection.terminate()
