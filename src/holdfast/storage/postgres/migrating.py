"""Bring the schema of a store up to date, one process at a time."""

from __future__ import annotations

from pathlib import Path

from holdfast.storage.postgres import errors
from holdfast.storage.postgres.driver import Connection, ServerError
from holdfast.storage.postgres.queries import QUERIES

_MIGRATIONS = sorted(Path(__file__).with_name("migrations").glob("*.sql"))

SCHEMA = len(_MIGRATIONS)
"""The number of the newest migration."""

_DUPLICATE = {"42P07", "42723"}


async def migrate(connection: Connection, schema: str, place: str) -> None:
    """Apply the migrations that `schema` lacks, all or none of them.

    Raises:
        StorageTooNew: it has one that this version does not know.
        StorageCorrupt: it holds tables of another program; or the driver's own error.
    """
    # A store that is up to date needs no lock, and no right to create anything.
    if await _find(connection, schema, place) == SCHEMA:
        return
    await connection.execute("BEGIN")
    # After a failure the connection is thrown away, and the transaction with it.
    await connection.fetch(QUERIES["lock_migrations"], schema)
    found = await _find(connection, schema, place)
    try:
        if found is None:
            await _create(connection, schema)
        for number in range((found or 0) + 1, SCHEMA + 1):
            await connection.execute(_MIGRATIONS[number - 1].read_text(encoding="utf-8"))
            await connection.execute(QUERIES["insert_migration"], number)
    except ServerError as error:
        if getattr(error, "sqlstate", None) in _DUPLICATE:
            raise errors.foreign(place) from error
        raise
    await connection.execute("COMMIT")


async def _find(connection: Connection, schema: str, place: str) -> int | None:
    """Return the number of the newest migration, None where there is no store."""
    if not await connection.fetchval(QUERIES["find_migrations"], schema):
        return None
    found: int = await connection.fetchval(QUERIES["find_schema"])
    if found > SCHEMA:
        raise errors.too_new(place, found, SCHEMA)
    return found


async def _create(connection: Connection, schema: str) -> None:
    if not await connection.fetchval(QUERIES["find_namespace"], schema):
        await connection.execute(f'CREATE SCHEMA "{schema}"')  # a plain name, see `address`
    await connection.execute(QUERIES["create_migrations"])
