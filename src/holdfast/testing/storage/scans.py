"""The contract of scans: order, prefixes and pages."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.storage.seam import ANY, Key, Record, Store
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage.samples import (
    HOSTILE_KEYS,
    create,
    create_all,
    gather_some,
    keys_of,
    running,
)


async def pages(store: Store, prefix: Key, limit: int) -> list[Key]:
    """Return the keys of all pages, each at most `limit` long."""
    seen: list[Key] = []
    after = None
    while True:
        page = await store.scan(prefix, after=after, limit=limit)
        assert len(page) <= limit
        assert not page or after is None or after < page[0].key
        seen += [record.key for record in page]
        if len(page) < limit:
            return seen
        after = seen[-1]


class ScanRules:
    """Key order, exact prefixes and stable pages."""

    large_page = 400
    """Records of the longest page that is tried; a slow backend may lower it."""

    async def test_an_empty_store_has_nothing_to_scan(self, store: Store) -> None:
        assert list(await store.scan(())) == []
        assert list(await store.scan(("runs",))) == []

    async def test_records_come_in_key_order_whatever_the_order_of_writing(
        self, store: Store
    ) -> None:
        await create_all(store, sorted(HOSTILE_KEYS, key=hash))
        assert await keys_of(store, ()) == sorted(HOSTILE_KEYS)

    async def test_keys_are_ordered_part_by_part(self, store: Store) -> None:
        ordered = [("a",), ("a", ""), ("a", "z"), ("a", "z", "z"), ("a!",), ("aa", "a"), ("b",)]
        await create_all(store, ordered[::-1])
        assert await keys_of(store, ()) == ordered

    async def test_keys_are_ordered_by_code_point(self, store: Store) -> None:
        # In UTF-16 the last one begins with a unit below that of the others.
        ordered = [("Z",), ("a",), ("\u00e4",), ("\ud7ff",), ("\ue000",), ("\U00010000",)]
        await create_all(store, ordered[::-1])
        assert await keys_of(store, ()) == ordered

    @pytest.mark.parametrize(
        "prefix",
        [*HOSTILE_KEYS[:16], ("no",), ("a", "b", "c")],
        ids=lambda prefix: ascii(prefix)[:40],
    )
    async def test_a_prefix_matches_whole_parts_only(self, store: Store, prefix: Key) -> None:
        await create_all(store, HOSTILE_KEYS)
        below = [key for key in sorted(HOSTILE_KEYS) if key[: len(prefix)] == prefix]
        assert await keys_of(store, prefix) == below

    async def test_a_scan_shows_whole_records(self, store: Store, clock: ManualClock) -> None:
        later = clock.now_ms() + 1000
        version = await create(store, ("k", "a"), b"hello", expires_at=later, due_at=later)
        (record,) = await store.scan(("k",))
        assert record == Record(("k", "a"), b"hello", version, later, later)

    async def test_the_key_that_equals_the_prefix_comes_first(self, store: Store) -> None:
        await create_all(store, [("k", "a"), ("k",), ("k", "")])
        assert await keys_of(store, ("k",)) == [("k",), ("k", ""), ("k", "a")]

    async def test_the_default_page_holds_100_records(self, store: Store) -> None:
        await create_all(store, [("k", f"{number:03}") for number in range(101)])
        page = await store.scan(("k",))
        assert [record.key[1] for record in page] == [f"{number:03}" for number in range(100)]

    async def test_a_page_is_as_long_as_asked_for(self, store: Store) -> None:
        size = self.large_page
        names = [("k", f"{number:05}") for number in range(size + 1)]
        await gather_some([lambda k=key: create(store, k) for key in names], at_once=200)
        assert await keys_of(store, ("k",), limit=size) == names[:size]
        assert await keys_of(store, ("k",), limit=size * 2) == names

    async def test_a_page_of_large_values_is_whole(self, store: Store) -> None:
        # More than one answer of some servers can carry.
        for number in range(24):
            await create(store, ("k", f"{number:02}"), bytes(65_536))
        assert await pages(store, ("k",), 100) == [("k", f"{n:02}") for n in range(24)]
        assert len(await store.scan(("k",), limit=20)) == 20

    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
    async def test_pages_join_to_the_whole(self, store: Store, limit: int) -> None:
        written = [("k", f"{number:02}") for number in range(7)]
        await create_all(store, [*written, ("l",), ("j",)])
        assert await pages(store, ("k",), limit) == written

    @pytest.mark.parametrize("limit", [1, 5, 64])
    async def test_pages_of_hostile_keys_join_to_the_whole(self, store: Store, limit: int) -> None:
        await create_all(store, HOSTILE_KEYS)
        assert await pages(store, (), limit) == sorted(HOSTILE_KEYS)

    async def test_a_page_begins_behind_a_key_that_is_gone(self, store: Store) -> None:
        await create_all(store, [("k", name) for name in "abc"])
        await store.delete(("k", "b"), expected=ANY)
        page = await store.scan(("k",), after=("k", "b"))
        assert [record.key for record in page] == [("k", "c")]

    async def test_nothing_comes_behind_the_last_key(self, store: Store) -> None:
        await create_all(store, [("k", name) for name in "abc"])
        assert list(await store.scan(("k",), after=("k", "c"))) == []
        assert list(await store.scan((), after=("\U0010ffff",))) == []

    async def test_a_start_outside_the_prefix_adds_nothing_from_outside(self, store: Store) -> None:
        await create_all(store, [("a", "1"), ("b", "1"), ("c", "1")])
        assert [r.key for r in await store.scan(("b",), after=("a",))] == [("b", "1")]
        assert [r.key for r in await store.scan(("b",), after=("b",))] == [("b", "1")]
        assert list(await store.scan(("b",), after=("c",))) == []

    async def test_a_limit_of_0_returns_nothing(self, store: Store) -> None:
        await create(store, ("k",))
        assert list(await store.scan((), limit=0)) == []

    async def test_unchanged_records_are_seen_once_while_others_come_and_go(
        self, store: Store
    ) -> None:
        stable = [("k", f"{number:03}") for number in range(0, 100, 2)]
        await create_all(store, stable)
        seen: list[Key] = []
        after = None
        turn = 1
        while page := await store.scan(("k",), after=after, limit=5):
            assert after is None or after < page[0].key
            seen += [record.key for record in page]
            after = seen[-1]
            # Odd keys appear and vanish on both sides of the page's end.
            await store.put(("k", f"{turn:03}"), b"", expected=ANY)
            await store.put(("k", f"{100 - turn:03}"), b"", expected=ANY)
            await store.delete(("k", f"{turn - 2:03}"), expected=ANY)
            turn += 2
        assert [key for key in seen if int(key[1]) % 2 == 0] == stable
        assert len(seen) == len(set(seen))

    async def test_unchanged_records_are_seen_once_while_another_handle_writes(
        self, store: Store, other: Store, clock: ManualClock
    ) -> None:
        stable = [("k", f"{number:03}") for number in range(0, 40, 2)]
        await create_all(store, stable)

        async def disturb() -> None:
            for turn in range(10_000):
                key = ("k", f"{turn * 7 % 40 | 1:03}")
                await other.put(key, b"", expected=ANY)
                await other.delete(("k", f"{turn * 3 % 40 | 1:03}"), expected=ANY)
                await clock.sleep(0)

        async with running(disturb()):
            for limit in (3, 7, 30):
                seen = await pages(store, ("k",), limit)
                assert [key for key in seen if int(key[1]) % 2 == 0] == stable
                assert seen == sorted(set(seen))

    async def test_a_record_that_changes_while_pages_are_read_is_not_repeated(
        self, store: Store
    ) -> None:
        written = [("k", str(number)) for number in range(9)]
        await create_all(store, written)
        seen: list[Key] = []
        while page := await store.scan(("k",), after=seen[-1] if seen else None, limit=2):
            assert seen == [] or seen[-1] < page[0].key
            seen += [record.key for record in page]
            await asyncio.gather(*(store.put(key, b"new", expected=ANY) for key in written))
        assert seen == written

    async def test_logs_do_not_show_in_a_scan(self, store: Store) -> None:
        await store.append(("k", "a"), [b"entry"])
        assert list(await store.scan(())) == []
