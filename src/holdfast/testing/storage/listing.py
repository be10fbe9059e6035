"""The contract of listing: the names of the logs that have entries, in pages."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.errors import UsageError
from holdfast.storage.fallback import write_all
from holdfast.storage.seam import Append, Key, Listing, Store
from holdfast.testing.storage.fixtures import OpenAgain
from holdfast.testing.storage.samples import HOSTILE_KEYS, LOG, assert_refused, create_all


async def _logs(
    store: Store, prefix: Key = (), *, after: Key | None = None, limit: int = 1000
) -> list[Key]:
    assert isinstance(store, Listing)
    return list(await store.logs(prefix, after=after, limit=limit))


async def _write(store: Store, *names: Key) -> None:
    await asyncio.gather(*(store.append(name, [b"x"]) for name in names))


class ListingRules:
    """`logs` returns names as `scan` returns records."""

    async def test_a_store_has_the_ability_to_list(self, store: Store) -> None:
        assert isinstance(store, Listing)

    async def test_an_empty_store_has_no_logs(self, store: Store) -> None:
        assert await _logs(store) == []
        assert await _logs(store, ("runs",)) == []

    async def test_a_log_is_named_once_however_many_entries_it_has(self, store: Store) -> None:
        await store.append(LOG, [b"a", b"b"])
        await store.append(LOG, [b"c"])
        assert await _logs(store) == [LOG]

    async def test_names_come_in_key_order_whatever_the_order_of_writing(
        self, store: Store
    ) -> None:
        await _write(store, *sorted(HOSTILE_KEYS, key=hash))
        assert await _logs(store) == sorted(HOSTILE_KEYS)

    @pytest.mark.parametrize("prefix", [("a",), ("a:b",), ("a", "b"), ("a\x00",), ("no",)])
    async def test_a_prefix_matches_whole_parts_only(self, store: Store, prefix: Key) -> None:
        await _write(store, *HOSTILE_KEYS)
        below = [key for key in sorted(HOSTILE_KEYS) if key[: len(prefix)] == prefix]
        assert await _logs(store, prefix) == below

    @pytest.mark.parametrize("limit", [1, 2, 7, 100])
    async def test_pages_join_to_the_whole(self, store: Store, limit: int) -> None:
        names = [("k", f"{number:02}") for number in range(7)]
        await _write(store, *names, ("j",), ("l",))
        seen: list[Key] = []
        while page := await _logs(store, ("k",), after=seen[-1] if seen else None, limit=limit):
            assert len(page) <= limit
            assert seen == [] or seen[-1] < page[0]
            seen += page
        assert seen == names

    async def test_the_default_page_holds_100_names(self, store: Store) -> None:
        names = [("k", f"{number:03}") for number in range(101)]
        await _write(store, *names)
        assert isinstance(store, Listing)
        assert list(await store.logs(())) == names[:100]

    async def test_a_page_begins_behind_a_name_that_is_no_log(self, store: Store) -> None:
        await _write(store, ("k", "a"), ("k", "c"))
        assert await _logs(store, ("k",), after=("k", "b")) == [("k", "c")]
        assert await _logs(store, ("k",), after=("k", "c")) == []
        assert await _logs(store, ("k",), after=("a",)) == [("k", "a"), ("k", "c")]

    async def test_a_limit_of_0_returns_nothing(self, store: Store) -> None:
        await _write(store, LOG)
        assert await _logs(store, limit=0) == []

    async def test_a_log_without_entries_is_none(self, store: Store) -> None:
        await store.append(("empty",), [])
        await store.append(("refused",), [b"x"], expected=7)
        await store.read(("read",))
        assert await _logs(store) == []

    async def test_records_do_not_show_among_the_logs(self, store: Store) -> None:
        await create_all(store, [("k", "a"), ("k", "b")])
        await _write(store, ("k", "b"))
        assert await _logs(store) == [("k", "b")]

    async def test_logs_of_a_batch_are_named(self, store: Store) -> None:
        names = [("k", "a"), ("k", "b")]
        await write_all(store, [Append(log=name, entries=[b"x"]) for name in names])
        assert await _logs(store) == names

    async def test_another_handle_names_a_new_log_at_once(self, store: Store, other: Store) -> None:
        for number in range(5):
            await store.append(("k", str(number)), [b"x"])
            assert await _logs(other) == [("k", str(n)) for n in range(number + 1)]

    async def test_logs_that_were_there_are_named_once_while_others_begin(
        self, store: Store
    ) -> None:
        names = [("k", f"{number:02}") for number in range(0, 40, 2)]
        await _write(store, *names)
        seen: list[Key] = []
        while page := await _logs(store, ("k",), after=seen[-1] if seen else None, limit=3):
            assert seen == [] or seen[-1] < page[0]
            seen += page
            await _write(store, ("k", f"{len(seen) * 7 % 40 | 1:02}"))
        assert [name for name in seen if int(name[1]) % 2 == 0] == names
        assert len(seen) == len(set(seen))

    async def test_logs_are_named_after_opening_again(self, open_again: OpenAgain) -> None:
        async with open_again() as store:
            await _write(store, ("b",), ("a",))
        async with open_again() as store:
            assert await _logs(store) == [("a",), ("b",)]

    async def test_a_prefix_that_is_no_unicode_is_a_usage_error(self, store: Store) -> None:
        with pytest.raises(UsageError):
            await _logs(store, ("\ud800",))

    async def test_a_closed_store_refuses_to_list(self, open_again: OpenAgain) -> None:
        async with open_again() as store:
            pass
        await assert_refused([_logs(store)])
