"""The contract of records: create once, compare and set, delete."""

from __future__ import annotations

import pytest

from holdfast.storage.seam import ABSENT, ANY, Conflict, Record, Store
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage.samples import KEY, create, existing, replace


class RecordRules:
    """Create-once, compare-and-set and delete."""

    async def test_a_key_that_was_never_written_is_none(self, store: Store) -> None:
        assert await store.get(KEY) is None

    async def test_a_record_is_read_as_it_was_written(self, store: Store) -> None:
        version = await create(store, KEY, b"hello")
        assert await store.get(KEY) == Record(KEY, b"hello", version)

    async def test_the_first_version_is_at_least_1(self, store: Store) -> None:
        assert await create(store, KEY) >= 1

    async def test_a_key_is_created_once(self, store: Store) -> None:
        version = await create(store, KEY, b"first")
        assert await store.put(KEY, b"second", expected=ABSENT) == Conflict(version)
        assert await store.get(KEY) == Record(KEY, b"first", version)

    async def test_the_expected_version_is_replaced_by_a_greater_one(self, store: Store) -> None:
        first = await create(store, KEY, b"first")
        second = await replace(store, KEY, b"second", first)
        assert second > first
        assert await store.get(KEY) == Record(KEY, b"second", second)

    async def test_a_stale_version_is_refused_with_the_current_one(self, store: Store) -> None:
        first = await create(store, KEY)
        second = await replace(store, KEY, b"second", first)
        assert await store.put(KEY, b"third", expected=first) == Conflict(second)
        assert await store.get(KEY) == Record(KEY, b"second", second)

    async def test_the_version_of_a_conflict_is_the_one_to_expect(self, store: Store) -> None:
        first = await create(store, KEY)
        await replace(store, KEY, b"second", first)
        conflict = await store.put(KEY, b"third", expected=first)
        assert isinstance(conflict, Conflict)
        third = await replace(store, KEY, b"third", conflict.current)
        assert await store.get(KEY) == Record(KEY, b"third", third)

    async def test_a_version_of_the_future_is_refused(self, store: Store) -> None:
        version = await create(store, KEY)
        assert await store.put(KEY, b"x", expected=version + 1) == Conflict(version)

    async def test_a_version_is_refused_where_nothing_is(self, store: Store) -> None:
        assert await store.put(KEY, b"x", expected=7) == Conflict(ABSENT)
        assert await store.get(KEY) is None

    async def test_any_creates_and_replaces(self, store: Store) -> None:
        first = await store.put(KEY, b"first", expected=ANY)
        second = await store.put(KEY, b"second", expected=ANY)
        assert isinstance(first, int)
        assert isinstance(second, int)
        assert second > first
        assert await store.get(KEY) == Record(KEY, b"second", second)

    async def test_writing_the_same_value_again_still_grows_the_version(self, store: Store) -> None:
        first = await create(store, KEY, b"same")
        assert await replace(store, KEY, b"same", first) > first

    async def test_reading_leaves_the_version_alone(self, store: Store) -> None:
        version = await create(store, KEY)
        for _ in range(3):
            assert (await existing(store, KEY)).version == version
            assert [record.version for record in await store.scan(())] == [version]
        assert await replace(store, KEY, b"x", version) > version

    async def test_writing_one_key_leaves_the_version_of_another_alone(self, store: Store) -> None:
        version = await create(store, KEY)
        other = await create(store, ("runs", "b"))
        await replace(store, ("runs", "b"), b"x", other)
        assert await store.delete(("runs", "b"), expected=ANY) is None
        assert await store.get(KEY) == Record(KEY, b"v", version)

    async def test_a_long_chain_of_versions_only_grows(self, store: Store) -> None:
        versions = [await create(store, KEY)]
        for number in range(40):
            versions.append(await replace(store, KEY, b"%d" % number, versions[-1]))
        assert versions == sorted(set(versions))


class DeletionRules:
    """What is deleted leaves no trace, but its version is never used again."""

    async def test_a_deleted_record_leaves_no_trace_to_readers(self, store: Store) -> None:
        version = await create(store, KEY)
        assert await store.delete(KEY, expected=version) is None
        assert await store.get(KEY) is None
        assert list(await store.scan(())) == []

    async def test_deleting_a_stale_version_is_refused(self, store: Store) -> None:
        first = await create(store, KEY)
        second = await replace(store, KEY, b"second", first)
        assert await store.delete(KEY, expected=first) == Conflict(second)
        assert await store.get(KEY) == Record(KEY, b"second", second)

    async def test_deleting_a_live_record_as_absent_is_refused(self, store: Store) -> None:
        version = await create(store, KEY)
        assert await store.delete(KEY, expected=ABSENT) == Conflict(version)
        assert await store.get(KEY) is not None

    async def test_any_deletes_whatever_is_there(self, store: Store) -> None:
        await create(store, KEY)
        assert await store.delete(KEY, expected=ANY) is None
        assert await store.get(KEY) is None

    @pytest.mark.parametrize("expected", [ABSENT, ANY])
    async def test_deleting_what_is_absent_does_nothing(self, store: Store, expected: int) -> None:
        assert await store.delete(KEY, expected=expected) is None
        assert await store.get(KEY) is None

    async def test_deleting_a_version_of_what_is_absent_is_refused(self, store: Store) -> None:
        assert await store.delete(KEY, expected=3) == Conflict(ABSENT)

    async def test_a_record_is_deleted_once(self, store: Store) -> None:
        version = await create(store, KEY)
        assert await store.delete(KEY, expected=version) is None
        assert await store.delete(KEY, expected=version) == Conflict(ABSENT)

    async def test_a_deleted_version_is_refused_as_absent(self, store: Store) -> None:
        version = await create(store, KEY)
        await store.delete(KEY, expected=version)
        assert await store.put(KEY, b"x", expected=version) == Conflict(ABSENT)
        assert await store.get(KEY) is None

    async def test_versions_grow_across_delete_and_create_again(self, store: Store) -> None:
        seen: list[int] = []
        for _ in range(3):
            seen.append(await create(store, KEY))
            assert await store.delete(KEY, expected=seen[-1]) is None
        assert seen == sorted(set(seen))

    async def test_any_creates_again_with_a_greater_version(self, store: Store) -> None:
        old = await create(store, KEY)
        await store.delete(KEY, expected=ANY)
        new = await store.put(KEY, b"new", expected=ANY)
        assert isinstance(new, int)
        assert new > old

    async def test_a_version_from_before_a_delete_never_matches_again(self, store: Store) -> None:
        old = await create(store, KEY)
        await store.delete(KEY, expected=old)
        new = await create(store, KEY)
        assert await store.put(KEY, b"x", expected=old) == Conflict(new)
        assert await store.delete(KEY, expected=old) == Conflict(new)

    async def test_deleting_leaves_the_neighbours_alone(self, store: Store) -> None:
        kept = [("runs",), ("runs", "a", "b"), ("runs", "a:"), ("runs", "b")]
        for key in [*kept, KEY]:
            await create(store, key)
        assert await store.delete(KEY, expected=ANY) is None
        assert [record.key for record in await store.scan(())] == kept


class TimeRules:
    """A record carries its times, and each put replaces them."""

    async def test_times_are_read_as_they_were_written(
        self, store: Store, clock: ManualClock
    ) -> None:
        now = clock.now_ms()
        version = await create(store, KEY, expires_at=now + 1000, due_at=now + 17)
        written = Record(KEY, b"v", version, now + 1000, now + 17)
        assert await store.get(KEY) == written
        assert list(await store.scan(())) == [written]

    async def test_each_time_stands_alone(self, store: Store, clock: ManualClock) -> None:
        later = clock.now_ms() + 1000
        expiring = await create(store, ("a",), expires_at=later)
        due = await create(store, ("b",), due_at=later)
        assert await store.get(("a",)) == Record(("a",), b"v", expiring, expires_at=later)
        assert await store.get(("b",)) == Record(("b",), b"v", due, due_at=later)

    async def test_a_put_without_times_removes_them(self, store: Store, clock: ManualClock) -> None:
        later = clock.now_ms() + 1000
        first = await create(store, KEY, expires_at=later, due_at=later)
        second = await replace(store, KEY, b"v", first)
        assert await store.get(KEY) == Record(KEY, b"v", second)

    async def test_a_put_replaces_the_times(self, store: Store, clock: ManualClock) -> None:
        now = clock.now_ms()
        first = await create(store, KEY, expires_at=now + 1000, due_at=now + 1000)
        second = await store.put(KEY, b"v", expected=first, expires_at=now + 9, due_at=now + 5)
        assert isinstance(second, int)
        assert await store.get(KEY) == Record(KEY, b"v", second, now + 9, now + 5)

    async def test_a_refused_put_leaves_the_times_alone(
        self, store: Store, clock: ManualClock
    ) -> None:
        later = clock.now_ms() + 1000
        version = await create(store, KEY, expires_at=later, due_at=later)
        assert await store.put(KEY, b"x", expected=ABSENT) == Conflict(version)
        assert await store.put(KEY, b"x", expected=version + 1) == Conflict(version)
        assert await store.get(KEY) == Record(KEY, b"v", version, later, later)

    async def test_a_record_that_is_created_again_has_no_times_of_the_old_one(
        self, store: Store, clock: ManualClock
    ) -> None:
        later = clock.now_ms() + 1000
        old = await create(store, KEY, expires_at=later, due_at=later)
        await store.delete(KEY, expected=old)
        new = await create(store, KEY)
        assert await store.get(KEY) == Record(KEY, b"v", new)
