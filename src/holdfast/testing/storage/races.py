"""The contract of many tasks, and of several handles, at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from holdfast.storage.seam import ABSENT, ANY, Conflict, Entry, Key, Record, Store
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage.samples import (
    KEY,
    LOG,
    append_in_turn,
    create,
    existing,
    numbers,
    running,
    values_of,
)


class RaceRules:
    """One winner, no lost update, no torn read."""

    racers = 64
    """Tasks that try the same at once."""

    async def test_one_of_64_racers_creates(self, store: Store) -> None:
        results = await asyncio.gather(
            *(store.put(KEY, str(n).encode(), expected=ABSENT) for n in range(self.racers))
        )
        winners = [n for n, result in enumerate(results) if isinstance(result, int)]
        assert len(winners) == 1
        record = await existing(store, KEY)
        assert record.value == str(winners[0]).encode()
        losers = {result for result in results if isinstance(result, Conflict)}
        assert losers == {Conflict(record.version)}

    async def test_one_of_64_racers_replaces(self, store: Store) -> None:
        version = await create(store, KEY)
        results = await asyncio.gather(
            *(store.put(KEY, str(n).encode(), expected=version) for n in range(self.racers))
        )
        assert sum(isinstance(result, int) for result in results) == 1

    async def test_one_of_64_racers_deletes(self, store: Store) -> None:
        version = await create(store, KEY)
        results = await asyncio.gather(
            *(store.delete(KEY, expected=version) for _ in range(self.racers))
        )
        assert results.count(None) == 1
        assert results.count(Conflict(ABSENT)) == self.racers - 1

    async def test_one_of_64_racers_appends_at_a_number(self, store: Store) -> None:
        results = await asyncio.gather(
            *(store.append(LOG, [b"x"], expected=ABSENT) for _ in range(self.racers))
        )
        assert results.count(1) == 1
        assert results.count(Conflict(1)) == self.racers - 1

    async def test_one_of_two_handles_creates(self, store: Store, other: Store) -> None:
        for number in range(10):
            key = ("k", str(number))
            pair = await asyncio.gather(
                *(handle.put(key, b"", expected=ABSENT) for handle in (store, other))
            )
            assert sum(isinstance(result, int) for result in pair) == 1

    async def test_a_version_is_either_replaced_or_deleted(self, store: Store) -> None:
        version = await create(store, KEY)
        puts = [store.put(KEY, b"x", expected=version) for _ in range(8)]
        deletes = [store.delete(KEY, expected=version) for _ in range(8)]
        replaced, deleted = await asyncio.gather(asyncio.gather(*puts), asyncio.gather(*deletes))
        won = [result for result in replaced if isinstance(result, int)]
        assert len(won) + list(deleted).count(None) == 1
        assert (await store.get(KEY) is None) == (won == [])

    async def test_racers_on_keys_of_their_own_all_win(self, store: Store) -> None:
        keys = [("k", f"{number:02}") for number in range(self.racers)]
        numbers(await asyncio.gather(*(store.put(key, b"", expected=ABSENT) for key in keys)))
        assert [record.key for record in await store.scan(("k",))] == keys

    async def test_no_increment_is_lost_among_tasks_that_retry(self, store: Store) -> None:
        await create(store, KEY, b"0")
        await asyncio.gather(*(increment(store, KEY, 5) for _ in range(8)))
        assert (await existing(store, KEY)).value == b"40"

    async def test_no_increment_is_lost_among_handles(self, store: Store, other: Store) -> None:
        await create(store, KEY, b"0")
        handles = [store, other] * 4
        await asyncio.gather(*(increment(handle, KEY, 5) for handle in handles))
        assert (await existing(other, KEY)).value == b"40"

    async def test_concurrent_appends_are_all_there_without_gaps(
        self, store: Store, other: Store
    ) -> None:
        handles = [store, other] * 25
        results = await asyncio.gather(
            *(handle.append(LOG, [b"%d" % n, b"%d" % n]) for n, handle in enumerate(handles))
        )
        assert sorted(numbers(results)) == list(range(2, 101, 2))
        entries = await store.read(LOG)
        assert [entry.number for entry in entries] == list(range(1, 101))
        for writer, last in enumerate(numbers(results)):
            pair = [entry.value for entry in entries[last - 2 : last]]
            assert pair == [b"%d" % writer] * 2

    async def test_appends_that_retry_at_the_last_number_all_arrive_in_turn(
        self, store: Store
    ) -> None:
        taken = await asyncio.gather(*(append_in_turn(store, LOG, b"%d" % n) for n in range(12)))
        assert sorted(taken) == list(range(1, 13))
        values = await values_of(store, LOG)
        assert [values[number - 1] for number in taken] == [b"%d" % n for n in range(12)]

    async def test_a_read_sees_everything_that_was_acknowledged(self, store: Store) -> None:
        for n in range(20):
            version = await store.put(KEY, b"%d" % n, expected=ANY)
            assert isinstance(version, int)
            assert await store.get(KEY) == Record(KEY, b"%d" % n, version)
            assert await store.append(LOG, [b""]) == n + 1
            assert len(await store.read(LOG, after=n)) == 1

    async def test_another_handle_sees_everything_that_was_acknowledged(
        self, store: Store, other: Store
    ) -> None:
        for n in range(10):
            version = await store.put(KEY, b"%d" % n, expected=ANY)
            assert isinstance(version, int)
            assert await other.get(KEY) == Record(KEY, b"%d" % n, version)
            assert [record.version for record in await other.scan(())] == [version]
            assert await store.append(LOG, [b""]) == n + 1
            assert len(await other.read(LOG, after=n)) == 1
        assert await store.delete(KEY, expected=ANY) is None
        assert await other.get(KEY) is None

    async def test_readers_see_whole_values_and_never_go_back(
        self, store: Store, other: Store, clock: ManualClock
    ) -> None:
        await create(store, KEY, b"0" * 1000)

        async def write() -> None:
            for number in range(10_000):
                await other.put(KEY, b"%d" % (number % 10) * 1000, expected=ANY)
                await clock.sleep(0)

        async with running(write()):
            versions: list[int] = []
            for _ in range(30):
                record = await existing(store, KEY)
                assert record.value == record.value[:1] * 1000
                versions.append(record.version)
                await clock.sleep(0)
        assert versions == sorted(versions)

    async def test_readers_of_a_log_see_its_beginning_without_gaps(
        self, store: Store, other: Store, clock: ManualClock
    ) -> None:
        async def write() -> None:
            for number in range(1, 20_000, 2):
                await other.append(LOG, [b"%d" % number, b"%d" % (number + 1)])
                await clock.sleep(0)

        async with running(write()):
            lengths = [0]
            for _ in range(30):
                entries = await store.read(LOG)
                assert list(entries) == _counted(len(entries))
                # Entries of one append come together.
                assert len(entries) % 2 == 0
                lengths.append(len(entries))
                await clock.sleep(0)
        assert lengths == sorted(lengths)


async def increment(store: Store, key: Key, times: int) -> None:
    """Add so many times 1 to the number that a record holds, by compare-and-set."""
    while times:
        record = await existing(store, key)
        value = b"%d" % (int(record.value) + 1)
        if isinstance(await store.put(key, value, expected=record.version), int):
            times -= 1


def _counted(length: int) -> Sequence[Entry]:
    return [Entry(number, b"%d" % number) for number in range(1, length + 1)]
