"""Tasks on each kind of store that a project may use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from holdfast.errors import QuotaExceeded, TaskBusy, UsageError
from holdfast.storage.seam import Batching, Store
from holdfast.tasks import Actor, Filter, Limits, NewTask, Task, Tasks, TaskState
from holdfast.testing.clock import ManualClock

pytestmark = [pytest.mark.anyio]

SERVERS = ["postgres18", "redis7", "moto", "dynalite"]


def open_store(kind: str, server: object, clock: ManualClock, folder: Path) -> Store:
    from holdfast.storage.dynamodb import DynamoStore
    from holdfast.storage.postgres import PostgresStore
    from holdfast.storage.redis import RedisStore
    from holdfast.storage.sqlite import SqliteStore
    from tests.servers.dynamodb import DynamoServer
    from tests.servers.postgres import PostgresServer
    from tests.servers.redis import RedisServer

    if isinstance(server, PostgresServer):
        return PostgresStore(server.url(schema=server.new_schema()), clock=clock, ack="os")
    if isinstance(server, RedisServer):
        return RedisStore(server.url(), clock=clock, ack="memory")
    if isinstance(server, DynamoServer):
        return DynamoStore(server.address(), clock=clock)
    return SqliteStore(folder / "store.db", clock=clock, ack="os")


@pytest.fixture(
    params=["sqlite", *(pytest.param(kind, marks=pytest.mark.service) for kind in SERVERS)]
)
async def store(
    request: pytest.FixtureRequest, clock: ManualClock, tmp_path: Path
) -> AsyncGenerator[Store]:
    kind = request.param
    server = None if kind == "sqlite" else request.getfixturevalue(kind)
    async with open_store(kind, server, clock, tmp_path) as store:
        yield store


@pytest.mark.timeout(300)
async def test_a_day_in_the_life_of_tasks(store: Store, clock: ManualClock) -> None:
    tasks = Tasks(store, clock=clock, actor=Actor(by="ann"))
    first = await tasks.create(NewTask(name="first", session="s", variables={"x": 1}))
    waiting = [
        await tasks.create(NewTask(name=f"n{number}", blocked_by=[first.id]))
        for number in range(20)
    ]
    claims = await asyncio.gather(
        *(tasks.acting(actor=Actor(by=f"w{n}")).claim(first.id) for n in range(16)),
        return_exceptions=True,
    )
    [winner] = [each for each in claims if isinstance(each, Task)]
    assert sum(isinstance(each, TaskBusy) for each in claims) == 15
    await asyncio.gather(*(tasks.set_variables(first.id, {f"v{n}": n}) for n in range(8)))
    assert await tasks.ready() == []
    holder = tasks.acting(actor=Actor(by="the holder"))
    done = await holder.complete(first.id, "ok", fence=winner.fence)
    assert len(done.variables) == 9
    assert {each.id for each in await tasks.ready()} == {each.id for each in waiting}
    listed = await tasks.list(Filter(session="s"))
    assert [(each.name, each.state) for each in listed.tasks] == [("first", TaskState.COMPLETED)]
    seen: list[str] = []
    cursor = ""
    while True:
        page = await tasks.list(limit=6, cursor=cursor)
        seen += [each.id for each in page.tasks]
        cursor = page.cursor
        if not cursor:
            break
    assert len(seen) == len(set(seen)) == 21
    assert (await tasks.repair()).is_clean


@pytest.mark.timeout(300)
async def test_the_quota_holds_and_what_expires_is_gone(store: Store, clock: ManualClock) -> None:
    if not isinstance(store, Batching):
        with pytest.raises(UsageError, match="keeps no limits"):
            await Tasks(store, clock=clock, limits=Limits(live=3)).create(NewTask(name="x"))
        return
    tasks = Tasks(store, clock=clock, owner="a:b", limits=Limits(live=3))
    results = await asyncio.gather(
        *(tasks.create(NewTask(name="x", ttl_ms=1000)) for _ in range(12)), return_exceptions=True
    )
    assert sum(isinstance(each, Task) for each in results) == 3
    assert sum(isinstance(each, QuotaExceeded) for each in results) == 9
    clock.advance(1)
    assert (await tasks.list()).tasks == []
    await tasks.create(NewTask(name="y"))
    swept = await tasks.sweep()
    assert swept.removed == 3
    assert [each.name for each in (await tasks.list()).tasks] == ["y"]
