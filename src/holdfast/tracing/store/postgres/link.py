"""Speak with the driver, which has an event loop, from code that blocks."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from holdfast.storage.postgres.driver import Connection as Driven
from holdfast.storage.postgres.driver import Row
from holdfast.tracing.store.postgres.words import match_of, text_of
from holdfast.tracing.store.relational.database import Dialect
from holdfast.tracing.store.relational.shown import rows_of

T = TypeVar("T")

DIALECT = Dialect(
    day="to_char(to_timestamp(c.start_ns / 1000000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
    packed="pg_column_size(p.columns) + pg_column_size(p.bodies) + pg_column_size(p.shown)",
    matches="text @@ typed(?)",
    word="to_tsvector('words', ?)",
    match_of=match_of,
    text_of=text_of,
    rows_of=rows_of,
)


class Loop:
    """An event loop in a thread of its own: whoever calls may have one that runs."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="holdfast-traces", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine returns, when it has."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """End the thread; a second time does nothing."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()


class PostgresRows:
    """The rows of an answer, to be read once."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = iter(rows)

    def fetchone(self) -> Any:
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        return list(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return self._rows


class PostgresConnection:
    """A `Connection` on one of the driver's."""

    dialect = DIALECT

    def __init__(self, loop: Loop, driven: Driven) -> None:
        self._loop = loop
        self._driven = driven

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> PostgresRows:
        return PostgresRows(self._loop.run(self._driven.fetch(numbered(sql), *values)))

    def executemany(self, sql: str, values: Iterable[Sequence[Any]], /) -> None:
        rows = list(values)
        if rows:
            self._loop.run(self._driven.executemany(numbered(sql), rows))

    def command(self, script: str) -> None:
        """Run statements that have no values and no answer, all in one message."""
        self._loop.run(self._driven.execute(script))

    def terminate(self) -> None:
        """Break the connection: the server undoes what was not committed."""

        async def break_off() -> None:
            self._driven.terminate()

        self._loop.run(break_off())


@lru_cache(maxsize=512)
def numbered(sql: str) -> str:
    """Return a statement of ours with `$1`, `$2` for its marks; no text in it has one."""
    numbers = iter(range(1, sql.count("?") + 1))
    return re.sub(r"\?", lambda _: f"${next(numbers)}", sql)
