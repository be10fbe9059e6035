"""Random work of many tasks on several handles, recorded and judged by a linearizability check."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from random import Random

import pytest

from holdfast.storage.fallback import write_all
from holdfast.storage.seam import ABSENT, ANY, Append, Claiming, Conflict, Key, Put, Store
from holdfast.testing.clock import ManualClock
from holdfast.testing.recording import Recorder, RecordingStore
from holdfast.testing.storage.fixtures import OpenAgain

_QUEUE = ("jobs",)
_KEYS: tuple[Key, ...] = (("jobs", "a"), ("jobs", "b"))
_LOG = ("log",)


class HistoryFixtures:
    """Several recorded handles of one store."""

    handles = 3
    """Handles that work at once, if the backend allows more than one."""

    @pytest.fixture
    def recorder(self) -> Recorder:
        """Return what notes the calls of all handles."""
        return Recorder()

    @pytest.fixture
    async def recorded(
        self, open_again: OpenAgain, recorder: Recorder
    ) -> AsyncIterator[list[Store]]:
        """Give open handles of the same data, all of which are recorded."""
        async with AsyncExitStack() as opened:
            stores = [open_again() for _ in range(self.handles)]
            for store in set(stores):
                await opened.enter_async_context(store)
            yield [RecordingStore(store, recorder) for store in stores]


class HistoryRules:
    """What all callers saw together has an order that explains it."""

    workers = 6
    """Tasks that work at once."""
    steps = 15
    """Calls of each of them."""

    @pytest.mark.parametrize("seed", range(5))
    async def test_what_concurrent_callers_saw_is_explained_by_some_order(
        self, recorded: list[Store], recorder: Recorder, clock: ManualClock, seed: int
    ) -> None:
        await asyncio.gather(
            *(
                _Worker(recorded[n % len(recorded)], clock, seed * 100 + n).work(self.steps)
                for n in range(self.workers)
            )
        )
        assert recorder.faults() == []
        assert len(recorder.calls) == len(_KEYS) + 1

    @pytest.mark.parametrize("seed", range(5))
    async def test_what_callers_saw_beside_others_that_were_cancelled_is_explained(
        self, recorded: list[Store], recorder: Recorder, clock: ManualClock, seed: int
    ) -> None:
        workers = [
            asyncio.ensure_future(
                _Worker(recorded[n % len(recorded)], clock, seed * 100 + n).work(self.steps)
            )
            for n in range(self.workers)
        ]
        for victim in workers[::2]:
            await asyncio.wait({victim}, timeout=0.003)
            victim.cancel()
        results = await asyncio.gather(*workers, return_exceptions=True)
        for result in results:
            assert result is None or isinstance(result, asyncio.CancelledError)
        await _Worker(recorded[0], clock, seed).work(self.steps)
        assert recorder.faults() == []


class _Worker:
    """Calls verbs at random, with expectations that are often right and often stale."""

    def __init__(self, store: Store, clock: ManualClock, seed: int) -> None:
        self._store = store
        self._clock = clock
        self._random = Random(seed)
        self._known: dict[Key, int] = {}

    async def work(self, steps: int) -> None:
        """Make so many calls."""
        verbs: list[Callable[[Key], Awaitable[None]]] = [
            self._get,
            self._get,
            self._put,
            self._put,
            self._delete,
            self._append,
            self._read,
            self._claim,
            self._batch,
        ]
        for _ in range(steps):
            await self._random.choice(verbs)(self._random.choice(_KEYS))
            if self._random.random() < 0.3:
                await self._clock.sleep(0)

    async def _get(self, key: Key) -> None:
        record = await self._store.get(key)
        self._known[key] = record.version if record else ABSENT

    async def _put(self, key: Key) -> None:
        result = await self._store.put(
            key, self._value(), expected=self._expect(key), due_at=self._random.choice([None, 0])
        )
        self._known[key] = result.current if isinstance(result, Conflict) else result

    async def _delete(self, key: Key) -> None:
        conflict = await self._store.delete(key, expected=self._expect(key))
        self._known[key] = conflict.current if conflict else ABSENT

    async def _append(self, _key: Key) -> None:
        values = [self._value() for _ in range(self._random.randint(1, 2))]
        result = await self._store.append(_LOG, values, expected=self._expect(_LOG))
        self._known[_LOG] = result.current if isinstance(result, Conflict) else result

    async def _read(self, _key: Key) -> None:
        after = self._random.choice([0, 0, 1, 5])
        entries = await self._store.read(_LOG, after=after, limit=self._random.choice([None, 2]))
        if entries:
            self._known[_LOG] = entries[-1].number

    async def _claim(self, _key: Key) -> None:
        if isinstance(self._store, Claiming):
            record = await self._store.claim(_QUEUE, until=self._random.choice([0, 2**50]))
            if record:
                self._known[record.key] = record.version

    async def _batch(self, key: Key) -> None:
        operations = [
            Put(key=key, value=self._value(), expected=self._expect(key), due_at=0),
            Append(log=_LOG, entries=[self._value()], expected=self._expect(_LOG)),
        ]
        await write_all(self._store, operations)

    def _expect(self, key: Key) -> int:
        return self._random.choice([self._known.get(key, ABSENT)] * 3 + [ANY, ABSENT])

    def _value(self) -> bytes:
        return self._random.randbytes(6).hex().encode()
