"""The contract of watching: every change wakes, whoever made it.

All rules go through `watch_changes`, which uses the store's own `watch` where there is one. So
they hold for the ability and for its fallback alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from holdfast.errors import StorageUnavailable
from holdfast.storage.fallback import claim_due, watch_changes, write_all
from holdfast.storage.seam import ANY, Append, Changes, Delete, Key, Put, Store, Watching
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage.fixtures import OpenAgain
from holdfast.testing.storage.samples import (
    DEADLINE,
    HOSTILE_KEYS,
    cancel_midway,
    create,
    values_of,
)

KEY = ("watched", "a")
LOG = ("watched", "log")
PREFIX = ("watched",)
STEP = 0.1
"""Seconds that the manual clock moves while a rule waits a hundredth of a real one."""


async def until_told(changes: Changes, clock: ManualClock) -> None:
    """Wait for news, and let the clock go on meanwhile; fail where none comes."""
    waiting = asyncio.ensure_future(changes.wait())
    try:
        async with asyncio.timeout(DEADLINE):
            while not waiting.done():
                await asyncio.wait({waiting}, timeout=0.01)
                clock.advance(STEP)
    except TimeoutError:
        raise AssertionError("a change was missed") from None
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    await waiting


async def until_seen(
    changes: Changes, clock: ManualClock, look: Callable[[], Awaitable[bool]]
) -> None:
    """Wait for news until a look at the store shows what is looked for."""
    while not await look():
        await until_told(changes, clock)


async def _put(store: Store) -> None:
    await store.put(KEY, b"new", expected=ANY)


async def _delete(store: Store) -> None:
    assert await store.delete(("watched", "old"), expected=ANY) is None


async def _append(store: Store) -> None:
    await store.append(LOG, [b"new"])


async def _write_all(store: Store) -> None:
    operations = [Put(key=("other",), value=b"", expected=ANY), Append(log=LOG, entries=[b"x"])]
    assert await write_all(store, operations) is None


async def _delete_in_a_batch(store: Store) -> None:
    assert await write_all(store, [Delete(key=("watched", "old"), expected=ANY)]) is None


async def _claim(store: Store) -> None:
    # Nothing else is due, so any clock will do.
    assert await claim_due(store, PREFIX, until=2**50, clock=ManualClock())


CHANGES = [_put, _delete, _append, _write_all, _delete_in_a_batch, _claim]

each_change = pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.__name__.strip("_"))


class WatchRules:
    """Nothing is missed."""

    @each_change
    async def test_a_change_by_this_handle_wakes(
        self,
        store: Store,
        clock: ManualClock,
        change: Callable[[Store], Awaitable[None]],
    ) -> None:
        await create(store, ("watched", "old"), due_at=0)
        async with watch_changes(store, PREFIX, clock=clock) as changes:
            await change(store)
            await until_told(changes, clock)

    @each_change
    async def test_a_change_by_another_handle_wakes(
        self,
        store: Store,
        other: Store,
        clock: ManualClock,
        change: Callable[[Store], Awaitable[None]],
    ) -> None:
        await create(store, ("watched", "old"), due_at=0)
        async with watch_changes(store, PREFIX, clock=clock) as changes:
            await change(other)
            await until_told(changes, clock)

    async def test_a_change_wakes_who_waits_already(
        self, store: Store, other: Store, clock: ManualClock
    ) -> None:
        async with watch_changes(store, PREFIX, clock=clock) as changes:
            for handle in (store, other, store):
                waiting = asyncio.ensure_future(until_told(changes, clock))
                await asyncio.wait({waiting}, timeout=0.01)
                await handle.put(KEY, b"", expected=ANY)
                await waiting

    async def test_a_change_before_the_first_wait_is_told(
        self, store: Store, other: Store, clock: ManualClock
    ) -> None:
        async with watch_changes(store, PREFIX, clock=clock) as changes:
            await other.append(LOG, [b"x"])
            for _ in range(5):
                await clock.sleep(0)
            await until_told(changes, clock)

    async def test_a_change_between_two_waits_is_told(
        self, store: Store, other: Store, clock: ManualClock
    ) -> None:
        async with watch_changes(store, PREFIX, clock=clock) as changes:
            for handle in (store, other) * 3:
                await handle.put(KEY, b"", expected=ANY)
                await until_told(changes, clock)

    async def test_a_watcher_that_looks_after_each_wait_sees_every_last_state(
        self, store: Store, other: Store, clock: ManualClock
    ) -> None:
        async with watch_changes(store, PREFIX, clock=clock) as changes:
            for number in range(20):
                value = b"%d" % number

                async def seen(value: bytes = value) -> bool:
                    record = await store.get(KEY)
                    return record is not None and record.value == value

                watching = asyncio.ensure_future(until_seen(changes, clock, seen))
                for _ in range(number):
                    await clock.sleep(0)
                await (store, other)[number % 2].put(KEY, value, expected=ANY)
                await watching

    async def test_a_watcher_follows_a_log_that_others_write(
        self, store: Store, other: Store, clock: ManualClock
    ) -> None:
        written = [b"%d" % number for number in range(30)]

        async def write() -> None:
            for value in written:
                await other.append(LOG, [value])

        seen: list[bytes] = []
        async with watch_changes(store, PREFIX, clock=clock) as changes:
            writing = asyncio.ensure_future(write())
            while len(seen) < len(written):
                await until_told(changes, clock)
                seen += [entry.value for entry in await store.read(LOG, after=len(seen))]
            await writing
        assert seen == written

    async def test_every_watcher_is_told(
        self, store: Store, other: Store, clock: ManualClock
    ) -> None:
        async with (
            watch_changes(store, PREFIX, clock=clock) as one,
            watch_changes(store, PREFIX, clock=clock) as two,
            watch_changes(other, PREFIX, clock=clock) as three,
        ):
            await other.put(KEY, b"", expected=ANY)
            for changes in (one, two, three):
                await until_told(changes, clock)

    async def test_a_watch_goes_on_when_another_one_ends(
        self, store: Store, other: Store, clock: ManualClock
    ) -> None:
        async with watch_changes(store, PREFIX, clock=clock) as changes:
            async with watch_changes(store, PREFIX, clock=clock):
                pass
            await other.put(KEY, b"", expected=ANY)
            await until_told(changes, clock)
            await store.put(KEY, b"", expected=ANY)
            await until_told(changes, clock)

    @pytest.mark.parametrize("prefix", [(), PREFIX, KEY], ids=ascii)
    async def test_every_prefix_of_a_key_can_be_watched(
        self, store: Store, other: Store, clock: ManualClock, prefix: Key
    ) -> None:
        async with watch_changes(store, prefix, clock=clock) as changes:
            for handle in (store, other):
                await handle.put(KEY, b"", expected=ANY)
                await until_told(changes, clock)

    @pytest.mark.parametrize("key", HOSTILE_KEYS[:16], ids=ascii)
    async def test_a_hostile_key_can_be_watched(
        self, store: Store, other: Store, clock: ManualClock, key: Key
    ) -> None:
        async with watch_changes(store, key, clock=clock) as changes:
            await other.put(key, b"", expected=ANY)
            await until_told(changes, clock)
            await store.append((*key, "log"), [b"x"])
            await until_told(changes, clock)

    async def test_a_wait_that_is_cancelled_misses_nothing(
        self, store: Store, other: Store, clock: ManualClock
    ) -> None:
        async with watch_changes(store, PREFIX, clock=clock) as changes:
            for handle in (store, other):
                await cancel_midway(changes.wait, clock, turns=3)
                await handle.put(KEY, b"", expected=ANY)
                await until_told(changes, clock)

    async def test_a_change_while_a_wait_is_cancelled_is_told_to_the_next_one(
        self, store: Store, clock: ManualClock
    ) -> None:
        async with watch_changes(store, PREFIX, clock=clock) as changes:
            for turns in range(8):
                waiting = asyncio.ensure_future(changes.wait())
                await clock.sleep(0)
                await store.put(KEY, b"", expected=ANY)
                for _ in range(turns):
                    await clock.sleep(0)
                waiting.cancel()
                (result,) = await asyncio.gather(waiting, return_exceptions=True)
                if result is not None:
                    await until_told(changes, clock)

    async def test_a_wait_can_be_given_up_after_a_time(
        self, store: Store, clock: ManualClock
    ) -> None:
        async def follow() -> None:
            async with watch_changes(store, PREFIX, clock=clock) as changes:
                while True:
                    await changes.wait()

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(follow(), 0.02)
        assert await store.append(LOG, [b"x"]) == 1

    async def test_an_error_in_the_block_leaves_the_watch(
        self, store: Store, clock: ManualClock
    ) -> None:
        with pytest.raises(KeyError, match="mine"):
            async with watch_changes(store, PREFIX, clock=clock):
                raise KeyError("mine")
        assert await store.append(LOG, [b"x"]) == 1

    async def test_leaving_a_watch_frees_everything(self, store: Store, clock: ManualClock) -> None:
        async with watch_changes(store, PREFIX, clock=clock):
            pass
        before = {task for task in asyncio.all_tasks() if not task.done()}
        for number in range(50):
            async with watch_changes(store, (*PREFIX, str(number)), clock=clock) as changes:
                await store.put(KEY, b"", expected=ANY)
                waiting = asyncio.ensure_future(changes.wait())
                await clock.sleep(0)
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
        left = {task for task in asyncio.all_tasks() - before if not task.done()}
        assert left == set()
        assert await store.append(LOG, [b"x"]) == 1

    async def test_many_may_watch_at_once(
        self, store: Store, other: Store, clock: ManualClock
    ) -> None:
        async def follow(number: int) -> None:
            async with watch_changes(store, (*PREFIX, str(number)), clock=clock) as changes:
                ready[number].set()
                await changes.wait()

        ready = [asyncio.Event() for _ in range(40)]
        followers = asyncio.gather(*map(follow, range(40)))
        for each in ready:
            await each.wait()
        await asyncio.gather(*(other.append((*PREFIX, str(n)), [b"x"]) for n in range(40)))
        async with asyncio.timeout(DEADLINE):
            while not followers.done():
                await asyncio.wait({followers}, timeout=0.01)
                clock.advance(STEP)
        await followers

    async def test_writes_are_as_they_were_while_somebody_watches(
        self, store: Store, clock: ManualClock
    ) -> None:
        async with watch_changes(store, (), clock=clock):
            await asyncio.gather(*(store.append(LOG, [b"x"]) for _ in range(20)))
            version = await create(store, KEY)
            assert await store.delete(KEY, expected=version) is None
        assert await values_of(store, LOG) == [b"x"] * 20


class WatchingRules:
    """What only the ability itself must do."""

    async def test_a_store_has_the_ability_to_watch(self, store: Store) -> None:
        assert isinstance(store, Watching)

    async def test_a_closed_store_refuses_to_be_watched(self, open_again: OpenAgain) -> None:
        async with open_again() as store:
            assert isinstance(store, Watching)
        with pytest.raises(StorageUnavailable):
            async with store.watch(PREFIX):
                pass

    async def test_a_watch_that_is_cancelled_at_its_beginning_leaves_the_store_usable(
        self, store: Store, other: Store, clock: ManualClock
    ) -> None:
        assert isinstance(store, Watching)
        watching = store.watch

        async def enter() -> None:
            async with watching(PREFIX):
                pass

        await cancel_midway(enter, clock, turns=6)
        async with watching(PREFIX) as changes:
            await other.put(KEY, b"", expected=ANY)
            await until_told(changes, clock)
