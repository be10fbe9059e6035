"""The storage contract on DynamoDB, as moto and dynalite serve it."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.storage.dynamodb import DynamoStore
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage import (
    BatchContract,
    ClaimContract,
    ClaimFallbackContract,
    FaultContract,
    HistoryContract,
    ListingContract,
    OpenAgain,
    RestartContract,
    RestartServer,
    StoreContract,
    WatchFallbackContract,
    WithoutAbilities,
)
from holdfast.testing.storage.machine import MachineContract, OpenFresh
from tests.servers.dynamodb import (
    DynamoServer,
    RestartableDynalite,
)

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


class _Fixtures:
    """Stores on `server`; one table each, or one prefix each."""

    large_page = 120
    claimers = 32
    examples = 10
    steps = 20

    @pytest.fixture
    def open_again(self, clock: ManualClock, server: DynamoServer) -> OpenAgain:
        address = server.address()
        return lambda: DynamoStore(address, clock=clock)

    @pytest.fixture
    def open_fresh(self, server: DynamoServer) -> OpenFresh:
        def fresh(clock: ManualClock) -> OpenAgain:
            address = server.address()
            return lambda: DynamoStore(address, clock=clock)

        return fresh


class _Moto(_Fixtures):
    @pytest.fixture
    def server(self, moto: DynamoServer) -> DynamoServer:
        return moto


class _Dynalite(_Fixtures):
    @pytest.fixture
    def server(self, dynalite: DynamoServer) -> DynamoServer:
        return dynalite


@pytest.mark.torture  # twice as long as dynalite's, which asks the same of the same backend
class TestMoto(_Moto, StoreContract):
    pass


class TestMotoBatch(_Moto, BatchContract):
    pass


class TestMotoClaim(_Moto, ClaimContract):
    pass


class TestMotoListing(_Moto, ListingContract):
    pass


class TestMotoHistory(_Moto, HistoryContract):
    pass


class TestMotoFaults(_Moto, FaultContract):
    pass


@pytest.mark.torture
class TestMotoMachine(_Moto, MachineContract):
    pass


class TestDynalite(_Dynalite, StoreContract):
    pass


class TestDynaliteClaim(_Dynalite, ClaimContract):
    pass


class TestDynaliteClaimFallback(WithoutAbilities, _Dynalite, ClaimFallbackContract):
    pass


class TestDynaliteWatchFallback(_Dynalite, WatchFallbackContract):
    pass


class TestDynaliteListing(_Dynalite, ListingContract):
    pass


class TestDynaliteHistory(_Dynalite, HistoryContract):
    pass


class TestDynaliteMachine(_Dynalite, MachineContract):
    pass


class TestRestart(_Fixtures, RestartContract):
    """Dynalite can keep its data in a folder; moto cannot."""

    @pytest.fixture
    def server(self, dynalite_on_disk: RestartableDynalite) -> DynamoServer:
        return dynalite_on_disk.server

    @pytest.fixture
    def restart_server(self, dynalite_on_disk: RestartableDynalite) -> RestartServer:
        async def restart() -> None:
            await asyncio.to_thread(dynalite_on_disk.restart)

        return restart
