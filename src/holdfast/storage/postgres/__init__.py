"""The Postgres backend, tested with Postgres 16 and 18.

One schema of a database is one store. `migrations/` makes its tables and the functions that
write, so that every verb is one round trip; `queries.sql` has what is sent.
"""

from __future__ import annotations

from holdfast.storage.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
