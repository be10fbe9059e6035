"""A store on each of the servers that speak DynamoDB, and the driver's client beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from holdfast.storage.dynamodb import Address, DynamoStore
from holdfast.storage.dynamodb import driver as driver_module
from holdfast.testing.clock import ManualClock
from tests.servers.dynamodb import DynamoServer

KEY = ("k",)
LOG = ("log",)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["moto", "dynalite"])
def server(request: pytest.FixtureRequest) -> DynamoServer:
    return request.getfixturevalue(request.param)


@pytest.fixture
def address(server: DynamoServer) -> Address:
    return server.address()


@pytest.fixture
async def store(address: Address, clock: ManualClock) -> AsyncIterator[DynamoStore]:
    async with DynamoStore(address, clock=clock) as store:
        yield store


@pytest.fixture
async def raw(address: Address) -> AsyncIterator[Any]:
    """The driver's client, to look past the store."""
    async with client_of(address) as client:
        yield client


@asynccontextmanager
async def client_of(address: Address) -> AsyncIterator[Any]:
    made = driver_module.make_client(address.region, address.endpoint, attempts=1, timeout=10)
    async with made as client:
        yield client
