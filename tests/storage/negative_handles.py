"""Stores with a fault in closing, batches, listing or several handles, and what finds it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace

from holdfast.storage.keys import decode_key, encode_key
from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import ANY, Conflict, Delete, Key, Operation, Put, Record
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage import watches
from holdfast.testing.stores import ForwardingStore
from tests.storage.negative_rules import (
    BATCH,
    BY_ANOTHER,
    CLAIM,
    HISTORY,
    LISTING,
    STORE,
    WATCH,
    change_by,
    pause,
)

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
            await pause()
        return await super().append(log, entries, expected=expected)


class HoldsAConnectionOfTheCancelled(MemoryStore):
    def __init__(self, *, clock) -> None:
        super().__init__(clock=clock)
        self._connections = asyncio.Semaphore(5)

    async def get(self, key: Key) -> Record | None:
        await self._connections.acquire()
        for _ in range(5):
            await pause()
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
                await pause()
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


class ListsOneTooMany(MemoryStore):
    async def logs(self, prefix, *, after=None, limit=100):
        return await super().logs(prefix, after=after, limit=limit + 1)


# Several handles


class _CachingHandle(ForwardingStore):
    """Reads from what it has seen itself."""

    def __init__(self, inner: MemoryStore) -> None:
        super().__init__(inner)
        self._seen: dict[Key, Record | None] = {}

    async def get(self, key: Key) -> Record | None:
        await pause()
        if key not in self._seen:
            self._seen[key] = await self.inner.get(key)
        return self._seen[key]

    async def put(self, key, value, *, expected, expires_at=None, due_at=None):
        await pause()
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


FOUND_BY = [
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
    (ServesWhenClosed, WATCH.test_a_closed_store_refuses_to_be_watched, {}),
    (HearsOnlyItself, BY_ANOTHER, change_by(watches._put)),
    (HearsOnlyItself, WATCH.test_a_change_wakes_who_waits_already, {}),
    (HearsOnlyItself, WATCH.test_a_watcher_that_looks_after_each_wait_sees_every_last_state, {}),
    (CachesReads, STORE.test_another_handle_sees_everything_that_was_acknowledged, {}),
    (CachesReads, HISTORY.test_what_concurrent_callers_saw_is_explained_by_some_order, {"seed": 0}),
    (NamesEmptyLogs, LISTING.test_a_log_without_entries_is_none, {}),
    (ListsInOrderOfWriting, LISTING.test_names_come_in_key_order_whatever_the_order_of_writing, {}),
    (ListsTheNamedOneAgain, LISTING.test_pages_join_to_the_whole, {"limit": 7}),
]  # fmt: skip

FOUND_BY_THE_MACHINE = [
    ForgetsTheLastWrite,
    AppliesBatchesOneByOne,
    KeepsExpectationsOfPutsOnly,
    LosesTimesOfABatch,
    NamesEmptyLogs,
    ListsInOrderOfWriting,
    ListsOneTooMany,
]
