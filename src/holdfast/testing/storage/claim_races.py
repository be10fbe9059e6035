"""The contract of many claims at once: one record has one holder."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from holdfast.storage.seam import ANY, Key, Record, Store
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage.claims import JOB, LEASE, QUEUE, claim, drain
from holdfast.testing.storage.samples import cancel_midway, create, create_all, existing

T = TypeVar("T")
U = TypeVar("U")


class ClaimRaceRules:
    """However many claim at once, one record has one holder."""

    claimers = 64
    """Tasks that claim at once."""

    async def test_one_of_64_racers_claims_the_only_record(
        self, store: Store, clock: ManualClock
    ) -> None:
        await create(store, JOB, due_at=0)
        won = await self._race([store], clock)
        assert [record.key for record in won] == [JOB]
        assert (await existing(store, JOB)).version == won[0].version

    async def test_64_racers_claim_64_records_each_another_one(
        self, store: Store, clock: ManualClock
    ) -> None:
        keys = [("jobs", f"{number:02}") for number in range(self.claimers)]
        await create_all(store, keys, due_at=0)
        won = await self._race([store], clock)
        assert sorted(record.key for record in won) == keys
        assert await claim(store, clock) is None

    async def test_racers_on_two_handles_never_share_a_record(
        self, store: Store, other: Store, clock: ManualClock
    ) -> None:
        keys = [("jobs", f"{number:02}") for number in range(self.claimers // 2)]
        await create_all(store, keys, due_at=0)
        won = await self._race([store, other], clock)
        assert sorted(record.key for record in won) == keys

    async def test_workers_do_every_job_once(
        self, store: Store, other: Store, clock: ManualClock
    ) -> None:
        keys = [("jobs", f"{number:02}") for number in range(40)]
        await create_all(store, keys, due_at=0)
        done: list[Key] = []

        async def work(handle: Store) -> None:
            while job := await claim(handle, clock):
                done.append(job.key)
                assert await handle.delete(job.key, expected=job.version) is None

        await asyncio.gather(*(work(handle) for handle in [store, other] * 4))
        assert sorted(done) == keys
        assert list(await store.scan(())) == []

    async def test_a_record_is_either_claimed_or_replaced_first(
        self, store: Store, other: Store, clock: ManualClock
    ) -> None:
        for number in range(10):
            key = ("jobs", f"{number}")
            version = await create(store, key, b"old", due_at=0)
            claimed, written = await _both(
                claim(store, clock), other.put(key, b"new", expected=version), swap=number % 2 == 1
            )
            record = await existing(store, key)
            if isinstance(written, int):
                assert claimed is None
                assert (record.value, record.version, record.due_at) == (b"new", written, None)
            else:
                assert record == claimed

    async def test_a_record_is_either_claimed_or_deleted_first(
        self, store: Store, other: Store, clock: ManualClock
    ) -> None:
        for number in range(10):
            key = ("jobs", f"{number}")
            version = await create(store, key, due_at=0)
            claimed, conflict = await _both(
                claim(store, clock), other.delete(key, expected=version), swap=number % 2 == 1
            )
            assert (claimed is None) == (conflict is None)
            assert await store.get(key) == claimed
            await store.delete(key, expected=ANY)

    async def test_a_cancelled_claim_happens_wholly_or_not_at_all(
        self, store: Store, clock: ManualClock
    ) -> None:
        now = clock.now_ms()
        keys = [("jobs", f"{number:02}") for number in range(12)]
        await create_all(store, keys, due_at=now)
        returned = await cancel_midway(lambda: claim(store, clock), clock, turns=6)
        records = await store.scan(QUEUE)
        assert {record.due_at for record in records} <= {now, now + LEASE}
        leased = [record for record in records if record.due_at == now + LEASE]
        assert all(record in leased for record in returned)
        assert len(await drain(store, clock)) <= len(keys) - len(leased)
        assert {record.due_at for record in await store.scan(QUEUE)} == {now + LEASE}

    async def _race(self, handles: Sequence[Store], clock: ManualClock) -> list[Record]:
        claims = [claim(handles[n % len(handles)], clock) for n in range(self.claimers)]
        return [record for record in await asyncio.gather(*claims) if record is not None]


async def _both(
    one: Coroutine[Any, Any, T], two: Coroutine[Any, Any, U], *, swap: bool
) -> tuple[T, U]:
    """Run both at once, the second one first if they are swapped."""
    if swap:
        second, first = await asyncio.gather(two, one)
        return first, second
    return await asyncio.gather(one, two)
