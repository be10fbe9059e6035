"""Stores with a fault in records, their expiry, scans or logs, and the rules that find it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from holdfast.storage.keys import encode_key, encode_prefix
from holdfast.storage.memory import MemoryStore, _Cell
from holdfast.storage.seam import ANY, Conflict, Entry, Key, Record
from tests.storage.negative_rules import (
    AHEAD,
    BATCH,
    BEHIND,
    CLAIM,
    GONE,
    HISTORY,
    LIVES,
    STORE,
    pause,
)

# Records


class ComparesWithoutLocking(MemoryStore):
    async def put(self, key, value, *, expected, expires_at=None, due_at=None):
        record = await self.get(key)
        current = record.version if record else 0
        await pause()
        if expected not in (ANY, current):
            return Conflict(current)
        return await super().put(key, value, expected=ANY, expires_at=expires_at, due_at=due_at)


class DeletesWithoutLocking(MemoryStore):
    async def delete(self, key, *, expected):
        record = await self.get(key)
        await pause()
        current = record.version if record else 0
        if expected not in (ANY, current):
            return Conflict(current)
        return await super().delete(key, expected=ANY)


class ForgetsConflicts(MemoryStore):
    async def put(self, key, value, *, expected, expires_at=None, due_at=None):
        return await super().put(key, value, expected=ANY, expires_at=expires_at, due_at=due_at)

    async def append(self, log, entries, *, expected=ANY):
        return await super().append(log, entries)


class NamesTheExpectedVersion(MemoryStore):
    async def put(self, key, value, *, expected, expires_at=None, due_at=None):
        times = {"expires_at": expires_at, "due_at": due_at}
        result = await super().put(key, value, expected=expected, **times)
        return Conflict(expected) if isinstance(result, Conflict) else result


class ReusesVersions(MemoryStore):
    async def delete(self, key: Key, *, expected: int) -> Conflict | None:
        result = await super().delete(key, expected=expected)
        self._version = 0
        return result


class ForgetsVersionsOfTheExpired(MemoryStore):
    def _live(self, encoded: bytes) -> _Cell | None:
        cell = super()._live(encoded)
        if cell is None and encoded in self._cells:
            self._drop(encoded)
            self._version = 0
        return cell


class KeepsOldTimes(MemoryStore):
    async def put(self, key, value, *, expected, expires_at=None, due_at=None):
        old = await self.get(key)
        if old:
            expires_at, due_at = expires_at or old.expires_at, due_at or old.due_at
        times = {"expires_at": expires_at, "due_at": due_at}
        return await super().put(key, value, expected=expected, **times)


class TakesZeroForNever(MemoryStore):
    async def put(self, key, value, *, expected, expires_at=None, due_at=None):
        times = {"expires_at": expires_at or None, "due_at": due_at or None}
        return await super().put(key, value, expected=expected, **times)


class JoinsKeys(MemoryStore):
    async def get(self, key: Key) -> Record | None:
        return await super().get((":".join(key),))

    async def put(self, key, value, *, expected, expires_at=None, due_at=None):
        times = {"expires_at": expires_at, "due_at": due_at}
        return await super().put((":".join(key),), value, expected=expected, **times)


class StoresText(MemoryStore):
    async def put(self, key, value, *, expected, expires_at=None, due_at=None):
        text = value.decode(errors="replace").encode()
        times = {"expires_at": expires_at, "due_at": due_at}
        return await super().put(key, text, expected=expected, **times)


class TakesAnySize(MemoryStore):
    @property
    def max_value_bytes(self) -> int:
        return 100_000


# Expiry


class ExpiresLate(MemoryStore):
    async def put(self, key, value, *, expected, expires_at=None, due_at=None):
        late = None if expires_at is None else expires_at + 1
        return await super().put(key, value, expected=expected, expires_at=late, due_at=due_at)


class ExpiresAtFullSeconds(MemoryStore):
    async def put(self, key, value, *, expected, expires_at=None, due_at=None):
        early = None if expires_at is None else expires_at // 10_000 * 10_000
        return await super().put(key, value, expected=expected, expires_at=early, due_at=due_at)


class ExpiresByItsOwnClock(MemoryStore):
    def _live(self, encoded: bytes) -> _Cell | None:
        cell = self._cells.get(encoded)
        late = cell and cell.expires_at is not None and time.time() * 1000 >= cell.expires_at
        return None if late else cell


class ShowsTheExpired(MemoryStore):
    async def get(self, key: Key) -> Record | None:
        self._require_open()
        cell = self._cells.get(encode_key(key))
        return cell and Record(key, cell.value, cell.version, cell.expires_at, cell.due_at)


class CountsTheExpiredInPages(MemoryStore):
    async def scan(self, prefix, *, after=None, limit=100):
        cells = [key for key in sorted(self._cells) if key.startswith(encode_prefix(prefix))]
        behind = [key for key in cells if after is None or key > encode_key(after)][:limit]
        return [record for key in behind if (record := self._record(key))]


# Scans and logs


class SkipsOnPages(MemoryStore):
    async def scan(self, prefix, *, after=None, limit=100):
        page = await super().scan(prefix, after=after, limit=limit + 1)
        return page[1:] if after else page[:limit]


class StartsOverWhenTheStartIsGone(MemoryStore):
    async def scan(self, prefix, *, after=None, limit=100):
        if after is not None and await self.get(after) is None:
            after = None
        return await super().scan(prefix, after=after, limit=limit)


class SortsByUtf16(MemoryStore):
    async def scan(self, prefix, *, after=None, limit=100):
        page = await super().scan(prefix, after=after, limit=limit)
        return sorted(page, key=lambda each: [part.encode("utf-16-be") for part in each.key])


class EndsPagesAtAMebibyte(MemoryStore):
    async def scan(self, prefix, *, after=None, limit=100):
        return (await super().scan(prefix, after=after, limit=limit))[:16]

    async def read(self, log, *, after=0, limit=None):
        return (await super().read(log, after=after, limit=limit))[:16]


class ReadsFromTheNumberOn(MemoryStore):
    async def read(self, log: Key, *, after: int = 0, limit: int | None = None) -> Sequence[Entry]:
        return await super().read(log, after=after - 1, limit=limit)


class AppendsOneByOne(MemoryStore):
    async def append(self, log, entries, *, expected=ANY):
        last = await super().append(log, entries[:1], expected=expected)
        for entry in entries[1:]:
            await pause()
            last = await super().append(log, [entry])
        return last


class NumbersRefusedAppends(MemoryStore):
    async def append(self, log, entries, *, expected=ANY):
        result = await super().append(log, entries, expected=expected)
        if isinstance(result, Conflict):
            await super().append(log, [b"hole"])
        return result


FOUND_BY = [
    (ComparesWithoutLocking, STORE.test_one_of_64_racers_creates, {}),
    (ComparesWithoutLocking, STORE.test_one_of_64_racers_replaces, {}),
    (ComparesWithoutLocking, STORE.test_one_of_two_handles_creates, {}),
    (ComparesWithoutLocking, STORE.test_no_increment_is_lost_among_tasks_that_retry, {}),
    (ComparesWithoutLocking, STORE.test_no_increment_is_lost_among_handles, {}),
    (ComparesWithoutLocking, STORE.test_a_version_is_either_replaced_or_deleted, {}),
    (ComparesWithoutLocking, CLAIM.test_a_record_is_either_claimed_or_replaced_first, {}),
    (ComparesWithoutLocking, HISTORY.test_what_concurrent_callers_saw_is_explained_by_some_order, {"seed": 0}),
    (DeletesWithoutLocking, STORE.test_one_of_64_racers_deletes, {}),
    (DeletesWithoutLocking, CLAIM.test_a_record_is_either_claimed_or_deleted_first, {}),
    (ForgetsConflicts, STORE.test_a_key_is_created_once, {}),
    (ForgetsConflicts, STORE.test_a_stale_version_is_refused_with_the_current_one, {}),
    (ForgetsConflicts, STORE.test_one_of_64_racers_appends_at_a_number, {}),
    (ForgetsConflicts, HISTORY.test_what_concurrent_callers_saw_is_explained_by_some_order, {"seed": 0}),
    (NamesTheExpectedVersion, STORE.test_the_version_of_a_conflict_is_the_one_to_expect, {}),
    (NamesTheExpectedVersion, HISTORY.test_what_concurrent_callers_saw_is_explained_by_some_order, {"seed": 0}),
    (ReusesVersions, STORE.test_versions_grow_across_delete_and_create_again, {}),
    (ReusesVersions, STORE.test_a_version_from_before_a_delete_never_matches_again, {}),
    (ReusesVersions, STORE.test_any_creates_again_with_a_greater_version, {}),
    (ReusesVersions, HISTORY.test_what_concurrent_callers_saw_is_explained_by_some_order, {"seed": 0}),
    (ForgetsVersionsOfTheExpired, STORE.test_an_expired_key_is_created_again_with_a_greater_version, BEHIND),
    (ForgetsVersionsOfTheExpired, STORE.test_the_version_of_an_expired_record_never_matches_again, {}),
    (KeepsOldTimes, STORE.test_a_put_without_times_removes_them, {}),
    (KeepsOldTimes, STORE.test_a_put_replaces_the_expiry_too, {}),
    (KeepsOldTimes, CLAIM.test_the_holder_takes_the_record_out_of_the_queue, {}),
    (TakesZeroForNever, STORE.test_an_expiry_in_the_distant_past_writes_what_nobody_sees, {"expires_at": 0}),
    (TakesZeroForNever, CLAIM.test_what_was_due_in_the_distant_past_is_due, {"due_at": 0}),
    (JoinsKeys, STORE.test_hostile_keys_do_not_touch_one_another, {}),
    (JoinsKeys, STORE.test_the_owner_of_a_key_with_a_colon_sees_nothing_of_another, {}),
    (StoresText, STORE.test_a_hostile_value_is_a_value_like_any_other, {"value": b"\xff"}),
    (TakesAnySize, STORE.test_a_longer_value_is_a_usage_error_and_changes_nothing, {}),
    (TakesAnySize, STORE.test_a_longer_entry_is_a_usage_error_and_adds_nothing, {}),
    (TakesAnySize, BATCH.test_a_batch_with_an_oversized_value_leaves_nothing, {}),
    (ExpiresLate, GONE, BEHIND),
    (ExpiresLate, GONE, AHEAD),
    (ExpiresAtFullSeconds, LIVES, BEHIND),
    (ExpiresByItsOwnClock, LIVES, BEHIND),
    (ExpiresByItsOwnClock, GONE, AHEAD),
    (ShowsTheExpired, GONE, BEHIND),
    (ShowsTheExpired, STORE.test_an_expired_record_stays_away_however_late_it_is_looked_for, {}),
    (ShowsTheExpired, STORE.test_an_expired_record_is_absent_to_another_handle, {}),
    (CountsTheExpiredInPages, STORE.test_expired_records_do_not_shorten_a_page, {}),
    (SkipsOnPages, STORE.test_unchanged_records_are_seen_once_while_others_come_and_go, {}),
    (SkipsOnPages, STORE.test_pages_join_to_the_whole, {"limit": 2}),
    (StartsOverWhenTheStartIsGone, STORE.test_a_page_begins_behind_a_key_that_is_gone, {}),
    (StartsOverWhenTheStartIsGone, STORE.test_a_page_begins_behind_a_key_that_has_expired, {}),
    (SortsByUtf16, STORE.test_keys_are_ordered_by_code_point, {}),
    (EndsPagesAtAMebibyte, STORE.test_a_page_of_large_values_is_whole, {}),
    (EndsPagesAtAMebibyte, STORE.test_many_large_entries_are_read_together, {}),
    (ReadsFromTheNumberOn, STORE.test_reading_begins_behind_a_number_and_ends_at_the_limit,
     {"after": 2, "limit": None, "numbers": [3, 4, 5]}),
    (AppendsOneByOne, STORE.test_concurrent_appends_are_all_there_without_gaps, {}),
    (AppendsOneByOne, STORE.test_readers_of_a_log_see_its_beginning_without_gaps, {}),
    (AppendsOneByOne, STORE.test_a_cancelled_append_happens_wholly_or_not_at_all, {}),
    (AppendsOneByOne, HISTORY.test_what_concurrent_callers_saw_is_explained_by_some_order, {"seed": 0}),
    (NumbersRefusedAppends, STORE.test_refused_appends_leave_no_gap, {}),
]  # fmt: skip

FOUND_BY_THE_MACHINE = [
    ForgetsConflicts,
    NamesTheExpectedVersion,
    ReusesVersions,
    KeepsOldTimes,
    ExpiresLate,
    ShowsTheExpired,
    SkipsOnPages,
    ReadsFromTheNumberOn,
    NumbersRefusedAppends,
]
