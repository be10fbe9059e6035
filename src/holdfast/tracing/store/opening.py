"""Open a trace store by its address."""

from __future__ import annotations

from holdfast.clock import Clock
from holdfast.errors import UsageError
from holdfast.tracing.digest import Digester
from holdfast.tracing.store.seam import TraceStore


def open_trace_store(address: str, *, digester: Digester, clock: Clock | None = None) -> TraceStore:
    """Return the store at `sqlite:PATH`, `postgres://...` or `memory:`; enter it to use it.

    Raises:
        UsageError: nothing knows such an address.
        StorageError: it cannot be opened.
    """
    scheme, _, rest = address.partition(":")
    match scheme:
        case "sqlite" | "memory":
            from holdfast.tracing.store.sqlite.connection import IN_MEMORY  # noqa: PLC0415
            from holdfast.tracing.store.sqlite.store import SqliteTraceStore  # noqa: PLC0415

            path = rest if scheme == "sqlite" else IN_MEMORY
            return SqliteTraceStore(path, digester=digester, clock=clock)
        case "postgres" | "postgresql":
            from holdfast.tracing.store.postgres.store import PostgresTraceStore  # noqa: PLC0415

            return PostgresTraceStore(address, digester=digester, clock=clock)
        case _:
            shown = "this" if "@" in address else repr(address)  # it may hold a password
            raise UsageError(
                f"{shown} is no address of a trace store",
                hint="give sqlite:PATH, postgres://HOST/DATABASE, or memory: for one that is gone "
                "with the process",
            )
