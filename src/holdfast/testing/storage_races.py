"""The contract of many tasks at once, of cancelling them, and of opening again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from holdfast.errors import StorageUnavailable
from holdfast.storage.seam import ABSENT, ANY, Conflict, Record, Store
from holdfast.testing.storage_records import create

KEY = ("k",)
LOG = ("log",)


class RaceRules:
    """One winner, no lost result, nothing lost over a close."""

    async def test_one_of_64_racers_creates(self, store: Store) -> None:
        results = await asyncio.gather(
            *(store.put(KEY, str(n).encode(), expected=ABSENT) for n in range(64))
        )
        winners = [n for n, result in enumerate(results) if isinstance(result, int)]
        assert len(winners) == 1
        record = await store.get(KEY)
        assert record is not None
        assert record.value == str(winners[0]).encode()
        losers = {result for result in results if isinstance(result, Conflict)}
        assert losers == {Conflict(record.version)}

    async def test_one_of_64_racers_replaces(self, store: Store) -> None:
        version = await create(store, KEY)
        results = await asyncio.gather(
            *(store.put(KEY, str(n).encode(), expected=version) for n in range(64))
        )
        assert sum(isinstance(result, int) for result in results) == 1

    async def test_one_of_64_racers_deletes(self, store: Store) -> None:
        version = await create(store, KEY)
        results = await asyncio.gather(*(store.delete(KEY, expected=version) for _ in range(64)))
        assert results.count(None) == 1
        assert results.count(Conflict(ABSENT)) == 63

    async def test_one_of_64_racers_appends_at_a_number(self, store: Store) -> None:
        results = await asyncio.gather(
            *(store.append(LOG, [b"x"], expected=ABSENT) for _ in range(64))
        )
        assert results.count(1) == 1
        assert results.count(Conflict(1)) == 63

    async def test_no_increment_is_lost_among_tasks_that_retry(self, store: Store) -> None:
        await create(store, KEY, b"0")
        await asyncio.gather(*(_increment(store, 5) for _ in range(8)))
        record = await store.get(KEY)
        assert record is not None
        assert record.value == b"40"

    async def test_concurrent_appends_are_all_there_without_gaps(self, store: Store) -> None:
        numbers = await asyncio.gather(
            *(store.append(LOG, [b"%d" % n, b"%d" % n]) for n in range(50))
        )
        assert sorted(map(int, _numbers(numbers))) == list(range(2, 101, 2))
        entries = await store.read(LOG)
        assert [entry.number for entry in entries] == list(range(1, 101))
        for writer, last in enumerate(_numbers(numbers)):
            pair = [entry.value for entry in entries[last - 2 : last]]
            assert pair == [b"%d" % writer] * 2

    async def test_a_read_sees_everything_that_was_acknowledged(self, store: Store) -> None:
        for n in range(50):
            version = await store.put(KEY, b"%d" % n, expected=ANY)
            assert isinstance(version, int)
            assert await store.get(KEY) == Record(KEY, b"%d" % n, version)
            assert await store.append(LOG, [b""]) == n + 1
            assert len(await store.read(LOG, after=n)) == 1

    async def test_a_cancelled_write_happens_wholly_or_not_at_all(self, store: Store) -> None:
        writes = [asyncio.ensure_future(store.append(LOG, [b"a", b"b"])) for _ in range(20)]
        for write in writes[::2]:
            asyncio.get_running_loop().call_soon(write.cancel)
        results = await asyncio.gather(*writes, return_exceptions=True)
        assert all(isinstance(result, int) for result in results[1::2])
        entries = await store.read(LOG)
        assert [entry.value for entry in entries] == [b"a", b"b"] * (len(entries) // 2)
        assert len(entries) >= 20

    async def test_a_store_works_on_after_a_caller_was_cancelled(self, store: Store) -> None:
        for verb in (store.get(KEY), store.scan(()), store.put(KEY, b"", expected=ANY)):
            task = asyncio.ensure_future(verb)
            asyncio.get_running_loop().call_soon(task.cancel)
            await asyncio.gather(task, return_exceptions=True)
        assert await store.append(LOG, [b"x"]) == 1
        assert isinstance(await store.put(("other",), b"", expected=ABSENT), int)

    async def test_everything_is_there_after_opening_again(
        self, open_again: Callable[[], Store]
    ) -> None:
        async with open_again() as store:
            version = await create(store, KEY, b"kept")
            gone = await create(store, ("gone",))
            await store.delete(("gone",), expected=gone)
            await store.append(LOG, [b"a", b"b"])
        async with open_again() as store:
            assert await store.get(KEY) == Record(KEY, b"kept", version)
            assert await store.append(LOG, [b"c"], expected=2) == 3
            assert await create(store, ("gone",)) > gone

    async def test_closing_finishes_what_was_accepted(
        self, open_again: Callable[[], Store]
    ) -> None:
        async with open_again() as store:
            writes = [asyncio.ensure_future(store.append(LOG, [b"x"])) for _ in range(100)]
            # By then all of them have been called.
            await writes[0]
        assert sorted(_numbers(await asyncio.gather(*writes))) == list(range(1, 101))
        async with open_again() as store:
            assert len(await store.read(LOG)) == 100

    async def test_a_closed_store_refuses_every_verb(self, open_again: Callable[[], Store]) -> None:
        async with open_again() as store:
            pass
        for verb in (
            store.get(KEY),
            store.put(KEY, b"", expected=ANY),
            store.delete(KEY, expected=ANY),
            store.scan(()),
            store.append(LOG, [b""]),
            store.read(LOG),
        ):
            with pytest.raises(StorageUnavailable):
                await verb


async def _increment(store: Store, times: int) -> None:
    while times:
        record = await store.get(KEY)
        assert record is not None
        value = b"%d" % (int(record.value) + 1)
        if isinstance(await store.put(KEY, value, expected=record.version), int):
            times -= 1


def _numbers(results: list[int | Conflict]) -> list[int]:
    numbers = [result for result in results if isinstance(result, int)]
    assert len(numbers) == len(results)
    return numbers
