"""The storage contract on real servers: Redis 7 and Valkey 9."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.storage.redis import RedisStore
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
    SubmitContract,
    WatchContract,
    WatchFallbackContract,
    WithoutAbilities,
)
from holdfast.testing.storage.machine import MachineContract, OpenFresh
from tests.servers.redis import RedisServer, redis_program, redis_server, valkey_program

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


class _Redis:
    @pytest.fixture
    def server(self, redis7: RedisServer) -> RedisServer:
        return redis7

    @pytest.fixture
    def open_again(self, server: RedisServer, clock: ManualClock) -> OpenAgain:
        url = server.url()
        return lambda: RedisStore(url, clock=clock, ack="memory")

    @pytest.fixture
    def open_fresh(self, server: RedisServer) -> OpenFresh:
        def fresh(clock: ManualClock) -> OpenAgain:
            url = server.url()
            return lambda: RedisStore(url, clock=clock, ack="memory")

        return fresh


class _Valkey(_Redis):
    @pytest.fixture
    def server(self, valkey9: RedisServer) -> RedisServer:
        return valkey9


class _OwnServer(_Redis):
    """A server for one test, killed and started again by it."""

    program = staticmethod(redis_program)

    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[RedisServer]:
        with redis_server(self.program(), tmp_path, "--appendfsync", "always") as server:
            yield server

    @pytest.fixture
    def restart_server(self, server: RedisServer) -> RestartServer:
        async def restart() -> None:
            server.kill()
            # The stores notice that it is gone.
            await asyncio.sleep(0)
            server.start()

        return restart


class TestRedis(_Redis, StoreContract):
    pass


class TestRedisBatch(_Redis, BatchContract):
    pass


class TestRedisSubmit(_Redis, SubmitContract):
    pass


class TestRedisClaim(_Redis, ClaimContract):
    pass


class TestRedisClaimFallback(WithoutAbilities, _Redis, ClaimFallbackContract):
    pass


class TestRedisWatch(_Redis, WatchContract):
    pass


class TestRedisWatchFallback(WithoutAbilities, _Redis, WatchFallbackContract):
    pass


class TestRedisListing(_Redis, ListingContract):
    pass


class TestRedisErase(_Redis, EraseContract):
    pass


class TestRedisHistory(_Redis, HistoryContract):
    pass


class TestRedisFaults(_Redis, FaultContract):
    pass


class TestRedisMachine(_Redis, MachineContract):
    pass


class TestRedisRestart(_OwnServer, RestartContract):
    pass


class TestRedisWithoutAbilities(WithoutAbilities, _Redis, StoreContract):
    pass


class TestValkey(_Valkey, StoreContract):
    pass


class TestValkeyBatch(_Valkey, BatchContract):
    pass


class TestValkeySubmit(_Valkey, SubmitContract):
    pass


class TestValkeyClaim(_Valkey, ClaimContract):
    pass


class TestValkeyWatch(_Valkey, WatchContract):
    pass


class TestValkeyListing(_Valkey, ListingContract):
    pass


class TestValkeyErase(_Valkey, EraseContract):
    pass


class TestValkeyHistory(_Valkey, HistoryContract):
    pass


class TestValkeyFaults(_Valkey, FaultContract):
    pass


class TestValkeyMachine(_Valkey, MachineContract):
    pass


class TestValkeyRestart(_OwnServer, RestartContract):
    program = staticmethod(valkey_program)
