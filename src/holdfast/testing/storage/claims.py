"""The contract of claims: which record is taken, and by how many.

All rules go through `claim_due`, which uses the store's own `claim` where there is one. So they
hold for the ability and for its fallback alike.
"""

from __future__ import annotations

import pytest

from holdfast.errors import UsageError
from holdfast.storage.fallback import claim_due
from holdfast.storage.seam import ABSENT, ANY, Claiming, Conflict, Key, Record, Store
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage.expiry import either_side
from holdfast.testing.storage.fixtures import OpenAgain
from holdfast.testing.storage.samples import (
    HOSTILE_KEYS,
    assert_refused,
    create,
    create_all,
    existing,
)

QUEUE = ("jobs",)
JOB = ("jobs", "one")
LEASE = 30_000


async def claim(
    store: Store, clock: ManualClock, *, queue: Key = QUEUE, lease: int = LEASE
) -> Record | None:
    """Claim for `lease` milliseconds from now."""
    return await claim_due(store, queue, until=clock.now_ms() + lease, clock=clock)


async def claim_one(store: Store, clock: ManualClock, *, queue: Key = QUEUE) -> Record:
    """Claim a record, which must be there."""
    record = await claim(store, clock, queue=queue)
    assert record is not None
    return record


async def drain(store: Store, clock: ManualClock, queue: Key = QUEUE) -> list[Key]:
    """Claim until nothing is due and return the keys in the order of the claims."""
    taken: list[Key] = []
    while record := await claim(store, clock, queue=queue):
        taken.append(record.key)
    return taken


class DueRules:
    """What is due, in which order, and what is not."""

    async def test_an_empty_queue_has_nothing_to_claim(
        self, store: Store, clock: ManualClock
    ) -> None:
        assert await claim(store, clock) is None

    async def test_a_claim_returns_the_record_with_its_lease(
        self, store: Store, clock: ManualClock
    ) -> None:
        now = clock.now_ms()
        version = await create(store, JOB, b"work", due_at=now - 5, expires_at=now + 90_000)
        claimed = await claim_one(store, clock)
        assert claimed.version > version
        assert claimed == Record(JOB, b"work", claimed.version, now + 90_000, now + LEASE)

    async def test_a_claim_is_a_write_that_every_reader_sees(
        self, store: Store, other: Store, clock: ManualClock
    ) -> None:
        version = await create(store, JOB, b"work", due_at=clock.now_ms())
        claimed = await claim_one(store, clock)
        assert await store.get(JOB) == claimed
        assert await other.get(JOB) == claimed
        assert list(await other.scan(QUEUE)) == [claimed]
        assert await other.put(JOB, b"x", expected=version) == Conflict(claimed.version)

    @either_side
    async def test_a_record_is_due_at_its_millisecond_and_not_before(
        self, store: Store, clock: ManualClock, moved: float
    ) -> None:
        clock.advance(moved)
        await create(store, JOB, due_at=clock.now_ms() + 1000)
        clock.advance(0.999)
        assert await claim(store, clock) is None
        clock.advance(0.001)
        assert (await claim_one(store, clock)).key == JOB

    @pytest.mark.parametrize("due_at", [-1, 0, 1])
    async def test_what_was_due_in_the_distant_past_is_due(
        self, store: Store, clock: ManualClock, due_at: int
    ) -> None:
        await create(store, JOB, due_at=due_at)
        assert (await existing(store, JOB)).due_at == due_at
        assert await drain(store, clock) == [JOB]

    async def test_records_that_are_not_queued_are_never_claimed(
        self, store: Store, clock: ManualClock
    ) -> None:
        await create(store, JOB)
        await create(store, ("jobs", "two"), b"", expires_at=clock.now_ms() + 10**6)
        clock.advance(3600)
        assert await claim(store, clock) is None

    async def test_what_was_due_longest_is_claimed_first(
        self, store: Store, clock: ManualClock
    ) -> None:
        now = clock.now_ms()
        for name, due_at in (("a", now - 1), ("b", now - 30), ("c", now), ("d", now - 2)):
            await create(store, ("jobs", name), due_at=due_at)
        await create(store, ("jobs", "later"), due_at=now + 1)
        assert [key[1] for key in await drain(store, clock)] == ["b", "d", "a", "c"]

    async def test_ties_go_in_key_order(self, store: Store, clock: ManualClock) -> None:
        keys = [("jobs", key[0]) for key in HOSTILE_KEYS if len(key) == 1 and len(key[0]) < 99]
        await create_all(store, keys[::-1], due_at=clock.now_ms())
        assert await drain(store, clock) == sorted(keys)

    async def test_times_are_compared_as_numbers(self, store: Store, clock: ManualClock) -> None:
        for due_at in (1000, 9, 80, -70, 0):
            await create(store, ("jobs", str(due_at)), due_at=due_at)
        assert [key[1] for key in await drain(store, clock)] == ["-70", "0", "9", "80", "1000"]

    async def test_every_record_is_claimed_once(self, store: Store, clock: ManualClock) -> None:
        keys = [("jobs", f"{number:02}") for number in range(20)]
        await create_all(store, keys, due_at=clock.now_ms())
        assert await drain(store, clock) == keys
        assert await claim(store, clock) is None

    async def test_only_records_directly_below_the_queue_are_claimed(
        self, store: Store, clock: ManualClock
    ) -> None:
        strangers = [
            ("jobs",),
            ("jobs", "one", "deeper"),
            ("jobs", "", "deeper"),
            ("jobs:one", "x"),
            ("jobs\x00", "x"),
            ("job", "s"),
            ("jobsone",),
            ("other", "jobs", "one"),
        ]
        await create_all(store, [*strangers, JOB, ("jobs", "")], due_at=0)
        assert await drain(store, clock) == [("jobs", ""), JOB]

    async def test_the_queue_of_no_parts_holds_the_keys_of_one_part(
        self, store: Store, clock: ManualClock
    ) -> None:
        await create_all(store, [("b",), ("a",), ("a", "deeper"), ("",)], due_at=0)
        assert await drain(store, clock, ()) == [("",), ("a",), ("b",)]

    @pytest.mark.parametrize("queue", HOSTILE_KEYS[:16], ids=ascii)
    async def test_a_hostile_queue_is_a_queue_like_any_other(
        self, store: Store, clock: ManualClock, queue: Key
    ) -> None:
        await create_all(store, [(*key, "job") for key in HOSTILE_KEYS[:16]], due_at=0)
        assert await drain(store, clock, queue) == [(*queue, "job")]

    async def test_claiming_from_one_queue_leaves_another_alone(
        self, store: Store, clock: ManualClock
    ) -> None:
        await create_all(store, [("one", "a"), ("two", "b")], due_at=0)
        assert await drain(store, clock, ("one",)) == [("one", "a")]
        assert (await claim_one(store, clock, queue=("two",))).key == ("two", "b")

    async def test_deleted_records_are_never_claimed(
        self, store: Store, clock: ManualClock
    ) -> None:
        await create_all(store, [JOB, ("jobs", "two")], due_at=0)
        await store.delete(JOB, expected=ANY)
        assert await drain(store, clock) == [("jobs", "two")]

    async def test_a_deleted_record_leaves_the_queue_for_good(
        self, store: Store, clock: ManualClock
    ) -> None:
        await create(store, JOB, due_at=0)
        await store.delete(JOB, expected=ANY)
        await create(store, JOB)
        assert await claim(store, clock) is None

    @either_side
    async def test_expired_records_are_never_claimed(
        self, store: Store, clock: ManualClock, moved: float
    ) -> None:
        clock.advance(moved)
        await create(store, JOB, due_at=0, expires_at=clock.now_ms() + 5)
        await create(store, ("jobs", "two"), due_at=1)
        clock.advance(0.005)
        assert await drain(store, clock) == [("jobs", "two")]

    @either_side
    async def test_a_record_can_be_claimed_to_the_millisecond_before_it_expires(
        self, store: Store, clock: ManualClock, moved: float
    ) -> None:
        clock.advance(moved)
        await create(store, JOB, due_at=0, expires_at=clock.now_ms() + 5)
        clock.advance(0.004)
        assert (await claim_one(store, clock)).key == JOB

    async def test_many_expired_records_do_not_hide_a_live_one(
        self, store: Store, clock: ManualClock
    ) -> None:
        keys = [("jobs", f"{number:02}") for number in range(40)]
        await create_all(store, keys, due_at=0, expires_at=clock.now_ms() + 1)
        await create(store, ("jobs", "live"), due_at=1)
        clock.advance(0.001)
        assert await drain(store, clock) == [("jobs", "live")]

    async def test_many_records_that_are_not_due_do_not_hide_one_that_is(
        self, store: Store, clock: ManualClock
    ) -> None:
        keys = [("jobs", f"{number:02}") for number in range(40)]
        await create_all(store, keys, due_at=clock.now_ms() + 1)
        await create_all(store, [("jobs", f"plain {number:02}") for number in range(40)])
        await create(store, ("jobs", "~"), due_at=clock.now_ms())
        assert await drain(store, clock) == [("jobs", "~")]

    async def test_a_put_moves_a_record_to_its_new_time(
        self, store: Store, clock: ManualClock
    ) -> None:
        now = clock.now_ms()
        await create_all(store, [("jobs", name) for name in "abc"], due_at=now - 10)
        await store.put(("jobs", "a"), b"", expected=ANY, due_at=now + 1000)
        await store.put(("jobs", "c"), b"", expected=ANY, due_at=now - 20)
        assert [key[1] for key in await drain(store, clock)] == ["c", "b"]
        clock.advance(1)
        assert [key[1] for key in await drain(store, clock)] == ["a"]

    async def test_a_put_without_a_time_takes_a_record_out_of_the_queue(
        self, store: Store, clock: ManualClock
    ) -> None:
        version = await create(store, JOB, due_at=0)
        await store.put(JOB, b"", expected=version)
        assert await claim(store, clock) is None

    async def test_a_put_with_a_time_puts_a_record_into_the_queue(
        self, store: Store, clock: ManualClock
    ) -> None:
        version = await create(store, JOB)
        await store.put(JOB, b"now", expected=version, due_at=0)
        assert (await claim_one(store, clock)).value == b"now"

    async def test_a_refused_put_leaves_the_place_in_the_queue_alone(
        self, store: Store, clock: ManualClock
    ) -> None:
        await create(store, JOB, due_at=0)
        await store.put(JOB, b"", expected=ABSENT, due_at=clock.now_ms() + 1000)
        await store.put(("jobs", "two"), b"", expected=7, due_at=0)
        assert await drain(store, clock) == [JOB]

    @pytest.mark.parametrize("value", [b"", b"\x00\xff\n", bytes(65_536)], ids=len)
    async def test_a_claim_keeps_the_value(
        self, store: Store, clock: ManualClock, value: bytes
    ) -> None:
        await create(store, JOB, value, due_at=0)
        assert (await claim_one(store, clock)).value == value
        assert (await existing(store, JOB)).value == value

    async def test_a_due_record_is_claimed_after_opening_again(
        self, open_again: OpenAgain, clock: ManualClock
    ) -> None:
        async with open_again() as store:
            await create_all(store, [("jobs", "a"), ("jobs", "b")], due_at=0)
            assert (await claim_one(store, clock)).key == ("jobs", "a")
        async with open_again() as store:
            assert await drain(store, clock) == [("jobs", "b")]

    async def test_a_claim_below_no_unicode_is_refused(
        self, store: Store, clock: ManualClock
    ) -> None:
        with pytest.raises(UsageError):
            await claim(store, clock, queue=("\ud800",))


class ClaimingRules:
    """What only the ability itself must do."""

    async def test_a_store_has_the_ability_to_claim(self, store: Store) -> None:
        assert isinstance(store, Claiming)

    async def test_a_closed_store_refuses_a_claim(self, open_again: OpenAgain) -> None:
        async with open_again() as store:
            assert isinstance(store, Claiming)
        await assert_refused([store.claim(QUEUE, until=1)])
