"""The contract of erasing: a whole log goes, and its numbers never come again."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.storage.fallback import watch_changes, write_all
from holdfast.storage.seam import (
    ABSENT,
    ANY,
    Append,
    Conflict,
    Entry,
    Erasing,
    Key,
    Listing,
    Put,
    Store,
)
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage.fixtures import OpenAgain
from holdfast.testing.storage.samples import (
    HOSTILE_KEYS,
    KEY,
    LOG,
    assert_refused,
    create,
    existing,
    keys_of,
    let_time_pass,
    values_of,
)
from holdfast.testing.storage.watches import until_told


async def erase(store: Store, log: Key = LOG, *, expected: int = ANY) -> Conflict | None:
    """Erase by a store that must be able to."""
    assert isinstance(store, Erasing)
    return await store.erase(log, expected=expected)


async def begin(store: Store, *values: bytes, log: Key = LOG) -> None:
    """Write the first entries of a log that was never written."""
    assert await store.append(log, values, expected=ABSENT) == len(values)


async def names_of(store: Store) -> list[Key]:
    """Return the names of all logs; those that have entries, if the store cannot list them."""
    if isinstance(store, Listing):
        return list(await store.logs((), limit=1000))
    return [name for name in [*HOSTILE_KEYS, LOG, KEY] if await store.read(name, limit=1)]


class ErasureRules:
    """What an erasure removes, what it leaves, and what it refuses."""

    async def test_a_store_has_the_ability_to_erase(self, store: Store) -> None:
        assert isinstance(store, Erasing)

    async def test_an_erased_log_is_empty_to_every_reader(self, store: Store, other: Store) -> None:
        await begin(store, b"a", b"b")
        assert len(await other.read(LOG)) == 2
        assert await erase(store, expected=2) is None
        for handle in (store, other):
            assert list(await handle.read(LOG)) == []
            assert list(await handle.read(LOG, after=1, limit=5)) == []
            assert await names_of(handle) == []
            assert await handle.append(LOG, []) == 0

    @pytest.mark.parametrize("expected", [0, 1, 3, 99])
    async def test_another_last_number_is_refused_and_nothing_removed(
        self, store: Store, expected: int
    ) -> None:
        await begin(store, b"a", b"b")
        assert await erase(store, expected=expected) == Conflict(2)
        assert await values_of(store, LOG) == [b"a", b"b"]
        assert await names_of(store) == [LOG]

    async def test_any_erases_whatever_is_there(self, store: Store) -> None:
        await begin(store, b"a", b"b", b"c")
        assert await erase(store, expected=ANY) is None
        assert await values_of(store, LOG) == []

    async def test_erasing_what_is_empty_does_nothing(self, store: Store) -> None:
        for expected in (ABSENT, ANY):
            assert await erase(store, expected=expected) is None
        assert await erase(store, expected=3) == Conflict(0)
        await begin(store, b"a")
        await erase(store)
        for expected in (ABSENT, ANY):
            assert await erase(store, expected=expected) is None
        assert await erase(store, expected=1) == Conflict(0)
        assert await store.append(LOG, [b"b"], expected=ABSENT) == 2

    async def test_a_log_goes_on_behind_the_numbers_that_were_erased(self, store: Store) -> None:
        await begin(store, b"a", b"b")
        await erase(store, expected=2)
        assert await store.append(LOG, [b"c", b"d"], expected=ABSENT) == 4
        assert list(await store.read(LOG)) == [Entry(3, b"c"), Entry(4, b"d")]
        assert await names_of(store) == [LOG]
        assert await store.append(LOG, [b"e"], expected=4) == 5
        assert await store.append(LOG, []) == 5

    @pytest.mark.parametrize(
        ("after", "limit", "numbers"),
        [(0, None, [3, 4]), (1, 1, [3]), (2, 1, [3]), (3, None, [4]), (4, None, []), (0, 0, [])],
    )
    async def test_reading_knows_the_numbers_of_a_log_that_was_begun_again(
        self, store: Store, after: int, limit: int | None, numbers: list[int]
    ) -> None:
        await begin(store, b"1", b"2")
        await erase(store)
        await store.append(LOG, [b"3", b"4"])
        entries = await store.read(LOG, after=after, limit=limit)
        assert [entry.number for entry in entries] == numbers
        assert [int(entry.value) for entry in entries] == numbers

    @pytest.mark.parametrize("expected", [1, 2])
    async def test_a_late_writer_that_expects_an_erased_entry_is_refused(
        self, store: Store, expected: int
    ) -> None:
        await begin(store, b"a", b"b")
        await erase(store, expected=2)
        assert await store.append(LOG, [b"late"], expected=expected) == Conflict(0)
        assert await erase(store, expected=expected) == Conflict(0)
        await store.append(LOG, [b"c"])
        assert await store.append(LOG, [b"late"], expected=expected) == Conflict(3)
        assert await store.append(LOG, [b"late"], expected=ABSENT) == Conflict(3)
        assert await erase(store, expected=expected) == Conflict(3)
        assert await values_of(store, LOG) == [b"c"]

    async def test_a_log_can_be_erased_again_and_again(self, store: Store) -> None:
        for number in range(1, 8):
            assert await store.append(LOG, [b"x"], expected=ABSENT) == number
            assert await erase(store, expected=number) is None
        assert await values_of(store, LOG) == []

    async def test_an_erasure_leaves_everything_else(self, store: Store) -> None:
        version = await create(store, LOG, b"record")
        strangers = sorted({*HOSTILE_KEYS, LOG[:1], (*LOG, "below")})
        for name in strangers:
            await begin(store, b"x", log=name)
        await begin(store, b"y")
        await erase(store, expected=1)
        assert (await existing(store, LOG)).version == version
        assert await keys_of(store, ()) == [LOG]
        for name in strangers:
            assert await values_of(store, name) == [b"x"]

    async def test_a_batch_meets_an_erased_log_as_an_empty_one(self, store: Store) -> None:
        await begin(store, b"a", b"b")
        await erase(store)
        put = Put(key=KEY, value=b"v", expected=ANY)
        late = Append(log=LOG, entries=[b"late"], expected=2)
        assert await write_all(store, [late, put]) == Conflict(0, 0)
        assert await keys_of(store, ()) == []
        again = Append(log=LOG, entries=[b"c"], expected=ABSENT)
        assert await write_all(store, [again, put]) is None
        assert list(await store.read(LOG)) == [Entry(3, b"c")]

    async def test_a_long_log_is_erased_as_a_whole(self, store: Store) -> None:
        for _ in range(3):
            await store.append(LOG, [bytes(1000)] * 1000)
        assert await erase(store, expected=3000) is None
        assert list(await store.read(LOG)) == []
        assert await store.append(LOG, [b"x"], expected=ABSENT) == 3001

    async def test_an_erasure_and_its_numbers_outlive_a_closing(
        self, open_again: OpenAgain
    ) -> None:
        async with open_again() as store:
            await begin(store, b"a", b"b")
            await erase(store, expected=2)
        async with open_again() as store:
            assert await values_of(store, LOG) == []
            assert await names_of(store) == []
            assert await store.append(LOG, [b"late"], expected=2) == Conflict(0)
            assert await store.append(LOG, [b"c"], expected=ABSENT) == 3
        async with open_again() as store:
            assert list(await store.read(LOG)) == [Entry(3, b"c")]

    async def test_another_handle_that_knew_the_log_is_refused(
        self, store: Store, other: Store
    ) -> None:
        await begin(other, b"a", b"b")
        assert await other.append(LOG, [b"c"], expected=2) == 3
        assert await erase(store, expected=3) is None
        assert await other.append(LOG, [b"late"], expected=3) == Conflict(0)
        assert await store.append(LOG, [b"d"], expected=ABSENT) == 4
        assert list(await other.read(LOG, after=3)) == [Entry(4, b"d")]
        assert await other.append(LOG, [b"e"], expected=4) == 5

    async def test_an_erasure_wakes_those_who_watch(
        self, store: Store, other: Store, clock: ManualClock
    ) -> None:
        await begin(store, b"a")
        async with watch_changes(other, LOG[:1], clock=clock) as changes:
            await erase(store)
            await until_told(changes, clock)
            assert list(await other.read(LOG)) == []

    async def test_a_closed_store_erases_nothing(self, open_again: OpenAgain) -> None:
        async with open_again() as store:
            await begin(store, b"a")
        await assert_refused([erase(store)])
        async with open_again() as store:
            assert await values_of(store, LOG) == [b"a"]


class ErasureRaceRules:
    """Erasures beside appends, reads and one another."""

    async def test_of_many_erasures_one_removes_the_log(self, store: Store, other: Store) -> None:
        await begin(store, b"a", b"b")
        answers = await asyncio.gather(
            *(erase(handle, expected=2) for handle in (store, other) * 5)
        )
        assert answers.count(None) == 1
        assert answers.count(Conflict(0)) == 9

    async def test_an_append_and_an_erasure_that_expect_the_same_exclude_each_other(
        self, store: Store, other: Store
    ) -> None:
        for turn in range(12):
            log = ("race", f"{turn}")
            await begin(store, b"a", log=log)
            append = store.append(log, [b"b"], expected=1)
            removal = erase(other, log, expected=1)
            pair = (append, removal) if turn % 2 else (removal, append)
            answers = await asyncio.gather(*pair)
            conflicts = [each for each in answers if isinstance(each, Conflict)]
            assert len(conflicts) == 1
            left = await values_of(store, log)
            assert left == ([b"a", b"b"] if conflicts == [Conflict(2)] else [])

    async def test_no_number_is_given_twice_beside_erasures(
        self, store: Store, other: Store
    ) -> None:
        given: list[int] = []

        async def append(handle: Store) -> None:
            for _ in range(10):
                last = await handle.append(LOG, [b"x", b"y"])
                assert isinstance(last, int)
                given.extend((last - 1, last))
                await let_time_pass(0)  # a store in memory waits for nothing by itself

        async def remove(handle: Store) -> None:
            for _ in range(10):
                await erase(handle, expected=ANY)
                await let_time_pass(0)

        handles = (store, other)
        await asyncio.gather(*map(append, handles), *map(remove, handles))
        assert sorted(given) == list(range(1, 41))
        left = [entry.number for entry in await store.read(LOG)]
        assert left == list(range(41 - len(left), 41))

    async def test_a_reader_beside_an_erasure_sees_all_or_nothing(
        self, store: Store, other: Store
    ) -> None:
        # More than one answer of some servers can carry.
        for _ in range(40):
            await store.append(LOG, [bytes(1024)] * 300)
        first = asyncio.create_task(_read(other))
        removal = asyncio.create_task(erase(store))
        reads = [first, *(asyncio.create_task(_read(other)) for _ in range(3))]
        seen = set(await asyncio.gather(*reads))
        await removal
        assert seen <= {0, 12_000}
        assert await _read(other) == 0


async def _read(store: Store) -> int:
    return len(await store.read(LOG))
