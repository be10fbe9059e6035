"""One schema of a Postgres database as the place of the traces of a team."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from holdfast.storage.postgres import errors
from holdfast.storage.postgres.address import Address, parse_address
from holdfast.storage.postgres.driver import FAILURES, connect
from holdfast.storage.postgres.driver import Connection as Driven
from holdfast.storage.postgres.migrating import Migrations, migrate
from holdfast.tracing.store.postgres.link import Loop, PostgresConnection

USUAL_SCHEMA = "holdfast_traces"
TRACES = Migrations.below(Path(__file__).with_name("migrations"), "holdfast_trace_migrations")
STUCK_MS = 120_000
"""A machine that falls asleep in the middle of a transaction holds the others up no longer."""

_READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_TURN = "SELECT {lock}(hashtextextended('holdfast traces {schema}', 1213156420))"
_USED = """
SELECT CAST(
  (SELECT coalesce(sum(pg_column_size(columns) + pg_column_size(bodies) + pg_column_size(shown)), 0) FROM packs)
  + (SELECT coalesce(sum(pg_column_size(data)), 0) FROM chunks)
  + (SELECT coalesce(sum(pg_column_size(data)), 0) FROM parts)
  + (SELECT count(*) * 1000 FROM digests) AS bigint)
"""


class PostgresDatabase:
    """A `Database` at an address; it is connected at once, and again when the connection was lost.

    Who adds holds a lock that others who add share; who changes what was added holds it alone, so
    that nothing comes in between reading the spans of a trace and packing them.

    Raises:
        UsageError: the address is wrong.
        StorageError: the server cannot be reached, or refuses; its schema is newer, or foreign.
    """

    def __init__(self, url: str) -> None:
        self.address: Address = parse_address(url, usual_schema=USUAL_SCHEMA)
        self._lock = threading.RLock()
        self._connection: PostgresConnection | None = None
        self._within: PostgresConnection | None = None  # the transaction that is open
        self.loop = Loop()
        try:
            self._connected()
        except BaseException:
            self.loop.close()
            raise

    def close(self) -> None:
        with self._lock:
            self._drop()
            self.loop.close()

    def reading(self) -> AbstractContextManager[PostgresConnection]:
        return self._turn(_READING)

    def adding(self) -> AbstractContextManager[PostgresConnection]:
        return self._turn(f"BEGIN; {self._locking('pg_advisory_xact_lock_shared')}")

    def changing(self) -> AbstractContextManager[PostgresConnection]:
        return self._turn(f"BEGIN; {self._locking('pg_advisory_xact_lock')}")

    def used(self) -> int:
        with self.reading() as connection:
            return connection.execute(_USED).fetchone()[0]

    def size(self) -> int:
        """Return the same: what the server keeps for later is its own affair."""
        return self.used()

    def give_back(self) -> None:
        """Do nothing: the server's own upkeep makes room in its tables."""

    def settings(self, search_path: str) -> dict[str, str]:
        """Return what a connection is to know from its beginning."""
        settings = {
            "search_path": search_path,
            "default_transaction_isolation": "read committed",
            "idle_in_transaction_session_timeout": str(STUCK_MS),
            "tcp_keepalives_idle": "60",
        }
        if "application_name" not in self.address.options:
            settings["application_name"] = "holdfast"
        if "synchronous_commit" not in self.address.options:
            settings["synchronous_commit"] = "on"
        return settings

    def _locking(self, lock: str) -> str:
        return _TURN.format(lock=lock, schema=self.address.schema)  # a plain name, see `address`

    @contextmanager
    def _turn(self, begin: str) -> Generator[PostgresConnection]:
        with self._lock:
            if self._within is not None:
                yield self._within
                return
            with self._translated():
                connection = self._within = self._begin(begin)
            try:
                with self._translated():
                    yield connection
                with self._translated(writing=begin != _READING):
                    connection.command("COMMIT")
            except BaseException as error:
                self._undo(connection, error)
                raise
            finally:
                self._within = None

    @contextmanager
    def _translated(self, *, writing: bool = False) -> Generator[None]:
        try:
            yield
        except FAILURES as error:
            if isinstance(error, TimeoutError):
                self._drop()  # undoing on it would wait as long again
            raise errors.translate(error, self.address.place, writing=writing) from error

    def _begin(self, begin: str) -> PostgresConnection:
        """Return the connection in a transaction, a new one if it broke since it was used."""
        if self._connection is not None:
            try:
                self._connection.command(begin)
            except FAILURES as error:
                if not errors.is_lost(error):
                    raise
                self._drop()
            else:
                return self._connection
        connection = self._connected()
        connection.command(begin)
        return connection

    def _undo(self, connection: PostgresConnection, error: BaseException) -> None:
        if self._connection is not connection:
            return  # it was lost
        if not isinstance(error, Exception):
            self._drop()  # Ctrl-C: a statement may be under way on it
            return
        try:
            connection.command("ROLLBACK")
        except FAILURES:
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*FAILURES):
                connection.terminate()

    def _connected(self) -> PostgresConnection:
        if self._connection is None:
            with self._translated():
                self._connection = PostgresConnection(self.loop, self.loop.run(self._connect()))
        return self._connection

    async def _connect(self) -> Driven:
        address = self.address
        driven = await connect(address.url, self.settings(address.schema))
        try:
            await migrate(driven, address.schema, address.place, TRACES)
        except BaseException:
            driven.terminate()
            raise
        return driven
