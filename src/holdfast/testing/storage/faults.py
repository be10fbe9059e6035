"""The doubles that crash and fail, around any store: what stays is what was acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from holdfast.errors import StorageFull, StorageUnavailable
from holdfast.storage.fallback import claim_due, write_all
from holdfast.storage.seam import (
    ANY,
    Append,
    Batching,
    Claiming,
    Erasing,
    Listing,
    Put,
    Store,
    Watching,
)
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage.samples import KEY, LOG, create, existing, keys_of, values_of
from holdfast.testing.stores import Crashed, CrashingStore, FaultyStore

JOB = ("jobs", "one")


def _program(store: Store, clock: ManualClock) -> Sequence[Callable[[], Awaitable[object]]]:
    """Return writes, each of which leaves the store in another state."""
    return [
        lambda: store.put(JOB, b"work", expected=ANY, due_at=0),
        lambda: store.append(LOG, [b"a", b"b"]),
        lambda: claim_due(store, ("jobs",), until=clock.now_ms() + 1000, clock=clock),
        lambda: write_all(store, [Append(log=LOG, entries=[b"c"])]),
        lambda: store.put(KEY, b"v", expected=ANY),
        lambda: store.delete(JOB, expected=ANY),
    ]


async def _state(store: Store) -> tuple[object, ...]:
    """Return everything but the versions, which may be others in each store."""
    records = [(record.key, record.value, record.due_at) for record in await store.scan(())]
    return tuple(records), tuple(await values_of(store, LOG))


async def _clear(store: Store) -> None:
    for key in await keys_of(store, ()):
        await store.delete(key, expected=ANY)


class FaultRules:
    """Kill points and chosen errors."""

    @pytest.mark.parametrize("torn", [False, True])
    @pytest.mark.parametrize("after", range(6))
    async def test_a_crash_leaves_what_was_written_before_it(
        self, store: Store, clock: ManualClock, after: int, *, torn: bool
    ) -> None:
        states = [await _state(store)]
        for write in _program(store, clock):
            await write()
            states.append(await _state(store))
        entries = len(await values_of(store, LOG))
        await _clear(store)
        dying = CrashingStore(store, after=after, torn=torn)
        writes = _program(dying, clock)
        for write in writes[:after]:
            await write()
        with pytest.raises(Crashed):
            await writes[after]()
        records, values = await _state(store)
        assert isinstance(values, tuple)
        assert (records, values[entries:]) == states[after + torn]
        assert (dying.writes, dying.crashed) == (after, True)

    async def test_every_task_fails_behind_a_crash(self, store: Store) -> None:
        dying = CrashingStore(store, after=3)
        results = await asyncio.gather(
            *(dying.append(LOG, [b"x"]) for _ in range(10)), return_exceptions=True
        )
        assert sum(isinstance(result, Crashed) for result in results) >= 7
        assert len(await values_of(store, LOG)) <= 3

    async def test_a_failed_write_is_not_applied_and_can_be_repeated(self, store: Store) -> None:
        full = StorageFull("no space is left")
        faulty = FaultyStore(store, {("put", 2): full, ("append", 1): full})
        await create(faulty, KEY, b"first")
        with pytest.raises(StorageFull):
            await faulty.put(KEY, b"second", expected=ANY)
        with pytest.raises(StorageFull):
            await faulty.append(LOG, [b"x"])
        assert (await existing(store, KEY)).value == b"first"
        assert await values_of(store, LOG) == []
        assert isinstance(await faulty.put(KEY, b"second", expected=ANY), int)
        assert await faulty.append(LOG, [b"x"]) == 1

    async def test_a_fallback_passes_a_failure_on_and_leaves_a_prefix(self, store: Store) -> None:
        faulty = FaultyStore(store, {("put", 2): StorageUnavailable("gone")})
        # Without the ability to batch the operations are written one by one.
        if hasattr(faulty, "batch"):
            del faulty.batch
        puts = [Put(key=(name,), value=b"", expected=ANY) for name in "abc"]
        with pytest.raises(StorageUnavailable):
            await write_all(faulty, puts)
        assert await keys_of(store, ()) == [("a",)]

    async def test_a_claim_that_fails_leaves_the_record_due(
        self, store: Store, clock: ManualClock
    ) -> None:
        faults = {(verb, 1): StorageUnavailable("gone") for verb in ("claim", "scan")}
        faulty = FaultyStore(store, faults)
        await create(store, JOB, due_at=0)
        with pytest.raises(StorageUnavailable):
            await claim_due(faulty, ("jobs",), until=clock.now_ms() + 1000, clock=clock)
        record = await claim_due(faulty, ("jobs",), until=clock.now_ms() + 1000, clock=clock)
        assert record is not None
        assert record.key == JOB

    async def test_the_doubles_can_do_what_the_store_can_do(self, store: Store) -> None:
        for ability in (Batching, Claiming, Watching, Listing, Erasing):
            for double in (CrashingStore(store), FaultyStore(store, {})):
                assert isinstance(double, ability) == isinstance(store, ability)
                assert double.max_value_bytes == store.max_value_bytes
