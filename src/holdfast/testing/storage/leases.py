"""The contract of leases: who holds a record, for how long, and what refuses the holder before."""

from __future__ import annotations

from holdfast.storage.seam import ANY, Conflict, Record, Store
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage.claims import JOB, LEASE, claim, claim_one, drain
from holdfast.testing.storage.expiry import either_side
from holdfast.testing.storage.fixtures import OpenAgain
from holdfast.testing.storage.samples import create, create_all, existing


class LeaseRules:
    """A lease ends at its millisecond, and its fencing number refuses the holder before."""

    @either_side
    async def test_a_leased_record_is_not_claimed_before_the_lease_has_ended(
        self, store: Store, clock: ManualClock, moved: float
    ) -> None:
        clock.advance(moved)
        await create(store, JOB, due_at=0)
        await claim_one(store, clock)
        clock.advance((LEASE - 1) / 1000)
        assert await claim(store, clock) is None

    @either_side
    async def test_an_expired_lease_is_taken_over_at_its_millisecond(
        self, store: Store, clock: ManualClock, moved: float
    ) -> None:
        clock.advance(moved)
        await create(store, JOB, b"work", due_at=0)
        first = await claim_one(store, clock)
        clock.advance(LEASE / 1000)
        second = await claim_one(store, clock)
        assert (second.key, second.value) == (JOB, b"work")
        assert second.version > first.version

    async def test_fencing_refuses_the_holder_before(
        self, store: Store, other: Store, clock: ManualClock
    ) -> None:
        await create(store, JOB, due_at=0)
        first = await claim_one(store, clock)
        clock.advance(LEASE / 1000)
        second = await claim_one(other, clock)
        assert await store.put(JOB, b"late", expected=first.version) == Conflict(second.version)
        assert await store.delete(JOB, expected=first.version) == Conflict(second.version)
        assert await store.get(JOB) == second
        assert await other.delete(JOB, expected=second.version) is None

    async def test_the_holder_may_write_as_long_as_nobody_took_over(
        self, store: Store, clock: ManualClock
    ) -> None:
        await create(store, JOB, due_at=0)
        held = await claim_one(store, clock)
        clock.advance(LEASE / 1000 + 5)
        assert isinstance(await store.put(JOB, b"done", expected=held.version), int)
        assert await claim(store, clock) is None

    async def test_fencing_numbers_only_grow(self, store: Store, clock: ManualClock) -> None:
        seen = [await create(store, JOB, due_at=0)]
        for _ in range(5):
            seen.append((await claim_one(store, clock)).version)
            clock.advance(LEASE / 1000)
        await store.delete(JOB, expected=ANY)
        seen.append(await create(store, JOB, due_at=0))
        seen.append((await claim_one(store, clock)).version)
        assert seen == sorted(set(seen))

    async def test_the_holder_finishes_by_deleting(self, store: Store, clock: ManualClock) -> None:
        await create(store, JOB, due_at=0)
        held = await claim_one(store, clock)
        assert await store.delete(JOB, expected=held.version) is None
        clock.advance(LEASE)
        assert await claim(store, clock) is None

    async def test_the_holder_takes_the_record_out_of_the_queue(
        self, store: Store, clock: ManualClock
    ) -> None:
        await create(store, JOB, due_at=0)
        held = await claim_one(store, clock)
        version = await store.put(JOB, b"done", expected=held.version)
        assert isinstance(version, int)
        clock.advance(LEASE)
        assert await claim(store, clock) is None
        assert await store.get(JOB) == Record(JOB, b"done", version)

    async def test_the_holder_renews_the_lease_and_gets_a_new_number(
        self, store: Store, clock: ManualClock
    ) -> None:
        await create(store, JOB, due_at=0)
        held = await claim_one(store, clock)
        clock.advance(LEASE / 2000)
        until = clock.now_ms() + LEASE
        renewed = await store.put(JOB, b"half", expected=held.version, due_at=until)
        assert isinstance(renewed, int)
        assert renewed > held.version
        assert await store.put(JOB, b"x", expected=held.version) == Conflict(renewed)
        clock.advance((LEASE - 1) / 1000)
        assert await claim(store, clock) is None
        clock.advance(0.001)
        assert (await claim_one(store, clock)).value == b"half"

    async def test_the_holder_gives_the_record_back_at_once(
        self, store: Store, clock: ManualClock
    ) -> None:
        await create(store, JOB, due_at=0)
        held = await claim_one(store, clock)
        await store.put(JOB, b"again", expected=held.version, due_at=clock.now_ms())
        again = await claim_one(store, clock)
        assert again.value == b"again"
        assert again.version > held.version

    async def test_a_record_that_is_due_again_waits_behind_what_was_due_before(
        self, store: Store, clock: ManualClock
    ) -> None:
        now = clock.now_ms()
        await create(store, ("jobs", "a"), due_at=now)
        await claim_one(store, clock)
        await create(store, ("jobs", "z"), due_at=now + LEASE - 1)
        clock.advance(LEASE / 1000)
        assert [key[1] for key in await drain(store, clock)] == ["z", "a"]

    async def test_a_leased_record_expires_all_the_same(
        self, store: Store, clock: ManualClock
    ) -> None:
        now = clock.now_ms()
        await create(store, JOB, due_at=0, expires_at=now + 5000)
        held = await claim_one(store, clock)
        assert held.expires_at == now + 5000
        clock.advance(5)
        assert await store.get(JOB) is None
        assert await store.put(JOB, b"", expected=held.version) == Conflict(0)
        clock.advance(LEASE)
        assert await claim(store, clock) is None

    async def test_a_lease_outlives_a_close(
        self, open_again: OpenAgain, clock: ManualClock
    ) -> None:
        async with open_again() as store:
            await create(store, JOB, due_at=0)
            held = await claim_one(store, clock)
        async with open_again() as store:
            assert await store.get(JOB) == held
            assert await claim(store, clock) is None
            clock.advance(LEASE / 1000)
            assert (await claim_one(store, clock)).version > held.version

    async def test_leases_of_many_records_end_each_on_its_own(
        self, store: Store, clock: ManualClock
    ) -> None:
        await create_all(store, [("jobs", str(number)) for number in range(5)], due_at=0)
        for lease in (5, 4, 3, 2, 1):
            assert await claim(store, clock, lease=lease)
        for number in (4, 3, 2, 1, 0):
            clock.advance(0.001)
            assert [key[1] for key in await drain(store, clock)] == [str(number)]
        assert (await existing(store, ("jobs", "0"))).value == b"0"
