"""The contract of expiry: records are gone at the millisecond they expire, by the store's clock."""

from __future__ import annotations

import pytest

from holdfast.storage.seam import ABSENT, ANY, Conflict, Record, Store
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage.fixtures import OpenAgain
from holdfast.testing.storage.samples import (
    KEY,
    LOG,
    create,
    create_all,
    existing,
    keys_of,
    replace,
)

BEHIND, AHEAD = 0.0, 40 * 365 * 86_400.0
"""Seconds to move the clock: it begins years behind that of any server, and then is years ahead.

A server that expires by its own clock is too early in the one case and too late in the other.
"""

either_side = pytest.mark.parametrize("moved", [BEHIND, AHEAD], ids=["behind", "ahead"])


class ExpiryRules:
    """Expired is absent, to every reader and every writer."""

    @either_side
    async def test_a_record_lives_to_the_millisecond_before_it_expires(
        self, store: Store, clock: ManualClock, moved: float
    ) -> None:
        clock.advance(moved)
        await create(store, KEY, expires_at=clock.now_ms() + 1000)
        clock.advance(0.999)
        assert await store.get(KEY) is not None
        assert len(await store.scan(("runs",))) == 1

    @either_side
    async def test_a_record_is_absent_at_the_millisecond_it_expires(
        self, store: Store, clock: ManualClock, moved: float
    ) -> None:
        clock.advance(moved)
        version = await create(store, KEY, expires_at=clock.now_ms() + 1000)
        clock.advance(1)
        assert await store.get(KEY) is None
        assert list(await store.scan(())) == []
        assert await store.put(KEY, b"x", expected=version) == Conflict(ABSENT)
        assert await store.delete(KEY, expected=version) == Conflict(ABSENT)
        assert await store.delete(KEY, expected=ABSENT) is None

    @either_side
    async def test_an_expired_key_is_created_again_with_a_greater_version(
        self, store: Store, clock: ManualClock, moved: float
    ) -> None:
        clock.advance(moved)
        first = await create(store, KEY, b"old", expires_at=clock.now_ms() + 1)
        clock.advance(0.001)
        second = await create(store, KEY, b"new")
        assert second > first
        clock.advance(3600)
        assert await store.get(KEY) == Record(KEY, b"new", second)

    @either_side
    async def test_each_record_expires_at_its_own_millisecond(
        self, store: Store, clock: ManualClock, moved: float
    ) -> None:
        clock.advance(moved)
        now = clock.now_ms()
        for number in range(5):
            await create(store, ("k", str(number)), expires_at=now + number + 1)
        for gone in range(5):
            assert await keys_of(store, ("k",)) == [("k", str(n)) for n in range(gone, 5)]
            clock.advance(0.001)
        assert await keys_of(store, ("k",)) == []

    async def test_any_replaces_an_expired_record_and_its_expiry(
        self, store: Store, clock: ManualClock
    ) -> None:
        first = await create(store, KEY, b"old", expires_at=clock.now_ms() + 1)
        clock.advance(0.001)
        second = await store.put(KEY, b"new", expected=ANY)
        assert isinstance(second, int)
        assert second > first
        clock.advance(3600)
        assert await store.get(KEY) == Record(KEY, b"new", second)

    async def test_any_deletes_an_expired_record_and_versions_still_grow(
        self, store: Store, clock: ManualClock
    ) -> None:
        first = await create(store, KEY, expires_at=clock.now_ms() + 1)
        clock.advance(0.001)
        assert await store.delete(KEY, expected=ANY) is None
        assert await create(store, KEY) > first

    async def test_the_version_of_an_expired_record_never_matches_again(
        self, store: Store, clock: ManualClock
    ) -> None:
        old = await create(store, KEY, expires_at=clock.now_ms() + 1)
        clock.advance(0.001)
        new = await create(store, KEY)
        assert await store.put(KEY, b"x", expected=old) == Conflict(new)
        assert await store.delete(KEY, expected=old) == Conflict(new)

    async def test_a_put_replaces_the_expiry_too(self, store: Store, clock: ManualClock) -> None:
        start = clock.now_ms()
        first = await create(store, KEY, expires_at=start + 1000)
        second = await store.put(KEY, b"v", expected=first, expires_at=start + 3000)
        assert isinstance(second, int)
        clock.advance(2)
        assert await store.get(KEY) is not None
        await replace(store, KEY, b"v", second)
        clock.advance(3600)
        assert await store.get(KEY) is not None

    async def test_an_expiry_can_be_brought_forward(self, store: Store, clock: ManualClock) -> None:
        start = clock.now_ms()
        first = await create(store, KEY, expires_at=start + 10_000)
        await store.put(KEY, b"v", expected=first, expires_at=start + 5)
        clock.advance(0.004)
        assert (await existing(store, KEY)).expires_at == start + 5
        clock.advance(0.001)
        assert await store.get(KEY) is None

    @pytest.mark.parametrize("expires_at", [-1, 0, 1])
    async def test_an_expiry_in_the_distant_past_writes_what_nobody_sees(
        self, store: Store, expires_at: int
    ) -> None:
        version = await create(store, KEY, expires_at=expires_at)
        assert await store.get(KEY) is None
        assert list(await store.scan(())) == []
        assert await create(store, KEY) > version

    async def test_an_expiry_of_now_writes_what_nobody_sees(
        self, store: Store, clock: ManualClock
    ) -> None:
        await create(store, KEY, expires_at=clock.now_ms())
        assert await store.get(KEY) is None

    async def test_expired_records_do_not_shorten_a_page(
        self, store: Store, clock: ManualClock
    ) -> None:
        await create_all(store, [("k", str(n)) for n in range(6)], expires_at=clock.now_ms() + 1)
        await create_all(store, [("k", str(n)) for n in range(6, 10)])
        clock.advance(0.001)
        page = await store.scan(("k",), limit=3)
        assert [record.key[1] for record in page] == ["6", "7", "8"]

    async def test_a_page_begins_behind_a_key_that_has_expired(
        self, store: Store, clock: ManualClock
    ) -> None:
        await create(store, ("k", "a"))
        await create(store, ("k", "b"), expires_at=clock.now_ms() + 1)
        await create(store, ("k", "c"))
        clock.advance(0.001)
        page = await store.scan(("k",), after=("k", "b"))
        assert [record.key for record in page] == [("k", "c")]

    async def test_an_expired_record_stays_away_however_late_it_is_looked_for(
        self, store: Store, clock: ManualClock
    ) -> None:
        await create(store, KEY, expires_at=clock.now_ms() + 1)
        for seconds in (0.001, 1, 3600, 86_400 * 365):
            clock.advance(seconds)
            assert await store.get(KEY) is None
            assert list(await store.scan(())) == []

    async def test_an_expired_record_is_absent_to_another_handle(
        self, store: Store, other: Store, clock: ManualClock
    ) -> None:
        version = await create(store, KEY, expires_at=clock.now_ms() + 5)
        assert (await existing(other, KEY)).version == version
        clock.advance(0.005)
        assert await other.get(KEY) is None
        assert await other.put(KEY, b"x", expected=version) == Conflict(ABSENT)

    async def test_expiry_and_growing_versions_outlive_a_close(
        self, open_again: OpenAgain, clock: ManualClock
    ) -> None:
        async with open_again() as store:
            first = await create(store, KEY, expires_at=clock.now_ms() + 5)
            await create(store, ("kept",), expires_at=clock.now_ms() + 50)
        clock.advance(0.005)
        async with open_again() as store:
            assert await keys_of(store, ()) == [("kept",)]
            assert await create(store, KEY) > first

    async def test_a_log_never_expires_with_a_record_of_its_name(
        self, store: Store, clock: ManualClock
    ) -> None:
        await create(store, LOG, expires_at=clock.now_ms() + 1)
        await store.append(LOG, [b"entry"])
        clock.advance(3600)
        assert await store.get(LOG) is None
        assert len(await store.read(LOG)) == 1
