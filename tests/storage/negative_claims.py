"""Stores with a fault in claims or watches, and the rules that find it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from holdfast.storage.keys import decode_key, encode_key, encode_prefix
from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import Key, Record
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage import watches
from tests.storage.negative_rules import (
    AHEAD,
    BEHIND,
    BY_ANOTHER,
    BY_THIS,
    CLAIM,
    WATCH,
    change_by,
    pause,
)

# Claims


class LetsTwoIn(MemoryStore):
    async def claim(self, queue: Key, *, until: int) -> Record | None:
        due = self._queues.get(encode_prefix(queue), [])
        if not due or due[0][0] > self._clock.now_ms():
            return None
        encoded = due[0][1]
        await pause()
        record = self._lease(encoded, until) if encoded in self._cells else None
        await pause()
        return record


class ForgetsFencing(MemoryStore):
    def _lease(self, encoded: bytes, until: int) -> Record | None:
        self._set(encoded, replace(self._cells[encoded], due_at=until))
        return self._record(encoded)


class ClaimsWithoutALease(MemoryStore):
    def _lease(self, encoded: bytes, until: int) -> Record | None:
        record = self._record(encoded)
        self._version += 1
        return record and replace(record, version=self._version, due_at=until)


class ClaimsOnlyOnce(MemoryStore):
    def _lease(self, encoded: bytes, until: int) -> Record | None:
        record = super()._lease(encoded, until)
        self._queues[encode_prefix(decode_key(encoded)[:-1])].clear()
        return record


class ClaimsAMillisecondEarly(MemoryStore):
    async def claim(self, queue: Key, *, until: int) -> Record | None:
        clock, self._clock = self._clock, ManualClock(self._clock.now_ms() + 1)
        record = await super().claim(queue, until=until)
        self._clock = clock
        return record


class ClaimsByItsOwnClock(MemoryStore):
    async def claim(self, queue: Key, *, until: int) -> Record | None:
        clock, self._clock = self._clock, ManualClock(int(time.time() * 1000))
        record = await super().claim(queue, until=until)
        self._clock = clock
        return record


class ClaimsTheExpired(MemoryStore):
    async def claim(self, queue: Key, *, until: int) -> Record | None:
        self._live = self._cells.get
        record = await super().claim(queue, until=until)
        del self._live
        return record


class ClaimsInKeyOrder(MemoryStore):
    async def claim(self, queue: Key, *, until: int) -> Record | None:
        for record in await self.scan(queue, limit=1000):
            direct = len(record.key) == len(queue) + 1
            if direct and record.due_at is not None and record.due_at <= self._clock.now_ms():
                return self._lease(encode_key(record.key), until)
        return None


class ClaimsFromBelow(MemoryStore):
    async def claim(self, queue: Key, *, until: int) -> Record | None:
        for below in sorted(self._queues):
            if below.startswith(encode_prefix(queue)) and (
                record := await super().claim(decode_key(below) if below else (), until=until)
            ):
                return record
        return None


class ClaimsKeepNoExpiry(MemoryStore):
    def _lease(self, encoded: bytes, until: int) -> Record | None:
        self._cells[encoded] = replace(self._cells[encoded], expires_at=None)
        return super()._lease(encoded, until)


class LooksAtTheFirstFewOnly(MemoryStore):
    async def claim(self, queue: Key, *, until: int) -> Record | None:
        waiting = self._queues.get(encode_prefix(queue), [])[:10]
        for due_at, encoded in waiting:
            if due_at <= self._clock.now_ms() and self._live(encoded):
                return self._lease(encoded, until)
        return None


# Watches


class _ForgetfulWatcher:
    """Told only while it waits."""

    def __init__(self, watcher) -> None:
        self._watcher = watcher

    async def wait(self) -> None:
        self._watcher._told.clear()
        await self._watcher.wait()


class MissesChangesBetweenWaits(MemoryStore):
    @asynccontextmanager
    async def watch(self, prefix: Key):
        async with super().watch(prefix) as watcher:
            yield _ForgetfulWatcher(watcher)


class _HastyWatcher:
    """Forgets what it was told when it is cancelled."""

    def __init__(self, watcher) -> None:
        self._watcher = watcher

    async def wait(self) -> None:
        try:
            await self._watcher.wait()
        finally:
            self._watcher._told.clear()


class ForgetsWhenCancelled(MemoryStore):
    @asynccontextmanager
    async def watch(self, prefix: Key):
        async with super().watch(prefix) as watcher:
            yield _HastyWatcher(watcher)


class MissesDeletes(MemoryStore):
    def _drop(self, encoded: bytes) -> None:
        tell, self._watchers.tell = self._watchers.tell, lambda _: None
        super()._drop(encoded)
        self._watchers.tell = tell


class MissesAppends(MemoryStore):
    def _extend(self, name: bytes, entries: Sequence[bytes]) -> None:
        tell, self._watchers.tell = self._watchers.tell, lambda _: None
        super()._extend(name, entries)
        self._watchers.tell = tell


class MissesClaims(MemoryStore):
    def _lease(self, encoded: bytes, until: int) -> Record | None:
        tell, self._watchers.tell = self._watchers.tell, lambda _: None
        record = super()._lease(encoded, until)
        self._watchers.tell = tell
        return record


class TellsOnlyTheFirst(MemoryStore):
    def __init__(self, *, clock) -> None:
        super().__init__(clock=clock)
        watchers = self._watchers
        watchers.tell = lambda _: [each.tell() for each in watchers._watchers[:1]]


class LeavesAWatchBehind(MemoryStore):
    @asynccontextmanager
    async def watch(self, prefix: Key):
        async with super().watch(prefix) as watcher:
            self._left = asyncio.ensure_future(watcher.wait())
            yield watcher


FOUND_BY = [
    (LetsTwoIn, CLAIM.test_one_of_64_racers_claims_the_only_record, {}),
    (LetsTwoIn, CLAIM.test_64_racers_claim_64_records_each_another_one, {}),
    (LetsTwoIn, CLAIM.test_racers_on_two_handles_never_share_a_record, {}),
    (LetsTwoIn, CLAIM.test_workers_do_every_job_once, {}),
    (ForgetsFencing, CLAIM.test_fencing_refuses_the_holder_before, {}),
    (ForgetsFencing, CLAIM.test_fencing_numbers_only_grow, {}),
    (ForgetsFencing, CLAIM.test_a_claim_is_a_write_that_every_reader_sees, {}),
    (ClaimsWithoutALease, CLAIM.test_a_leased_record_is_not_claimed_before_the_lease_has_ended, BEHIND),
    (ClaimsWithoutALease, CLAIM.test_a_claim_is_a_write_that_every_reader_sees, {}),
    (ClaimsOnlyOnce, CLAIM.test_an_expired_lease_is_taken_over_at_its_millisecond, BEHIND),
    (ClaimsAMillisecondEarly, CLAIM.test_a_record_is_due_at_its_millisecond_and_not_before, BEHIND),
    (ClaimsAMillisecondEarly, CLAIM.test_a_leased_record_is_not_claimed_before_the_lease_has_ended, AHEAD),
    (ClaimsByItsOwnClock, CLAIM.test_a_record_is_due_at_its_millisecond_and_not_before, BEHIND),
    (ClaimsByItsOwnClock, CLAIM.test_a_record_is_due_at_its_millisecond_and_not_before, AHEAD),
    (ClaimsTheExpired, CLAIM.test_expired_records_are_never_claimed, BEHIND),
    (ClaimsTheExpired, CLAIM.test_a_leased_record_expires_all_the_same, {}),
    (ClaimsInKeyOrder, CLAIM.test_what_was_due_longest_is_claimed_first, {}),
    (ClaimsInKeyOrder, CLAIM.test_a_record_that_is_due_again_waits_behind_what_was_due_before, {}),
    (ClaimsFromBelow, CLAIM.test_only_records_directly_below_the_queue_are_claimed, {}),
    (ClaimsFromBelow, CLAIM.test_the_queue_of_no_parts_holds_the_keys_of_one_part, {}),
    (ClaimsKeepNoExpiry, CLAIM.test_a_claim_returns_the_record_with_its_lease, {}),
    (LooksAtTheFirstFewOnly, CLAIM.test_many_expired_records_do_not_hide_a_live_one, {}),
    (MissesChangesBetweenWaits, WATCH.test_a_change_before_the_first_wait_is_told, {}),
    (MissesChangesBetweenWaits, WATCH.test_a_change_between_two_waits_is_told, {}),
    (ForgetsWhenCancelled, WATCH.test_a_change_while_a_wait_is_cancelled_is_told_to_the_next_one, {}),
    (MissesDeletes, BY_THIS, change_by(watches._delete)),
    (MissesDeletes, BY_ANOTHER, change_by(watches._delete_in_a_batch)),
    (MissesAppends, BY_THIS, change_by(watches._append)),
    (MissesAppends, WATCH.test_a_watcher_follows_a_log_that_others_write, {}),
    (MissesClaims, BY_ANOTHER, change_by(watches._claim)),
    (TellsOnlyTheFirst, WATCH.test_every_watcher_is_told, {}),
    (LeavesAWatchBehind, WATCH.test_leaving_a_watch_frees_everything, {}),
]  # fmt: skip

FOUND_BY_THE_MACHINE = [
    ForgetsFencing,
    ClaimsWithoutALease,
    ClaimsAMillisecondEarly,
    ClaimsTheExpired,
    ClaimsKeepNoExpiry,
]
