"""Bring the schema of a store up to date, one process at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from holdfast.storage.postgres import errors
from holdfast.storage.postgres.driver import Connection, ServerError
from holdfast.storage.postgres.queries import QUERIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrations:
    """What makes the tables of one kind of store, and the table that lists what was applied."""

    table: str
    files: Sequence[Path]

    @classmethod
    def below(cls, folder: Path, table: str) -> Self:
        """Return those in the files of a folder, in the order of their names."""
        return cls(table=table, files=sorted(folder.glob("*.sql")))

    @property
    def newest(self) -> int:
        """The number of the newest."""
        return len(self.files)

    def query(self, name: str) -> str:
        """Return a named query about the table."""
        return QUERIES[name].replace(_TABLE, self.table)


_TABLE = "holdfast_migrations"
RECORDS = Migrations.below(Path(__file__).with_name("migrations"), _TABLE)

_DUPLICATE = {"42P07", "42723"}


async def migrate(
    connection: Connection, schema: str, place: str, migrations: Migrations = RECORDS
) -> None:
    """Apply the migrations that `schema` lacks, all or none of them.

    Raises:
        StorageTooNew: it has one that this version does not know.
        StorageCorrupt: it holds tables of another program; or the driver's own error.
    """
    # A store that is up to date needs no lock, and no right to create anything.
    if await _find(connection, schema, place, migrations) == migrations.newest:
        return
    await connection.execute("BEGIN")
    # After a failure the connection is thrown away, and the transaction with it.
    await connection.fetch(QUERIES["lock_migrations"], schema)
    found = await _find(connection, schema, place, migrations)
    try:
        if found is None:
            await _create(connection, schema, migrations)
        for number in range((found or 0) + 1, migrations.newest + 1):
            await connection.execute(migrations.files[number - 1].read_text(encoding="utf-8"))
            await connection.execute(migrations.query("insert_migration"), number)
    except ServerError as error:
        if getattr(error, "sqlstate", None) in _DUPLICATE:
            raise errors.foreign(place) from error
        raise
    await connection.execute("COMMIT")


async def _find(
    connection: Connection, schema: str, place: str, migrations: Migrations
) -> int | None:
    """Return the number of the newest migration, None where there is no store."""
    if not await connection.fetchval(migrations.query("find_migrations"), schema):
        return None
    found: int = await connection.fetchval(migrations.query("find_schema"))
    if found > migrations.newest:
        raise errors.too_new(place, found, migrations.newest)
    return found


async def _create(connection: Connection, schema: str, migrations: Migrations) -> None:
    if not await connection.fetchval(QUERIES["find_namespace"], schema):
        await connection.execute(f'CREATE SCHEMA "{schema}"')  # a plain name, see `address`
    await connection.execute(migrations.query("create_migrations"))
