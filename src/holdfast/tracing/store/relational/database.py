"""What a trace store needs of a database: connections, transactions, and its dialect of SQL.

All queries are written once, with `?` for values, in the SQL that SQLite and Postgres share. What
they do not share is a `Dialect`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from holdfast.frozen import frozen
from holdfast.tracing.span import Span


class Rows(Protocol):
    """The rows of an answer, to be read once."""

    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


@frozen
class Dialect:
    """What databases say differently, in SQL about `c` (a call), `p` (a pack) or `words`.

    `day` is the UTC day of a call, `packed` the bytes of a pack. `matches` is a condition with one
    value, which `match_of` makes of what a person typed; `word` is what stands for the value of a
    text that is found by it, which `text_of` makes of the text. `rows_of` makes what a pack shows to
    people who ask in SQL; None where that is made when they ask.
    """

    day: str
    packed: str
    matches: str
    word: str
    match_of: Callable[[str], str]
    text_of: Callable[[str], str]
    rows_of: Callable[[Sequence[Span]], str] | None = None


class Connection(Protocol):
    """Runs statements within the transaction of whoever gave it."""

    @property
    def dialect(self) -> Dialect: ...
    def execute(self, sql: str, values: Sequence[Any] = ..., /) -> Rows: ...
    def executemany(self, sql: str, values: Iterable[Sequence[Any]], /) -> object: ...


class Database(Protocol):
    """One connection that threads take turns on. Blocks nest; the outermost is the transaction."""

    def close(self) -> None:
        """Close it; a second time does nothing."""
        ...

    def reading(self) -> AbstractContextManager[Connection]:
        """Give the connection within a transaction that sees one moment of the store."""
        ...

    def adding(self) -> AbstractContextManager[Connection]:
        """Give it within a transaction that others may add beside, kept if the block ends well."""
        ...

    def changing(self) -> AbstractContextManager[Connection]:
        """Give it within a transaction beside which nobody else writes."""
        ...

    def used(self) -> int:
        """Return how many bytes the store fills."""
        ...

    def size(self) -> int:
        """Return how many bytes it takes, with the room that is free in it."""
        ...

    def give_back(self) -> None:
        """Give the room of what was removed back to whoever needs it."""
        ...


def upsert(table: str, key: Sequence[str], columns: Sequence[str]) -> str:
    """Return the statement that writes a row, in place of one with the same key."""
    marks = ", ".join("?" * len(columns))
    names = ", ".join(f'"{each}"' for each in columns)
    changes = ", ".join(f'"{each}" = excluded."{each}"' for each in columns if each not in key)
    return (
        f"INSERT INTO {table} ({names}) VALUES ({marks}) "  # noqa: S608 - names of ours
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"
    )
