"""Stores of traces of every kind, each test on all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings

from holdfast.clock import Clock
from holdfast.tracing.store.opening import open_trace_store
from holdfast.tracing.store.seam import TraceStore
from tests.servers.postgres import PostgresServer
from tests.tracing.store.making import plain_digest

Fresh = Callable[..., TraceStore]
Opener = Callable[..., TraceStore]
Trials = Callable[[int], settings]
POSTGRES = [
    pytest.param("postgres16", marks=[pytest.mark.service, pytest.mark.torture]),
    pytest.param("postgres18", marks=pytest.mark.service),
]


@pytest.fixture(params=["file", "memory", *POSTGRES])
def fresh_address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Give addresses of stores that nobody has used."""
    numbers = count()
    match request.param:
        case "file":
            yield lambda: f"sqlite:{tmp_path}/traces{next(numbers)}.db"
        case "memory":
            yield lambda: "memory:"
        case server:
            yield from schemas_of(request.getfixturevalue(server))


def schemas_of(server: PostgresServer) -> Iterator[Callable[[], str]]:
    """Give addresses of new schemas, and drop them at the end."""
    made: list[str] = []

    def fresh() -> str:
        made.append(server.new_schema())
        return server.url(schema=made[-1])

    async def drop() -> None:
        for schema in made:
            await server.drop(schema)
            await server.drop(f"{schema}_views")

    yield fresh
    asyncio.run(drop())


@pytest.fixture
def trials(request: pytest.FixtureRequest) -> Trials:
    """Say how often a property is tried: a new schema on a server takes as long as many files."""
    share = 4 if "postgres" in request.node.name else 1
    return lambda examples: settings(max_examples=examples // share)


@pytest.fixture
def fresh(fresh_address: Callable[[], str]) -> Fresh:
    """Open a store that nobody has used."""

    def open_fresh(clock: Clock | None = None) -> TraceStore:
        return open_trace_store(fresh_address(), digester=plain_digest, clock=clock)

    return open_fresh


@pytest.fixture
def store(fresh: Fresh) -> Iterator[TraceStore]:
    with fresh() as opened:
        yield opened


@pytest.fixture(params=["file", *POSTGRES])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a store that several may open at once."""
    if request.param == "file":
        yield f"sqlite:{tmp_path}/traces.db"
        return
    for fresh in schemas_of(request.getfixturevalue(request.param)):
        yield fresh()


@pytest.fixture
def reopen(address: str) -> Opener:
    return partial(open_trace_store, address, digester=plain_digest)
