"""The connections of one store: a pool that heals, and that closes behind the last caller."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar
from weakref import WeakSet

from holdfast.errors import StorageError
from holdfast.storage.postgres import errors
from holdfast.storage.postgres.address import Address
from holdfast.storage.postgres.driver import (
    CONNECT_SECONDS,
    FAILURES,
    Connection,
    Pool,
    Row,
    connect,
    make_pool,
)
from holdfast.storage.postgres.migrating import migrate
from holdfast.storage.postgres.queries import QUERIES
from holdfast.storage.seam import Ack

T = TypeVar("T")

_LOG = logging.getLogger("holdfast.storage")
_CONSEQUENCES = {
    "fsync": "a power cut may lose acknowledged writes and damage the whole database",
    "full_page_writes": "a power cut may damage the database",
    "synchronous_commit": "a crash of the server may lose writes that it acknowledged just before",
}


class Connections:
    """The way to the server. Verbs go through `read` and `write`, each one round trip.

    What was begun goes on if its caller gives up, as a write does that is on its way. To stop a
    statement the driver would have to ask the server on a further connection, and a connection
    that is stopped while it comes up leaves errors in the log.
    """

    def __init__(self, address: Address, ack: Ack) -> None:
        self._address = address
        self._ack: Ack = ack
        self._place = address.place
        self._pool: Pool
        self._made: WeakSet[Connection] = WeakSet()
        self._open = False
        self._under_way: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Connect, and bring the schema up to date."""
        opening = self._begin(self._connect_pool())
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(self._abandon)
            raise
        self._open = True

    def _abandon(self, opening: asyncio.Task[None]) -> None:
        """Disconnect what nobody waits for any more. If it failed, that is done, and no news to anybody."""
        if not opening.cancelled() and opening.exception() is None:
            self._terminate()

    async def close(self) -> None:
        """Wait for what was begun and disconnect; nothing else is begun."""
        if not self._open:
            return
        self._open = False
        try:
            while self._under_way:
                await asyncio.wait(self._under_way)
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._pool.close()
        except FAILURES:
            # A server that does not answer takes no leave; everything is written.
            pass
        finally:
            self._terminate()

    async def read(self, name: str, *arguments: object) -> list[Row]:
        """Return the rows of a query that may be sent twice: once again if the connection breaks."""
        return await self.finish(lambda: self._read(name, arguments))

    async def write(self, name: str, *arguments: object) -> list[Row]:
        """Return the rows of a query that must not be sent twice."""
        return await self.finish(lambda: self._write(name, arguments))

    async def finish(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what `work` returns; it goes on without its caller, and the closing waits for it.

        Raises:
            StorageUnavailable: the store is not open; or what `work` raises.
        """
        if not self._open:
            raise errors.closed(self._place)
        return await asyncio.shield(self._begin(work()))

    def spawn(self, work: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Begin something that nobody waits for but the closing, and that may fail."""
        if self._open:
            self._begin(_attempt(work()))

    async def connect(self) -> Connection:
        """Return a connection of its own, for who listens; to be called within `finish`."""
        try:
            return await connect(self._address.url, self._settings())
        except FAILURES as error:
            raise errors.translate(error, self._place) from error

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def _connect_pool(self) -> None:
        self._pool = await make_pool(
            self._address.url, self._settings(), self._address.pool_size, self._made.add
        )
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = await self._pool.acquire()
                await migrate(connection, self._address.schema, self._place)
                await self._warn(connection)
                await self._pool.release(connection)
        except BaseException as error:
            self._terminate()
            if isinstance(error, FAILURES):
                raise errors.translate(error, self._place) from error
            raise

    async def _read(self, name: str, arguments: tuple[object, ...]) -> list[Row]:
        try:
            return await self._fetch(name, arguments)
        except FAILURES as error:
            if not errors.is_lost(error):
                raise errors.translate(error, self._place) from error
        # The others broke with this one, and the pool may not know it yet.
        await self._pool.expire_connections()
        try:
            return await self._fetch(name, arguments)
        except FAILURES as error:
            raise errors.translate(error, self._place) from error

    async def _write(self, name: str, arguments: tuple[object, ...]) -> list[Row]:
        try:
            connection = await self._pool.acquire()
        except FAILURES as error:
            raise errors.translate(error, self._place) from error
        try:
            return await connection.fetch(QUERIES[name], *arguments)
        except FAILURES as error:
            if errors.is_lost(error):
                await self._pool.expire_connections()
            raise errors.translate(error, self._place, writing=True) from error
        finally:
            await self._release(connection)

    async def _fetch(self, name: str, arguments: tuple[object, ...]) -> list[Row]:
        connection = await self._pool.acquire()
        try:
            return await connection.fetch(QUERIES[name], *arguments)
        finally:
            await self._release(connection)

    def _terminate(self) -> None:
        """End what is left: the pool forgets connections that it is about to replace."""
        self._pool.terminate()
        for connection in list(self._made):
            connection.terminate()

    async def _release(self, connection: Connection) -> None:
        # What the caller learns is the answer of the server, not how the connection fared since.
        with suppress(*FAILURES):
            await self._pool.release(connection)

    def _settings(self) -> dict[str, str]:
        settings = {
            "search_path": self._address.schema,
            # The functions count on it, whatever the server's default is.
            "default_transaction_isolation": "read committed",
        }
        if "application_name" not in self._address.options:
            settings["application_name"] = "holdfast"
        if "synchronous_commit" not in self._address.options:
            settings["synchronous_commit"] = "on" if self._ack == "disk" else "off"
        return settings

    async def _warn(self, connection: Connection) -> None:
        """Say in the log what the server does not keep although the caller asked for it."""
        if self._ack != "disk":
            return
        rows = await connection.fetch(QUERIES["find_settings"])
        for name in (row["name"] for row in rows):
            _LOG.warning(
                "the store %r promises to survive a power cut, but its server runs with %s=off: %s",
                self._place,
                name,
                _CONSEQUENCES[name],
            )


async def _attempt(work: Coroutine[Any, Any, object]) -> None:
    with suppress(StorageError):
        await work
