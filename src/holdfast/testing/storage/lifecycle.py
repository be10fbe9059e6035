"""The contract of opening, closing, and of callers that are cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, cast

import pytest

from holdfast.storage.seam import ABSENT, ANY, Conflict, Key, Record, Store
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage.fixtures import OpenAgain
from holdfast.testing.storage.samples import (
    KEY,
    LOG,
    append_in_turn,
    assert_refused,
    cancel_midway,
    create,
    existing,
    keys_of,
    numbers,
    replace,
    values_of,
)


class LifecycleRules:
    """Nothing is lost over a close, and nothing is done behind it."""

    async def test_everything_is_there_after_opening_again(self, open_again: OpenAgain) -> None:
        async with open_again() as store:
            version = await create(store, KEY, b"kept")
            gone = await create(store, ("gone",))
            await store.delete(("gone",), expected=gone)
            await store.append(LOG, [b"a", b"b"])
        async with open_again() as store:
            assert await store.get(KEY) == Record(KEY, b"kept", version)
            assert await store.append(LOG, [b"c"], expected=2) == 3
            assert await create(store, ("gone",)) > gone

    async def test_the_last_write_of_each_kind_is_there_after_opening_again(
        self, open_again: OpenAgain
    ) -> None:
        async with open_again() as store:
            await create(store, KEY, b"last")
        async with open_again() as store:
            version = (await existing(store, KEY)).version
            await store.append(LOG, [b"last"])
        async with open_again() as store:
            assert await values_of(store, LOG) == [b"last"]
            await replace(store, KEY, b"newer", version)
        async with open_again() as store:
            assert (await existing(store, KEY)).value == b"newer"
            await store.delete(KEY, expected=ANY)
        async with open_again() as store:
            assert await store.get(KEY) is None

    async def test_times_outlive_a_close(self, open_again: OpenAgain, clock: ManualClock) -> None:
        later = clock.now_ms() + 1000
        async with open_again() as store:
            version = await create(store, KEY, expires_at=later, due_at=later + 1)
        async with open_again() as store:
            assert await store.get(KEY) == Record(KEY, b"v", version, later, later + 1)

    async def test_closing_finishes_what_was_accepted(self, open_again: OpenAgain) -> None:
        async with open_again() as store:
            writes = [asyncio.ensure_future(store.append(LOG, [b"x"])) for _ in range(100)]
            # By then all of them have been called.
            await writes[0]
        assert sorted(numbers(await asyncio.gather(*writes))) == list(range(1, 101))
        async with open_again() as store:
            assert len(await store.read(LOG)) == 100

    async def test_a_closed_store_refuses_every_verb(self, open_again: OpenAgain) -> None:
        async with open_again() as store:
            pass
        await assert_refused(_verbs(store))

    async def test_a_store_that_was_never_entered_refuses_every_verb(
        self, open_again: OpenAgain
    ) -> None:
        await assert_refused(_verbs(open_again()))

    async def test_a_closed_store_can_be_entered_again(self, open_again: OpenAgain) -> None:
        store = open_again()
        for number in range(3):
            async with store:
                assert await store.append(LOG, [b"x"], expected=number) == number + 1

    async def test_an_error_in_the_block_leaves_it_and_loses_nothing(
        self, open_again: OpenAgain
    ) -> None:
        async def fail() -> None:
            async with open_again() as store:
                await create(store, KEY)
                raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            await fail()
        async with open_again() as store:
            assert await store.get(KEY) is not None

    async def test_closing_one_handle_leaves_another_one_open(
        self, opened: Store, open_again: OpenAgain
    ) -> None:
        await create(opened, KEY)
        async with open_again() as again:
            await create(again, ("second",))
        if again is opened:
            # The only handle there can be.
            await opened.__aenter__()
        assert await keys_of(opened, ()) == [KEY, ("second",)]
        assert await opened.append(LOG, [b"x"]) == 1

    async def test_opening_again_and_again_leaves_no_task_behind(
        self, open_again: OpenAgain
    ) -> None:
        before = asyncio.all_tasks()
        for _ in range(5):
            async with open_again() as store:
                await store.append(LOG, [b"x"])
        assert {task for task in asyncio.all_tasks() - before if not task.done()} == set()


def _verbs(store: Store) -> list[Awaitable[object]]:
    return [
        store.get(KEY),
        store.put(KEY, b"", expected=ANY),
        store.delete(KEY, expected=ANY),
        store.scan(()),
        store.append(LOG, [b""]),
        store.read(LOG),
    ]


class CancellationRules:
    """A caller that gives up takes nobody along, and leaves no half of a write.

    What was cancelled may still happen a little later, as after a caller's death.
    """

    async def test_a_cancelled_put_happens_wholly_or_not_at_all(
        self, store: Store, clock: ManualClock
    ) -> None:
        later = clock.now_ms() + 1000
        whole = (b"new" * 100, later)
        versions = await cancel_midway(
            lambda: store.put(KEY, whole[0], expected=ANY, due_at=later), clock, turns=6
        )
        record = await store.get(KEY)
        assert record or not versions
        assert record is None or (record.value, record.due_at) == whole
        await _replace_at_last(store, KEY, b"after")
        record = await existing(store, KEY)
        assert (record.value, record.due_at) in [(b"after", None), whole]

    async def test_a_cancelled_create_happens_at_most_once(
        self, store: Store, clock: ManualClock
    ) -> None:
        versions = await cancel_midway(
            lambda: store.put(KEY, b"v", expected=ABSENT), clock, turns=6
        )
        assert sum(isinstance(version, int) for version in versions) <= 1
        assert len(await keys_of(store, ())) <= 1
        await store.put(KEY, b"after", expected=ANY)
        assert (await existing(store, KEY)).value == b"after"

    async def test_a_cancelled_delete_happens_wholly_or_not_at_all(
        self, store: Store, clock: ManualClock
    ) -> None:
        version = await create(store, KEY)
        results = await cancel_midway(lambda: store.delete(KEY, expected=version), clock, turns=6)
        record = await store.get(KEY)
        assert record in (None, Record(KEY, b"v", version))
        if None in results:
            assert record is None
        assert await store.delete(KEY, expected=ANY) is None
        assert await create(store, KEY) > version

    async def test_a_cancelled_append_happens_wholly_or_not_at_all(
        self, store: Store, clock: ManualClock
    ) -> None:
        await cancel_midway(lambda: store.append(LOG, [b"a", b"b", b"c"]), clock, turns=6)
        last = await append_in_turn(store, LOG, b"after")
        assert last % 3 == 1
        values = await values_of(store, LOG)
        values.remove(b"after")
        assert values == [b"a", b"b", b"c"] * (len(values) // 3)

    async def test_cancelling_half_of_many_appends_spares_the_others(self, store: Store) -> None:
        writes = [asyncio.ensure_future(store.append(LOG, [b"a", b"b"])) for _ in range(20)]
        for write in writes[::2]:
            asyncio.get_running_loop().call_soon(write.cancel)
        results = await asyncio.gather(*writes, return_exceptions=True)
        assert all(isinstance(result, int) for result in results[1::2])
        values = await values_of(store, LOG)
        assert values == [b"a", b"b"] * (len(values) // 2)
        assert len(values) >= 20

    async def test_cancelled_reads_leave_the_store_usable(
        self, store: Store, clock: ManualClock
    ) -> None:
        version = await create(store, KEY)
        await store.append(LOG, [b"x"])
        for verb in (lambda: store.get(KEY), lambda: store.scan(()), lambda: store.read(LOG)):
            await cancel_midway(verb, clock, turns=6)
        assert await store.get(KEY) == Record(KEY, b"v", version)
        assert await keys_of(store, ()) == [KEY]
        assert await values_of(store, LOG) == [b"x"]

    async def test_a_crowd_of_cancelled_callers_uses_nothing_up(
        self, store: Store, clock: ManualClock
    ) -> None:
        # More than a pool of connections has.
        await create(store, KEY)
        for turns in range(1, 6):
            crowd: list[asyncio.Future[Any]] = []
            for _ in range(40):
                crowd.append(asyncio.ensure_future(store.get(KEY)))
                crowd.append(asyncio.ensure_future(store.put(KEY, b"", expected=ANY)))
            for _ in range(turns):
                await clock.sleep(0)
            if turns > 3:
                await asyncio.wait(crowd, timeout=0.001)
            for task in crowd:
                task.cancel()
            await asyncio.gather(*crowd, return_exceptions=True)
        async with asyncio.timeout(30):
            await asyncio.gather(*(store.get(KEY) for _ in range(40)))
            assert await store.append(LOG, [b"x"]) == 1

    async def test_a_cancelled_opening_leaves_the_data_usable(
        self, open_again: OpenAgain, clock: ManualClock
    ) -> None:
        async with open_again() as store:
            await create(store, KEY)
        for opened in await cancel_midway(lambda: open_again().__aenter__(), clock, turns=4):
            await cast("Store", opened).__aexit__(None, None, None)
        async with open_again() as store:
            assert await keys_of(store, ()) == [KEY]
            assert await store.append(LOG, [b"x"]) == 1


async def _replace_at_last(store: Store, key: Key, value: bytes) -> None:
    """Compare and set, again if what was cancelled comes between."""
    result: int | Conflict = Conflict(ABSENT)
    while isinstance(result, Conflict):
        record = await store.get(key)
        result = await store.put(key, value, expected=record.version if record else ABSENT)
