"""What several tests of the Postgres backend need."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg

from holdfast.storage.keys import encode_key
from holdfast.storage.seam import Key
from tests.servers.postgres import PostgresServer

WAITS = """
SELECT count(*) FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND application_name = $1
"""


@asynccontextmanager
async def holding(
    server: PostgresServer, schema: str, statement: str, *arguments: object
) -> AsyncIterator[asyncpg.Connection]:
    """Give a connection in a transaction that has run a statement; it is undone at the end.

    The block may end the transaction itself by `COMMIT` or `ROLLBACK`.
    """
    connection = await server.connect(schema)
    try:
        await connection.execute("BEGIN")
        await connection.fetch(statement, *arguments)
        yield connection
    finally:
        await connection.close()


async def until_waiting(server: PostgresServer, name: str, number: int = 1) -> None:
    """Return when `number` connections of the application `name` wait for a lock."""
    await until(server, WAITS, name, wanted=lambda found: found >= number)


async def until(
    server: PostgresServer,
    query: str,
    *arguments: object,
    wanted: Callable[[int], bool],
    schema: str = "public",
) -> None:
    """Return when the number that `query` gives is as wanted."""
    connection = await server.connect(schema)
    try:
        async with asyncio.timeout(10):
            while not wanted(await connection.fetchval(query, *arguments)):  # noqa: ASYNC110
                await asyncio.sleep(0.005)  # between two looks; a server sets no event
    finally:
        await connection.close()


def locked_row(key: Key) -> tuple[str, bytes]:
    """Return a statement that holds the row of a record, and its argument."""
    return "SELECT FROM records WHERE key = $1 FOR UPDATE", encode_key(key)
