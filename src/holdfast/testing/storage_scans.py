"""The contract of scans: order, prefixes and pages."""

from __future__ import annotations

import pytest

from holdfast.storage.seam import ANY, Key, Store
from holdfast.testing.storage_records import ADVERSARIAL_KEYS, create


async def keys(store: Store, prefix: Key, limit: int = 1000) -> list[Key]:
    """Return the keys of one page."""
    return [record.key for record in await store.scan(prefix, limit=limit)]


class ScanRules:
    """Key order, exact prefixes and stable pages."""

    async def test_an_empty_store_has_nothing_to_scan(self, store: Store) -> None:
        assert list(await store.scan(())) == []
        assert list(await store.scan(("runs",))) == []

    async def test_records_come_in_key_order_whatever_the_order_of_writing(
        self, store: Store
    ) -> None:
        for key in sorted(ADVERSARIAL_KEYS, key=hash):
            await create(store, key)
        assert await keys(store, ()) == sorted(ADVERSARIAL_KEYS)

    @pytest.mark.parametrize(
        "prefix", [*ADVERSARIAL_KEYS[:16], ("no",), ("a", "b", "c")], ids=ascii
    )
    async def test_a_prefix_matches_whole_parts_only(self, store: Store, prefix: Key) -> None:
        for key in ADVERSARIAL_KEYS:
            await create(store, key)
        below = [key for key in sorted(ADVERSARIAL_KEYS) if key[: len(prefix)] == prefix]
        assert await keys(store, prefix) == below

    async def test_a_scan_shows_values_and_versions(self, store: Store) -> None:
        version = await create(store, ("k", "a"), b"hello")
        (record,) = await store.scan(("k",))
        assert (record.key, record.value, record.version) == (("k", "a"), b"hello", version)

    async def test_the_default_page_holds_100_records(self, store: Store) -> None:
        for number in range(101):
            await create(store, ("k", f"{number:03}"))
        assert len(await store.scan(("k",))) == 100

    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
    async def test_pages_join_to_the_whole(self, store: Store, limit: int) -> None:
        written = [("k", f"{number:02}") for number in range(7)]
        for key in written:
            await create(store, key)
        await create(store, ("l",))
        seen: list[Key] = []
        after = None
        while page := await store.scan(("k",), after=after, limit=limit):
            assert len(page) <= limit
            seen += [record.key for record in page]
            after = seen[-1]
        assert seen == written

    async def test_a_page_begins_behind_a_key_that_is_gone(self, store: Store) -> None:
        for name in "abc":
            await create(store, ("k", name))
        await store.delete(("k", "b"), expected=ANY)
        page = await store.scan(("k",), after=("k", "b"))
        assert [record.key for record in page] == [("k", "c")]

    async def test_a_start_outside_the_prefix_adds_nothing_from_outside(self, store: Store) -> None:
        for key in (("a", "1"), ("b", "1"), ("c", "1")):
            await create(store, key)
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
        for key in stable:
            await create(store, key)
        seen: list[Key] = []
        after = None
        turn = 1
        while page := await store.scan(("k",), after=after, limit=5):
            seen += [record.key for record in page]
            after = seen[-1]
            # Odd keys appear and vanish on both sides of the page's end.
            await store.put(("k", f"{turn:03}"), b"", expected=ANY)
            await store.put(("k", f"{100 - turn:03}"), b"", expected=ANY)
            await store.delete(("k", f"{turn - 2:03}"), expected=ANY)
            turn += 2
        assert [key for key in seen if int(key[1]) % 2 == 0] == stable
        assert len(seen) == len(set(seen))

    async def test_logs_do_not_show_in_a_scan(self, store: Store) -> None:
        await store.append(("k", "a"), [b"entry"])
        assert list(await store.scan(())) == []
