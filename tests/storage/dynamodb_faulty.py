"""A store on DynamoDB behind a proxy that loses answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

import pytest

from holdfast.storage.dynamodb import DynamoStore
from holdfast.storage.seam import ABSENT, Batching, Conflict, Operation, Put
from holdfast.testing.clock import ManualClock
from tests.servers.dynamodb import DynamoServer
from tests.servers.dynamodb_proxy import DynamoProxy, proxy_to

KEY = ("k",)
LOG = ("log",)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let the driver repeat at once; give the pauses that it would have made."""
    pauses: list[float] = []

    async def sleep(self: object, seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("aiobotocore.endpoint.AioEndpoint._sleep", sleep)
    return pauses


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def proxied(moto: DynamoServer) -> AsyncIterator[tuple[DynamoProxy, DynamoServer]]:
    async with proxy_to(moto) as pair:
        yield pair


@pytest.fixture
def proxy(proxied: tuple[DynamoProxy, DynamoServer]) -> DynamoProxy:
    return proxied[0]


@pytest.fixture
async def pair(
    proxied: tuple[DynamoProxy, DynamoServer], moto: DynamoServer, clock: ManualClock
) -> AsyncIterator[tuple[DynamoStore, DynamoStore]]:
    """A store behind the proxy, and another client of the same store that has no trouble."""
    proxy, server = proxied
    far = server.address()
    near = type(far)(table=far.table, region=far.region, endpoint=moto.endpoint, prefix=far.prefix)
    async with (
        DynamoStore(far, clock=clock, attempts=3, timeout=5) as behind,
        DynamoStore(near, clock=clock) as direct,
    ):
        proxy.requests.clear()
        yield behind, direct


@pytest.fixture
def store(pair: tuple[DynamoStore, DynamoStore]) -> DynamoStore:
    return pair[0]


@pytest.fixture
def other(pair: tuple[DynamoStore, DynamoStore]) -> DynamoStore:
    return pair[1]


async def create(store: DynamoStore, key: tuple[str, ...] = KEY, value: bytes = b"old") -> int:
    version = await store.put(key, value, expected=ABSENT)
    assert isinstance(version, int)
    return version


async def batch(store: DynamoStore, operations: list[Operation] | list[Put]) -> Conflict | None:
    assert isinstance(store, Batching)
    return await cast("Batching", store).batch(operations)
