"""Traces in one schema of a Postgres database, for many processes and machines."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.clock import Clock
from holdfast.tracing.digest import Digester
from holdfast.tracing.store.postgres.database import PostgresDatabase
from holdfast.tracing.store.relational.store import RelationalTraceStore


class PostgresTraceStore(RelationalTraceStore):
    """A `TraceStore` and `Askable` at `postgres://...`; the schema is made when it is missing.

    Raises:
        UsageError: the address is wrong, or the driver is not installed.
        StorageError: the server cannot be reached or refuses.
    """

    def __init__(self, url: str, *, digester: Digester, clock: Clock | None = None) -> None:
        self._server = PostgresDatabase(url)
        super().__init__(self._server, digester=digester, clock=clock)

    def ask(
        self, sql: str, *, limit: int = 1000
    ) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
        from holdfast.tracing.store.postgres.asking import ask  # noqa: PLC0415 - only here

        self.settle()
        return ask(self._server, sql, limit)
