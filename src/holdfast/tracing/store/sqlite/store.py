"""Traces in one SQLite file: see schema.sql for what lies where."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.clock import Clock
from holdfast.errors import UsageError
from holdfast.tracing.digest import Digester
from holdfast.tracing.store.relational.store import RelationalTraceStore
from holdfast.tracing.store.sqlite.connection import SqliteDatabase


class SqliteTraceStore(RelationalTraceStore):
    """A `TraceStore` and `Askable` in the file `path`; `":memory:"` is gone with the object."""

    def __init__(self, path: str, *, digester: Digester, clock: Clock | None = None) -> None:
        self._file = SqliteDatabase(path)
        super().__init__(self._file, digester=digester, clock=clock)

    def ask(
        self, sql: str, *, limit: int = 1000
    ) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
        from holdfast.tracing.store.sqlite.asking import ask  # noqa: PLC0415 - only here

        if self._file.in_memory:
            raise UsageError(
                "there are no traces yet that could be asked",
                hint="a run leaves one: holdfast run FILE; those in memory cannot be asked in SQL",
            )
        self.settle()
        return ask(self._file.path, sql, limit, self._clock)
