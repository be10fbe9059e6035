"""Let people ask the traces in SQL: one query that only reads, on a connection of its own."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from holdfast.errors import UsageError
from holdfast.storage.postgres import errors
from holdfast.storage.postgres.driver import FAILURES, ServerError, connect
from holdfast.storage.postgres.driver import Connection as Driven
from holdfast.tracing.store.asking import HINT, MOST_SECONDS
from holdfast.tracing.store.postgres.database import PostgresDatabase

Answer = tuple[Sequence[str], Sequence[Sequence[object]]]

_LIMITS = {
    "default_transaction_read_only": "on",
    "statement_timeout": str(int(MOST_SECONDS * 1000)),
    "lock_timeout": "5000",
}
_READ_ONLY = "25006"
_TOO_LONG = "57014"
_REASONS = {
    _READ_ONLY: "it would do more than read",
    _TOO_LONG: f"it takes longer than {MOST_SECONDS:g} s",
}
_NOT_OF_THE_QUERY = ("08", "28", "3D", "53", "57P", "58", "XX")
"""Beginnings of the states of errors that say something about the server."""


def ask(database: PostgresDatabase, sql: str, limit: int) -> Answer:
    """Return the columns and at most `limit` rows of a query.

    Raises:
        UsageError: it is not one query, it would write, it takes too long, or is no SQL.
    """
    try:
        return database.loop.run(_ask(database, sql, limit))
    except FAILURES as error:
        state = str(getattr(error, "sqlstate", None) or "")
        if isinstance(error, ServerError) and not state.startswith(_NOT_OF_THE_QUERY):
            raise _unanswered(_REASONS.get(state, str(error))) from error
        raise errors.translate(error, database.address.place) from error


async def _ask(database: PostgresDatabase, sql: str, limit: int) -> Answer:
    views = f"{database.address.schema}_views"
    driven = await connect(database.address.url, {**database.settings(views), **_LIMITS})
    try:
        return await _fetch(driven, sql, limit)
    finally:
        driven.terminate()


async def _fetch(driven: Driven, sql: str, limit: int) -> Answer:
    """Read from a cursor: what one may be declared for is a query, and no more than is shown comes."""
    await driven.fetch("BEGIN READ ONLY")
    declaring = await driven.prepare(f"DECLARE asked NO SCROLL CURSOR FOR {sql}")
    if declaring.get_parameters():
        raise _unanswered("it has a place for a value ($1); write the value")
    await declaring.fetch()
    taking = await driven.prepare(f"FETCH FORWARD {limit:d} FROM asked")
    rows = await taking.fetch()
    columns = [each.name for each in taking.get_attributes()]
    return columns, [tuple(map(_plain, row)) for row in rows]  # type: ignore[call-overload]


def _unanswered(reason: str) -> UsageError:
    return UsageError(f"the query cannot be answered: {reason}", hint=HINT)


def _plain(value: object) -> object:
    """Return a value as SQLite would give it, or as text."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value if value is None or isinstance(value, (str, int, float, bytes)) else str(value)
