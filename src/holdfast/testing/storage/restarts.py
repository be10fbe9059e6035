"""The contract of a server that is restarted under an open store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from holdfast.errors import StorageError
from holdfast.storage.fallback import claim_due, watch_changes
from holdfast.storage.seam import ANY, Conflict, Record, Store
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage.samples import (
    DEADLINE,
    KEY,
    LOG,
    create,
    existing,
    let_time_pass,
    values_of,
)
from holdfast.testing.storage.watches import until_told

T = TypeVar("T")

RestartServer = Callable[[], Awaitable[None]]
"""Stop the server, start it on the same data and address, and return once it listens."""


class RestartFixtures:
    """What only a backend with a server provides."""

    @pytest.fixture
    def restart_server(self) -> RestartServer:
        """Return what stops and starts the server."""
        raise NotImplementedError("a backend's test class provides this fixture")


async def recovered(clock: ManualClock, verb: Callable[[], Awaitable[T]]) -> T:
    """Call the verb until it does not fail any more; only a `StorageError` is a failure.

    A store may lose the connections that were cut, but must find the server again by itself.
    """
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                return await verb()
            except StorageError:
                clock.advance(0.1)
                await let_time_pass(0.05)


class RestartRules:
    """An open store finds its server again, with everything that was acknowledged."""

    async def test_reads_go_on_after_a_restart(
        self, store: Store, clock: ManualClock, restart_server: RestartServer
    ) -> None:
        version = await create(store, KEY)
        await store.append(LOG, [b"x"])
        await restart_server()
        assert await recovered(clock, lambda: store.get(KEY)) == Record(KEY, b"v", version)
        assert [r.key for r in await recovered(clock, lambda: store.scan(()))] == [KEY]
        assert len(await recovered(clock, lambda: store.read(LOG))) == 1

    async def test_writes_go_on_after_a_restart(
        self, store: Store, clock: ManualClock, restart_server: RestartServer
    ) -> None:
        first = await create(store, KEY)
        await restart_server()
        second = await recovered(clock, lambda: store.put(KEY, b"second", expected=ANY))
        assert isinstance(second, int)
        assert second > first
        await recovered(clock, lambda: store.append(LOG, [b"x"]))
        assert (await existing(store, KEY)).version == second
        assert set(await values_of(store, LOG)) == {b"x"}

    async def test_versions_grow_over_a_restart_and_a_delete(
        self, store: Store, clock: ManualClock, restart_server: RestartServer
    ) -> None:
        old = await create(store, KEY)
        await store.delete(KEY, expected=old)
        await restart_server()
        new = await recovered(clock, lambda: store.put(KEY, b"new", expected=ANY))
        assert isinstance(new, int)
        assert new > old
        assert isinstance(await store.put(KEY, b"x", expected=old), Conflict)

    async def test_a_lease_outlives_a_restart(
        self, store: Store, clock: ManualClock, restart_server: RestartServer
    ) -> None:
        async def claim() -> Record | None:
            return await claim_due(store, ("jobs",), until=clock.now_ms() + 60_000, clock=clock)

        await create(store, ("jobs", "one"), due_at=0)
        held = await claim()
        assert held is not None
        await restart_server()
        assert await recovered(clock, lambda: store.get(held.key)) == held
        assert await recovered(clock, claim) is None
        assert await store.delete(held.key, expected=held.version) is None

    async def test_writes_under_way_are_acknowledged_and_there_or_fail(
        self, store: Store, clock: ManualClock, restart_server: RestartServer
    ) -> None:
        acknowledged: list[int] = []

        async def write(lane: int) -> None:
            for number in range(200):
                key = ("k", f"{lane}", f"{number}")
                # Whatever else it raises reaches the test.
                try:
                    await store.put(key, b"%d" % number, expected=ANY)
                except StorageError:
                    return
                acknowledged.append(lane * 1000 + number)

        writing = asyncio.gather(*(write(lane) for lane in range(4)))
        await asyncio.wait({writing}, timeout=0.02)
        await restart_server()
        await writing
        stored = await recovered(clock, lambda: store.scan(("k",), limit=10_000))
        found = {int(record.key[1]) * 1000 + int(record.key[2]) for record in stored}
        assert found >= set(acknowledged)

    async def test_a_watcher_from_before_a_restart_is_told_of_a_change_behind_it(
        self, store: Store, other: Store, clock: ManualClock, restart_server: RestartServer
    ) -> None:
        async with watch_changes(store, ("runs",), clock=clock) as changes:
            await restart_server()
            version = await recovered(clock, lambda: other.put(KEY, b"new", expected=ANY))
            record: Record | None = None
            while record is None or record.version != version:
                await recovered(clock, lambda: until_told(changes, clock))
                record = await recovered(clock, lambda: store.get(KEY))

    async def test_every_one_of_many_callers_recovers(
        self, store: Store, clock: ManualClock, restart_server: RestartServer
    ) -> None:
        # More than a pool has connections, all of which were cut.
        await asyncio.gather(*(store.get(KEY) for _ in range(40)))
        await restart_server()
        reads = [recovered(clock, lambda: store.get(KEY)) for _ in range(40)]
        assert await asyncio.gather(*reads) == [None] * 40
