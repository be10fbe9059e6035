"""Negative controls: a store with a known fault does not pass the contract.

Each fault is named together with the rules that must find it; the same rules pass on a store
without the fault, so that the fault is the only reason for failing.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from holdfast.errors import StorageUnavailable
from holdfast.storage.keys import decode_key, encode_key, encode_prefix
from holdfast.storage.memory import MemoryStore, _Cell
from holdfast.storage.seam import ANY, Conflict, Delete, Entry, Key, Operation, Put, Record
from holdfast.testing.clock import ManualClock
from holdfast.testing.recording import Recorder, RecordingStore
from holdfast.testing.storage import (
    BatchContract,
    ClaimContract,
    HistoryContract,
    ListingContract,
    RestartContract,
    StoreContract,
    WatchContract,
    restarts,
    watches,
)
from holdfast.testing.storage.machine import StoreMachine
from holdfast.testing.stores import ForwardingStore

STORE = StoreContract()
BATCH = BatchContract()
CLAIM = ClaimContract()
WATCH = WatchContract()
LISTING = ListingContract()
HISTORY = HistoryContract()
RESTART = RestartContract()


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (watches, restarts):
        monkeypatch.setattr(module, "DEADLINE", 0.3)


async def _pause() -> None:
    await asyncio.sleep(0)


# Records


class ComparesWithoutLocking(MemoryStore):
    async def put(self, key, value, *, expected, expires_at=None, due_at=None):
        record = await self.get(key)
        current = record.version if record else 0
        await _pause()
        if expected not in (ANY, current):
            return Conflict(current)
        return await super().put(key, value, expected=ANY, expires_at=expires_at, due_at=due_at)


class DeletesWithoutLocking(MemoryStore):
    async def delete(self, key, *, expected):
        record = await self.get(key)
        await _pause()
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
            await _pause()
            last = await super().append(log, [entry])
        return last


class NumbersRefusedAppends(MemoryStore):
    async def append(self, log, entries, *, expected=ANY):
        result = await super().append(log, entries, expected=expected)
        if isinstance(result, Conflict):
            await super().append(log, [b"hole"])
        return result


# Closing


class ForgetsTheLastWrite(MemoryStore):
    """A sync that was left out."""

    _kept = ("_cells", "_order", "_queues", "_logs", "_log_order")

    def _apply(self, operation: Operation) -> None:
        self._before = {name: deepcopy(getattr(self, name)) for name in self._kept}
        super()._apply(operation)

    async def __aexit__(self, kind, error, trace) -> None:
        vars(self).update(getattr(self, "_before", {}))
        await super().__aexit__(kind, error, trace)


class ForgetsVersionsWhenClosed(MemoryStore):
    async def __aenter__(self):
        self._version = max((cell.version for cell in self._cells.values()), default=0)
        return await super().__aenter__()


class ServesWhenClosed(MemoryStore):
    def _require_open(self) -> None:
        pass


class LeavesATask(MemoryStore):
    async def __aenter__(self):
        self._task = asyncio.ensure_future(asyncio.Event().wait())
        return await super().__aenter__()


class DropsWhatWasAccepted(MemoryStore):
    _accepted = 0

    async def append(self, log, entries, *, expected=ANY):
        self._accepted += 1
        for _ in range(self._accepted):
            await _pause()
        return await super().append(log, entries, expected=expected)


class HoldsAConnectionOfTheCancelled(MemoryStore):
    def __init__(self, *, clock) -> None:
        super().__init__(clock=clock)
        self._connections = asyncio.Semaphore(5)

    async def get(self, key: Key) -> Record | None:
        await self._connections.acquire()
        for _ in range(5):
            await _pause()
        self._connections.release()
        return await super().get(key)


# Batches


class AppliesBatchesOneByOne(MemoryStore):
    async def batch(self, operations: Sequence[Operation]) -> Conflict | None:
        for index, operation in enumerate(operations):
            if conflict := await super().batch([operation]):
                return Conflict(conflict.current, index)
        return None


class ShowsHalfOfABatch(MemoryStore):
    async def batch(self, operations: Sequence[Operation]) -> Conflict | None:
        for index, operation in enumerate(operations):
            if conflict := await super().batch([operation]):
                return Conflict(conflict.current, index)
            for _ in range(2):
                await _pause()
        return None


class KeepsExpectationsOfPutsOnly(MemoryStore):
    async def batch(self, operations: Sequence[Operation]) -> Conflict | None:
        return await super().batch(
            [
                Delete(key=each.key, expected=ANY) if isinstance(each, Delete) else each
                for each in operations
            ]
        )


class LosesTimesOfABatch(MemoryStore):
    async def batch(self, operations: Sequence[Operation]) -> Conflict | None:
        return await super().batch(
            [
                replace(each, due_at=None, expires_at=None) if isinstance(each, Put) else each
                for each in operations
            ]
        )


# Claims


class LetsTwoIn(MemoryStore):
    async def claim(self, queue: Key, *, until: int) -> Record | None:
        due = self._queues.get(encode_prefix(queue), [])
        if not due or due[0][0] > self._clock.now_ms():
            return None
        encoded = due[0][1]
        await _pause()
        record = self._lease(encoded, until) if encoded in self._cells else None
        await _pause()
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


# Listing


class NamesEmptyLogs(MemoryStore):
    async def read(self, log, *, after=0, limit=None):
        if log not in map(decode_key, self._log_order):
            self._log_order.append(encode_key(log))
        return await super().read(log, after=after, limit=limit)


class ListsInOrderOfWriting(MemoryStore):
    def _extend(self, name: bytes, entries: Sequence[bytes]) -> None:
        self._logs.setdefault(name, []).extend(entries)
        if name not in self._log_order:
            self._log_order.append(name)


class ListsTheNamedOneAgain(MemoryStore):
    async def logs(self, prefix, *, after=None, limit=100):
        page = await super().logs(prefix, after=after, limit=limit)
        return [after, *page][:limit] if after and after[: len(prefix)] == prefix else page


# Several handles


class _CachingHandle(ForwardingStore):
    """Reads from what it has seen itself."""

    def __init__(self, inner: MemoryStore) -> None:
        super().__init__(inner)
        self._seen: dict[Key, Record | None] = {}

    async def get(self, key: Key) -> Record | None:
        await _pause()
        if key not in self._seen:
            self._seen[key] = await self.inner.get(key)
        return self._seen[key]

    async def put(self, key, value, *, expected, expires_at=None, due_at=None):
        await _pause()
        self._seen.pop(key, None)
        times = {"expires_at": expires_at, "due_at": due_at}
        return await self.inner.put(key, value, expected=expected, **times)

    async def __aexit__(self, kind, error, trace) -> None:
        """Leave the data open for the other handles."""


def CachesReads(clock: ManualClock):
    inner = MemoryStore(clock=clock)
    return lambda: _CachingHandle(inner)


class _DeafHandle(ForwardingStore):
    """Watches what it writes itself and nothing else."""

    def __init__(self, inner: MemoryStore) -> None:
        super().__init__(inner)
        self._private = MemoryStore(clock=inner._clock)

    async def __aenter__(self):
        await self._private.__aenter__()
        return await super().__aenter__()

    async def __aexit__(self, kind, error, trace) -> None:
        """Leave the data open for the other handles."""

    async def put(self, key, value, *, expected, expires_at=None, due_at=None):
        await self._private.put(key, value, expected=ANY)
        times = {"expires_at": expires_at, "due_at": due_at}
        return await self.inner.put(key, value, expected=expected, **times)

    def _watch_of(self, inner):
        def watch(prefix):
            return self._private.watch(prefix)

        return watch


def HearsOnlyItself(clock: ManualClock):
    inner = MemoryStore(clock=clock)
    return lambda: _DeafHandle(inner)


# Running a rule


async def _run(kind, rule, **given) -> None:
    """Run a rule on a store of this kind, with the fixtures that it names."""
    clock = ManualClock()
    if inspect.isclass(kind):
        only = kind(clock=clock)
        open_again = lambda: only  # noqa: E731
    else:
        open_again = kind(clock)
    recorder = Recorder()
    async with AsyncExitStack() as opened:
        store = await opened.enter_async_context(open_again())
        other = open_again()
        if other is not store:
            await opened.enter_async_context(other)
        fixtures = {
            "clock": clock,
            "open_again": open_again,
            "opened": store,
            "store": store,
            "other": other,
            "recorder": recorder,
            "recorded": [RecordingStore(each, recorder) for each in (store, other)],
            **given,
        }
        await rule(**{name: fixtures[name] for name in inspect.signature(rule).parameters})


def _moved(seconds: float) -> dict[str, float]:
    return {"moved": seconds}


BEHIND, AHEAD = _moved(0), _moved(40 * 365 * 86_400.0)
LIVES = STORE.test_a_record_lives_to_the_millisecond_before_it_expires
GONE = STORE.test_a_record_is_absent_at_the_millisecond_it_expires
BY_THIS, BY_ANOTHER = (
    WATCH.test_a_change_by_this_handle_wakes,
    WATCH.test_a_change_by_another_handle_wakes,
)


def _change(change) -> dict[str, object]:
    return {"change": change}


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
    (ForgetsTheLastWrite, STORE.test_everything_is_there_after_opening_again, {}),
    (ForgetsTheLastWrite, STORE.test_the_last_write_of_each_kind_is_there_after_opening_again, {}),
    (ForgetsTheLastWrite, STORE.test_a_log_goes_on_after_opening_again, {}),
    (ForgetsTheLastWrite, STORE.test_times_outlive_a_close, {}),
    (ForgetsTheLastWrite, BATCH.test_a_batch_is_there_after_opening_again, {}),
    (ForgetsTheLastWrite, LISTING.test_logs_are_named_after_opening_again, {}),
    (ForgetsVersionsWhenClosed, STORE.test_everything_is_there_after_opening_again, {}),
    (ServesWhenClosed, STORE.test_a_closed_store_refuses_every_verb, {}),
    (ServesWhenClosed, CLAIM.test_a_closed_store_refuses_a_claim, {}),
    (ServesWhenClosed, BATCH.test_a_closed_store_refuses_a_batch, {}),
    (ServesWhenClosed, LISTING.test_a_closed_store_refuses_to_list, {}),
    (LeavesATask, STORE.test_opening_again_and_again_leaves_no_task_behind, {}),
    (DropsWhatWasAccepted, STORE.test_closing_finishes_what_was_accepted, {}),
    (HoldsAConnectionOfTheCancelled, STORE.test_a_crowd_of_cancelled_callers_uses_nothing_up, {}),
    (AppliesBatchesOneByOne, BATCH.test_a_batch_that_is_refused_leaves_nothing, {}),
    (AppliesBatchesOneByOne, BATCH.test_a_large_batch_that_is_refused_at_its_end_leaves_nothing, {}),
    (ShowsHalfOfABatch, BATCH.test_one_of_many_racing_batches_wins_all_its_keys, {}),
    (ShowsHalfOfABatch, BATCH.test_readers_never_see_half_of_a_batch, {}),
    (ShowsHalfOfABatch, BATCH.test_a_cancelled_batch_happens_wholly_or_not_at_all, {}),
    (KeepsExpectationsOfPutsOnly, BATCH.test_a_refused_delete_or_append_refuses_the_batch, {}),
    (LosesTimesOfABatch, BATCH.test_a_batch_knows_expiry, {}),
    (LosesTimesOfABatch, STORE.test_write_all_keeps_the_times_of_records, {}),
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
    (MissesDeletes, BY_THIS, _change(watches._delete)),
    (MissesDeletes, BY_ANOTHER, _change(watches._delete_in_a_batch)),
    (MissesAppends, BY_THIS, _change(watches._append)),
    (MissesAppends, WATCH.test_a_watcher_follows_a_log_that_others_write, {}),
    (MissesClaims, BY_ANOTHER, _change(watches._claim)),
    (TellsOnlyTheFirst, WATCH.test_every_watcher_is_told, {}),
    (LeavesAWatchBehind, WATCH.test_leaving_a_watch_frees_everything, {}),
    (ServesWhenClosed, WATCH.test_a_closed_store_refuses_to_be_watched, {}),
    (HearsOnlyItself, BY_ANOTHER, _change(watches._put)),
    (HearsOnlyItself, WATCH.test_a_change_wakes_who_waits_already, {}),
    (HearsOnlyItself, WATCH.test_a_watcher_that_looks_after_each_wait_sees_every_last_state, {}),
    (CachesReads, STORE.test_another_handle_sees_everything_that_was_acknowledged, {}),
    (CachesReads, HISTORY.test_what_concurrent_callers_saw_is_explained_by_some_order, {"seed": 0}),
    (NamesEmptyLogs, LISTING.test_a_log_without_entries_is_none, {}),
    (ListsInOrderOfWriting, LISTING.test_names_come_in_key_order_whatever_the_order_of_writing, {}),
    (ListsTheNamedOneAgain, LISTING.test_pages_join_to_the_whole, {"limit": 7}),
]  # fmt: skip


def _name(value: object) -> str | None:
    return getattr(value, "__name__", "" if value == {} else None)


@pytest.mark.parametrize(("kind", "rule", "given"), FOUND_BY, ids=_name)
async def test_a_store_with_a_fault_fails_the_rule_that_names_it(kind, rule, given) -> None:
    # pytest.raises that saw nothing raises this one too, which is no AssertionError.
    with pytest.raises((AssertionError, pytest.fail.Exception, TimeoutError, StorageUnavailable)):
        async with asyncio.timeout(5):
            await _run(kind, rule, **given)


@pytest.mark.parametrize(
    ("rule", "given"), {(rule, str(given)): (rule, given) for _, rule, given in FOUND_BY}.values()
)
async def test_the_faults_are_the_only_reason_for_failing(rule, given) -> None:
    await _run(MemoryStore, rule, **given)


def test_every_fault_has_a_rule_that_finds_it() -> None:
    faults = {
        value
        for value in globals().values()
        if inspect.isclass(value) and issubclass(value, MemoryStore) and value is not MemoryStore
    }
    found = {kind for kind, _, _ in FOUND_BY if inspect.isclass(kind)}
    assert faults == found | set(FOUND_BY_THE_MACHINE)


# Random histories


class ListsOneTooMany(MemoryStore):
    async def logs(self, prefix, *, after=None, limit=100):
        return await super().logs(prefix, after=after, limit=limit + 1)


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
    ForgetsTheLastWrite,
    AppliesBatchesOneByOne,
    KeepsExpectationsOfPutsOnly,
    LosesTimesOfABatch,
    ForgetsFencing,
    ClaimsWithoutALease,
    ClaimsAMillisecondEarly,
    ClaimsTheExpired,
    ClaimsKeepNoExpiry,
    NamesEmptyLogs,
    ListsInOrderOfWriting,
    ListsOneTooMany,
]


def _try_histories(kind, *, examples: int) -> None:
    def fresh(clock: ManualClock):
        store = kind(clock=clock)
        return lambda: store

    # One fault is enough: it need not be made small.
    run_state_machine_as_test(
        lambda: StoreMachine(fresh),
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("kind", FOUND_BY_THE_MACHINE, ids=_name)
def test_random_histories_find_a_fault(kind) -> None:
    with pytest.raises(AssertionError):
        _try_histories(kind, examples=400)


def test_random_histories_find_nothing_where_no_fault_is() -> None:
    _try_histories(MemoryStore, examples=20)


# Restarts


class _Server:
    """Data in memory behind connections that a restart cuts."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.data = MemoryStore(clock=self.clock)
        self.started = 0

    async def restart(self) -> None:
        self.started += 1


class Client(ForwardingStore):
    """Finds the server again after the first failure."""

    def __init__(self, server: _Server) -> None:
        super().__init__(server.data)
        self.server = server
        self._connected = server.started

    async def __aexit__(self, kind, error, trace) -> None:
        """Leave the data open for the other handles."""

    async def _call(self, verb, action):
        await _pause()
        if verb not in ("watch", "wait") and self._connected != self.server.started:
            self._connected = self.server.started
            raise self.failure()
        return await action()

    def failure(self) -> Exception:
        return StorageUnavailable("the connection was cut")


class NeverReconnects(Client):
    async def _call(self, verb, action):
        if self.server.started:
            raise StorageUnavailable("the connection was cut")
        return await action()


class LeaksTheErrorOfItsDriver(Client):
    def failure(self) -> Exception:
        return ConnectionResetError("driver")


class _Deaf(Client):
    def _watch_of(self, inner):
        @asynccontextmanager
        async def watch(prefix):
            async with inner.watch(prefix) as changes:
                yield _UntilRestart(changes, self.server)

        return watch


class _UntilRestart:
    def __init__(self, changes, server: _Server) -> None:
        self._changes = changes
        self._server = server

    async def wait(self) -> None:
        await (asyncio.Event() if self._server.started else self._changes).wait()


class StopsWatchingAtARestart(_Deaf):
    pass


class _ForgettingServer(_Server):
    async def restart(self) -> None:
        await super().restart()
        fresh = MemoryStore(clock=self.clock)
        vars(self.data).update({**vars(fresh), "_open": True})


class ForgetsAtARestart(Client):
    pass


async def _restart(kind, rule, server: _Server) -> None:
    async with kind(server) as store, kind(server) as other:
        fixtures = {
            "store": store,
            "other": other,
            "clock": server.clock,
            "restart_server": server.restart,
        }
        await rule(**{name: fixtures[name] for name in inspect.signature(rule).parameters})


RESTART_RULES = [
    getattr(RESTART, name) for name in dir(restarts.RestartRules) if name.startswith("test_")
]


@pytest.mark.parametrize("rule", RESTART_RULES, ids=_name)
async def test_a_store_that_reconnects_passes_the_rules_of_restarts(rule) -> None:
    await _restart(Client, rule, _Server())


@pytest.mark.parametrize(
    ("kind", "server", "rule"),
    [
        *((NeverReconnects, _Server, rule) for rule in RESTART_RULES),
        (LeaksTheErrorOfItsDriver, _Server, RESTART.test_reads_go_on_after_a_restart),
        (LeaksTheErrorOfItsDriver, _Server,
         RESTART.test_writes_under_way_are_acknowledged_and_there_or_fail),
        (StopsWatchingAtARestart, _Server,
         RESTART.test_a_watcher_from_before_a_restart_is_told_of_a_change_behind_it),
        (ForgetsAtARestart, _ForgettingServer, RESTART.test_reads_go_on_after_a_restart),
        (ForgetsAtARestart, _ForgettingServer,
         RESTART.test_versions_grow_over_a_restart_and_a_delete),
        (ForgetsAtARestart, _ForgettingServer, RESTART.test_a_lease_outlives_a_restart),
        (ForgetsAtARestart, _ForgettingServer,
         RESTART.test_writes_under_way_are_acknowledged_and_there_or_fail),
    ],
    ids=_name,
)  # fmt: skip
async def test_a_store_that_does_not_survive_a_restart_fails(kind, server, rule) -> None:
    with pytest.raises((AssertionError, TimeoutError, StorageUnavailable, ConnectionResetError)):
        await _restart(kind, rule, server())
