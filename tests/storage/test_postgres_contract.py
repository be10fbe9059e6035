"""The storage contract on real servers: Postgres 16 and 18, each test on both."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from holdfast.storage.postgres import PostgresStore
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage import (
    BatchContract,
    ClaimContract,
    ClaimFallbackContract,
    EraseContract,
    FaultContract,
    HistoryContract,
    ListingContract,
    OpenAgain,
    RestartContract,
    RestartServer,
    StoreContract,
    WatchContract,
    WatchFallbackContract,
    WithoutAbilities,
)
from holdfast.testing.storage.machine import MachineContract, OpenFresh
from tests.servers.postgres import PostgresServer

pytestmark = [
    pytest.mark.service,
    pytest.mark.promise(
        "conditional-write",
        "versions-grow",
        "logs-have-no-gaps",
        "batch-is-atomic",
        "expired-is-absent",
    ),
]


class _Postgres:
    @pytest.fixture
    def open_again(self, postgres: PostgresServer, schema: str, clock: ManualClock) -> OpenAgain:
        return lambda: PostgresStore(postgres.url(schema=schema), clock=clock)

    @pytest.fixture
    def open_fresh(self, postgres: PostgresServer) -> Iterator[OpenFresh]:
        schemas: list[str] = []

        def fresh(clock: ManualClock) -> OpenAgain:
            schema = postgres.new_schema()
            schemas.append(schema)
            return lambda: PostgresStore(postgres.url(schema=schema), clock=clock, ack="os")

        async def drop() -> None:
            for schema in schemas:
                await postgres.drop(schema)

        yield fresh
        asyncio.run(drop())


class _DurablePostgres:
    @pytest.fixture
    def postgres(self, durable_postgres: PostgresServer) -> PostgresServer:
        return durable_postgres

    @pytest.fixture
    def open_again(self, postgres: PostgresServer, schema: str, clock: ManualClock) -> OpenAgain:
        return lambda: PostgresStore(postgres.url(schema=schema), clock=clock)

    @pytest.fixture
    def restart_server(self, postgres: PostgresServer) -> RestartServer:
        async def restart() -> None:
            await asyncio.get_running_loop().run_in_executor(None, postgres.kill)
            # What was under way fails before the server is back.
            await asyncio.sleep(0)
            postgres.start()

        return restart


class TestPostgres(_Postgres, StoreContract):
    pass


class TestPostgresBatch(_Postgres, BatchContract):
    pass


class TestPostgresClaim(_Postgres, ClaimContract):
    pass


class TestPostgresClaimFallback(WithoutAbilities, _Postgres, ClaimFallbackContract):
    pass


class TestPostgresWatch(_Postgres, WatchContract):
    pass


class TestPostgresWatchFallback(WithoutAbilities, _Postgres, WatchFallbackContract):
    pass


class TestPostgresListing(_Postgres, ListingContract):
    pass


class TestPostgresErase(_Postgres, EraseContract):
    pass


class TestPostgresHistory(_Postgres, HistoryContract):
    pass


class TestPostgresFaults(_Postgres, FaultContract):
    pass


class TestPostgresMachine(_Postgres, MachineContract):
    examples = 8  # each makes a schema of its own


@pytest.mark.torture
class TestPostgresMachineAtLength(TestPostgresMachine):
    examples = 100


class TestPostgresRestart(_DurablePostgres, RestartContract):
    pass
