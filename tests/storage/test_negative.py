"""Negative controls: a store with a known fault does not pass the contract."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import ANY, Conflict, Delete, Entry, Key, Operation, Record
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage import BatchContract, StoreContract

RULES = StoreContract()
BATCHES = BatchContract()


class ComparesWithoutLocking(MemoryStore):
    async def put(
        self, key: Key, value: bytes, *, expected: int, expires_at: int | None = None
    ) -> int | Conflict:
        record = await self.get(key)
        current = record.version if record else 0
        await asyncio.sleep(0)
        if expected not in (ANY, current):
            return Conflict(current)
        return await super().put(key, value, expected=ANY, expires_at=expires_at)


class ForgetsConflicts(MemoryStore):
    async def put(
        self, key: Key, value: bytes, *, expected: int, expires_at: int | None = None
    ) -> int | Conflict:
        return await super().put(key, value, expected=ANY, expires_at=expires_at)

    async def append(
        self, log: Key, entries: Sequence[bytes], *, expected: int = ANY
    ) -> int | Conflict:
        return await super().append(log, entries)


class ForgetsVersions(MemoryStore):
    async def delete(self, key: Key, *, expected: int) -> Conflict | None:
        result = await super().delete(key, expected=expected)
        self._version = 0
        return result


class ExpiresLate(MemoryStore):
    async def put(
        self, key: Key, value: bytes, *, expected: int, expires_at: int | None = None
    ) -> int | Conflict:
        late = None if expires_at is None else expires_at + 1
        return await super().put(key, value, expected=expected, expires_at=late)


class JoinsKeys(MemoryStore):
    async def get(self, key: Key) -> Record | None:
        return await super().get((":".join(key),))

    async def put(
        self, key: Key, value: bytes, *, expected: int, expires_at: int | None = None
    ) -> int | Conflict:
        return await super().put((":".join(key),), value, expected=expected, expires_at=expires_at)


class SkipsOnPages(MemoryStore):
    async def scan(
        self, prefix: Key, *, after: Key | None = None, limit: int = 100
    ) -> Sequence[Record]:
        page = await super().scan(prefix, after=after, limit=limit + 1)
        return page[1:] if after else page[:limit]


class ReadsFromTheNumberOn(MemoryStore):
    async def read(self, log: Key, *, after: int = 0, limit: int | None = None) -> Sequence[Entry]:
        return await super().read(log, after=after - 1, limit=limit)


class AppliesBatchesOneByOne(MemoryStore):
    async def batch(self, operations: Sequence[Operation]) -> Conflict | None:
        for index, operation in enumerate(operations):
            if conflict := await super().batch([operation]):
                return Conflict(conflict.current, index)
        return None


class KeepsExpectationsOfPutsOnly(MemoryStore):
    async def batch(self, operations: Sequence[Operation]) -> Conflict | None:
        return await super().batch(
            [
                Delete(key=each.key, expected=ANY) if isinstance(each, Delete) else each
                for each in operations
            ]
        )


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (ComparesWithoutLocking, RULES.test_one_of_64_racers_creates),
        (ComparesWithoutLocking, RULES.test_one_of_64_racers_replaces),
        (ComparesWithoutLocking, RULES.test_no_increment_is_lost_among_tasks_that_retry),
        (ForgetsConflicts, RULES.test_a_key_is_created_once),
        (ForgetsConflicts, RULES.test_a_stale_version_is_refused_with_the_current_one),
        (ForgetsConflicts, RULES.test_one_of_64_racers_appends_at_a_number),
        (ForgetsVersions, RULES.test_versions_grow_across_delete_and_create_again),
        (ForgetsVersions, RULES.test_a_version_from_before_a_delete_never_matches_again),
        (JoinsKeys, RULES.test_hostile_keys_do_not_touch_one_another),
        (SkipsOnPages, RULES.test_unchanged_records_are_seen_once_while_others_come_and_go),
        (AppliesBatchesOneByOne, BATCHES.test_a_batch_that_is_refused_leaves_nothing),
        (KeepsExpectationsOfPutsOnly, BATCHES.test_a_refused_delete_or_append_refuses_the_batch),
    ],
)
async def test_a_store_with_a_fault_fails_the_rule_that_names_it(kind, rule) -> None:
    async with kind(clock=ManualClock()) as store:
        with pytest.raises(AssertionError):
            await rule(store)


async def test_a_store_that_expires_a_millisecond_late_fails() -> None:
    clock = ManualClock()
    async with ExpiresLate(clock=clock) as store:
        with pytest.raises(AssertionError):
            await RULES.test_a_record_is_absent_at_the_millisecond_it_expires(store, clock)


async def test_a_store_that_reads_one_entry_too_many_fails() -> None:
    async with ReadsFromTheNumberOn(clock=ManualClock()) as store:
        with pytest.raises(AssertionError):
            await RULES.test_reading_begins_behind_a_number_and_ends_at_the_limit(
                store, 2, None, [3, 4, 5]
            )


async def test_the_faults_are_the_only_reason_for_failing() -> None:
    async with MemoryStore(clock=ManualClock()) as store:
        await RULES.test_one_of_64_racers_creates(store)
    async with MemoryStore(clock=ManualClock()) as store:
        await BATCHES.test_a_batch_that_is_refused_leaves_nothing(store)
