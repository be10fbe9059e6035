"""The contract of logs: ordered, without gaps, never rewritten."""

from __future__ import annotations

import pytest

from holdfast.storage.seam import ABSENT, ANY, Conflict, Entry, Store
from holdfast.testing.storage.fixtures import OpenAgain
from holdfast.testing.storage.samples import LOG, create, values_of


class LogRules:
    """Append and read."""

    many = 5000
    """Entries of the largest append that is tried; a slow backend may lower it."""

    async def test_a_log_that_was_never_written_is_empty(self, store: Store) -> None:
        assert list(await store.read(LOG)) == []

    async def test_entries_are_numbered_from_1(self, store: Store) -> None:
        assert await store.append(LOG, [b"a", b"b"]) == 2
        assert list(await store.read(LOG)) == [Entry(1, b"a"), Entry(2, b"b")]

    async def test_numbers_have_no_gaps_over_many_appends(self, store: Store) -> None:
        written = [f"{number}".encode() for number in range(1, 31)]
        for start, size in ((0, 1), (1, 4), (5, 10), (15, 15)):
            assert await store.append(LOG, written[start : start + size]) == start + size
        entries = await store.read(LOG)
        assert [entry.number for entry in entries] == list(range(1, 31))
        assert [entry.value for entry in entries] == written

    async def test_refused_appends_leave_no_gap(self, store: Store) -> None:
        for number in range(1, 6):
            assert await store.append(LOG, [b"x"], expected=number + 7) == Conflict(number - 1)
            assert await store.append(LOG, [b"%d" % number]) == number
        assert [entry.number for entry in await store.read(LOG)] == [1, 2, 3, 4, 5]

    async def test_appending_nothing_returns_the_last_number(self, store: Store) -> None:
        assert await store.append(LOG, []) == 0
        await store.append(LOG, [b"a"])
        assert await store.append(LOG, []) == 1
        assert await store.append(LOG, [], expected=1) == 1
        assert await store.append(LOG, [], expected=0) == Conflict(1)

    async def test_equal_entries_are_all_kept(self, store: Store) -> None:
        await store.append(LOG, [b"same", b"same"])
        await store.append(LOG, [b"same"])
        assert await values_of(store, LOG) == [b"same"] * 3

    async def test_empty_entries_count_like_others(self, store: Store) -> None:
        assert await store.append(LOG, [b"", b"", b"x", b""]) == 4
        assert await values_of(store, LOG) == [b"", b"", b"x", b""]

    async def test_entries_are_never_rewritten_by_later_ones(self, store: Store) -> None:
        await store.append(LOG, [b"a", b"b"])
        before = list(await store.read(LOG))
        await store.append(LOG, [b"c"])
        await store.append(LOG, [b"d"], expected=3)
        assert list(await store.read(LOG))[:2] == before

    async def test_logs_count_on_their_own(self, store: Store) -> None:
        assert await store.append(("one",), [b"a", b"b"]) == 2
        assert await store.append(("two",), [b"c"]) == 1
        assert await store.append(("one",), [b"d"]) == 3
        assert await values_of(store, ("one",)) == [b"a", b"b", b"d"]
        assert await values_of(store, ("two",)) == [b"c"]

    async def test_a_log_below_another_one_is_a_stranger(self, store: Store) -> None:
        await store.append(("runs",), [b"above"])
        await store.append(("runs", "a"), [b"below"])
        await store.append(("runs", "a", "b"), [b"deeper"])
        assert await values_of(store, ("runs",)) == [b"above"]
        assert await values_of(store, ("runs", "a")) == [b"below"]

    async def test_a_log_and_a_record_of_one_name_are_strangers(self, store: Store) -> None:
        version = await create(store, LOG, b"record")
        assert await store.append(LOG, [b"entry"], expected=ABSENT) == 1
        assert await store.delete(LOG, expected=version) is None
        assert list(await store.read(LOG)) == [Entry(1, b"entry")]

    async def test_the_expected_last_number_is_appended_to(self, store: Store) -> None:
        assert await store.append(LOG, [b"a"], expected=ABSENT) == 1
        assert await store.append(LOG, [b"b", b"c"], expected=1) == 3
        assert await store.append(LOG, [b"d"], expected=3) == 4

    @pytest.mark.parametrize("expected", [0, 1, 3, 99])
    async def test_another_last_number_is_refused_and_nothing_added(
        self, store: Store, expected: int
    ) -> None:
        await store.append(LOG, [b"a", b"b"])
        assert await store.append(LOG, [b"x", b"y"], expected=expected) == Conflict(2)
        assert len(await store.read(LOG)) == 2
        assert await store.append(LOG, [b"c"], expected=2) == 3

    async def test_a_refused_first_append_leaves_an_empty_log(self, store: Store) -> None:
        assert await store.append(LOG, [b"x"], expected=5) == Conflict(0)
        assert list(await store.read(LOG)) == []
        assert await store.append(LOG, [b"a"], expected=ABSENT) == 1

    @pytest.mark.parametrize(
        ("after", "limit", "numbers"),
        [
            (0, None, [1, 2, 3, 4, 5]),
            (2, None, [3, 4, 5]),
            (5, None, []),
            (99, None, []),
            (0, 2, [1, 2]),
            (3, 1, [4]),
            (3, 99, [4, 5]),
            (0, 0, []),
        ],
    )
    async def test_reading_begins_behind_a_number_and_ends_at_the_limit(
        self, store: Store, after: int, limit: int | None, numbers: list[int]
    ) -> None:
        await store.append(LOG, [b"1", b"2", b"3", b"4", b"5"])
        entries = await store.read(LOG, after=after, limit=limit)
        assert [entry.number for entry in entries] == numbers
        assert [int(entry.value) for entry in entries] == numbers

    async def test_pages_of_a_log_join_to_the_whole(self, store: Store) -> None:
        written = [b"%d" % number for number in range(1, 24)]
        await store.append(LOG, written)
        seen: list[bytes] = []
        while page := await store.read(LOG, after=len(seen), limit=5):
            assert page[0].number == len(seen) + 1
            seen += [entry.value for entry in page]
        assert seen == written

    @pytest.mark.parametrize("size", [0, 1, 1024, 8192, 65_536])
    async def test_an_entry_of_any_size_comes_back(self, store: Store, size: int) -> None:
        value = b"\x00\xff" * (size // 2) + b"z" * (size % 2)
        await store.append(LOG, [value, b"next"], expected=ANY)
        assert await values_of(store, LOG) == [value, b"next"]

    async def test_many_large_entries_are_read_together(self, store: Store) -> None:
        # More than one answer of some servers can carry.
        for number in range(24):
            assert await store.append(LOG, [bytes(65_536)], expected=number) == number + 1
        assert [len(entry.value) for entry in await store.read(LOG)] == [65_536] * 24

    async def test_many_entries_are_added_together(self, store: Store) -> None:
        assert await store.append(LOG, [b"x"] * self.many) == self.many
        assert len(await store.read(LOG)) == self.many
        assert await store.append(LOG, [b"y"], expected=self.many) == self.many + 1

    async def test_another_handle_appends_behind_what_this_one_wrote(
        self, store: Store, other: Store
    ) -> None:
        assert await store.append(LOG, [b"a"]) == 1
        assert await other.append(LOG, [b"b", b"c"]) == 3
        assert await store.append(LOG, [b"x"], expected=1) == Conflict(3)
        assert await store.append(LOG, [b"d"], expected=3) == 4
        assert await values_of(other, LOG) == [b"a", b"b", b"c", b"d"]

    async def test_a_log_goes_on_after_opening_again(self, open_again: OpenAgain) -> None:
        for number in range(1, 4):
            async with open_again() as store:
                assert await store.append(LOG, [b"%d" % number], expected=number - 1) == number
        async with open_again() as store:
            assert await values_of(store, LOG) == [b"1", b"2", b"3"]
