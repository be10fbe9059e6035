"""The contract of records: create, compare-and-set, delete, keys and expiry."""

from __future__ import annotations

import pytest

from holdfast.errors import UsageError
from holdfast.storage.keys import MAX_KEY_BYTES
from holdfast.storage.seam import ABSENT, ANY, Conflict, Key, Record, Store
from holdfast.testing.clock import ManualClock

KEY = ("runs", "a")

ADVERSARIAL_KEYS: tuple[Key, ...] = (
    ("",),
    ("", ""),
    ("a",),
    ("a", ""),
    ("a", "b"),
    ("a:b",),
    ("a/b",),
    ("ab",),
    ("a\x00",),
    ("a\x00b",),
    ("a\x01",),
    ("a\x01", "b"),
    ("a\x01\x01",),
    ("a\x01\x02",),
    ("a\x02",),
    ("A",),
    ("%", "_"),
    ("*", "?", "["),
    ("..", "."),
    (" a",),
    ("a ",),
    ("a\n",),
    ("'", '"', "\\"),
    ("\x7f",),
    ("\u00e9",),
    ("e\u0301",),
    ("\u07ff", "\u0800"),
    ("\ud7ff",),
    ("\ue000",),
    ("\uffff",),
    ("x" * (MAX_KEY_BYTES - 1),),
    *((chr(plane * 0x10000 + 0x123),) for plane in range(1, 17)),
    ("\U0010ffff",),
)


async def create(store: Store, key: Key, value: bytes = b"v") -> int:
    """Put a record that must not exist and return its version."""
    version = await store.put(key, value, expected=ABSENT)
    assert isinstance(version, int)
    return version


class RecordRules:
    """Create-once, compare-and-set and delete."""

    async def test_a_key_that_was_never_written_is_none(self, store: Store) -> None:
        assert await store.get(KEY) is None

    async def test_a_record_is_read_as_it_was_written(self, store: Store) -> None:
        version = await create(store, KEY, b"hello")
        assert await store.get(KEY) == Record(KEY, b"hello", version)

    async def test_the_first_version_is_at_least_1(self, store: Store) -> None:
        assert await create(store, KEY) >= 1

    async def test_a_key_is_created_once(self, store: Store) -> None:
        version = await create(store, KEY, b"first")
        assert await store.put(KEY, b"second", expected=ABSENT) == Conflict(version)
        assert await store.get(KEY) == Record(KEY, b"first", version)

    async def test_the_expected_version_is_replaced_by_a_greater_one(self, store: Store) -> None:
        first = await create(store, KEY, b"first")
        second = await store.put(KEY, b"second", expected=first)
        assert isinstance(second, int)
        assert second > first
        assert await store.get(KEY) == Record(KEY, b"second", second)

    async def test_a_stale_version_is_refused_with_the_current_one(self, store: Store) -> None:
        first = await create(store, KEY)
        second = await store.put(KEY, b"second", expected=first)
        assert isinstance(second, int)
        assert await store.put(KEY, b"third", expected=first) == Conflict(second)
        assert await store.get(KEY) == Record(KEY, b"second", second)

    async def test_a_version_of_the_future_is_refused(self, store: Store) -> None:
        version = await create(store, KEY)
        assert await store.put(KEY, b"x", expected=version + 1) == Conflict(version)

    async def test_a_version_is_refused_where_nothing_is(self, store: Store) -> None:
        assert await store.put(KEY, b"x", expected=7) == Conflict(ABSENT)
        assert await store.get(KEY) is None

    async def test_any_creates_and_replaces(self, store: Store) -> None:
        first = await store.put(KEY, b"first", expected=ANY)
        second = await store.put(KEY, b"second", expected=ANY)
        assert isinstance(first, int)
        assert isinstance(second, int)
        assert second > first
        assert await store.get(KEY) == Record(KEY, b"second", second)

    async def test_writing_the_same_value_again_still_grows_the_version(self, store: Store) -> None:
        first = await create(store, KEY, b"same")
        second = await store.put(KEY, b"same", expected=first)
        assert isinstance(second, int)
        assert second > first

    async def test_a_deleted_record_leaves_no_trace_to_readers(self, store: Store) -> None:
        version = await create(store, KEY)
        assert await store.delete(KEY, expected=version) is None
        assert await store.get(KEY) is None
        assert list(await store.scan(())) == []

    async def test_deleting_a_stale_version_is_refused(self, store: Store) -> None:
        first = await create(store, KEY)
        second = await store.put(KEY, b"second", expected=first)
        assert isinstance(second, int)
        assert await store.delete(KEY, expected=first) == Conflict(second)
        assert await store.get(KEY) is not None

    async def test_deleting_a_live_record_as_absent_is_refused(self, store: Store) -> None:
        version = await create(store, KEY)
        assert await store.delete(KEY, expected=ABSENT) == Conflict(version)
        assert await store.get(KEY) is not None

    async def test_any_deletes_whatever_is_there(self, store: Store) -> None:
        await create(store, KEY)
        assert await store.delete(KEY, expected=ANY) is None
        assert await store.get(KEY) is None

    @pytest.mark.parametrize("expected", [ABSENT, ANY])
    async def test_deleting_what_is_absent_does_nothing(self, store: Store, expected: int) -> None:
        assert await store.delete(KEY, expected=expected) is None

    async def test_deleting_a_version_of_what_is_absent_is_refused(self, store: Store) -> None:
        assert await store.delete(KEY, expected=3) == Conflict(ABSENT)

    async def test_versions_grow_across_delete_and_create_again(self, store: Store) -> None:
        seen: list[int] = []
        for _ in range(3):
            seen.append(await create(store, KEY))
            assert await store.delete(KEY, expected=seen[-1]) is None
        assert seen == sorted(set(seen))

    async def test_a_version_from_before_a_delete_never_matches_again(self, store: Store) -> None:
        old = await create(store, KEY)
        await store.delete(KEY, expected=old)
        new = await create(store, KEY)
        assert await store.put(KEY, b"x", expected=old) == Conflict(new)
        assert await store.delete(KEY, expected=old) == Conflict(new)

    @pytest.mark.parametrize("size", [0, 1, 255, 1024, 4096, 8192, 65_537, 1_048_576])
    async def test_a_value_of_any_size_comes_back(self, store: Store, size: int) -> None:
        value = bytes(range(256)) * (size // 256) + bytes(size % 256)
        await create(store, KEY, value)
        record = await store.get(KEY)
        assert record is not None
        assert record.value == value

    async def test_a_record_can_grow_and_shrink(self, store: Store) -> None:
        version = await create(store, KEY, b"")
        for size in (100_000, 10, 50_000, 0):
            written = await store.put(KEY, b"x" * size, expected=version)
            assert isinstance(written, int)
            version = written
            assert await store.get(KEY) == Record(KEY, b"x" * size, version)

    async def test_a_value_over_64_mib_is_a_usage_error(self, store: Store) -> None:
        value = bytes(64 * 1024 * 1024 + 1)
        with pytest.raises(UsageError, match="67108865 bytes"):
            await store.put(KEY, value, expected=ABSENT)
        with pytest.raises(UsageError, match="67108865 bytes"):
            await store.append(KEY, [value])


class KeyRules:
    """No key can be mistaken for another one."""

    @pytest.mark.parametrize("key", ADVERSARIAL_KEYS, ids=ascii)
    async def test_a_hostile_key_is_a_key_like_any_other(self, store: Store, key: Key) -> None:
        version = await create(store, key, b"mine")
        assert await store.get(key) == Record(key, b"mine", version)
        assert list(await store.scan(())) == [Record(key, b"mine", version)]
        assert await store.append(key, [b"entry"]) == 1
        assert await store.delete(key, expected=version) is None

    async def test_hostile_keys_do_not_touch_one_another(self, store: Store) -> None:
        for number, key in enumerate(ADVERSARIAL_KEYS):
            await create(store, key, str(number).encode())
        for number, key in enumerate(ADVERSARIAL_KEYS):
            record = await store.get(key)
            assert record is not None
            assert record.value == str(number).encode()

    async def test_hostile_names_of_logs_do_not_touch_one_another(self, store: Store) -> None:
        for key in ADVERSARIAL_KEYS:
            assert await store.append(key, [repr(key).encode()], expected=ABSENT) == 1
        for key in ADVERSARIAL_KEYS:
            assert [entry.value for entry in await store.read(key)] == [repr(key).encode()]

    @pytest.mark.parametrize(
        "key", [(), ("\ud800",), ("x" * MAX_KEY_BYTES,), ("\x00" * 512,)], ids=ascii
    )
    async def test_a_key_that_not_every_store_can_hold_is_a_usage_error(
        self, store: Store, key: Key
    ) -> None:
        with pytest.raises(UsageError):
            await store.put(key, b"", expected=ABSENT)
        with pytest.raises(UsageError):
            await store.get(key)
        with pytest.raises(UsageError):
            await store.append(key, [b""])


class ExpiryRules:
    """Records are gone at the millisecond they expire."""

    async def test_a_record_lives_to_the_millisecond_before_it_expires(
        self, store: Store, clock: ManualClock
    ) -> None:
        await store.put(KEY, b"v", expected=ABSENT, expires_at=clock.now_ms() + 1000)
        clock.advance(0.999)
        assert await store.get(KEY) is not None
        assert len(await store.scan(("runs",))) == 1

    async def test_a_record_is_absent_at_the_millisecond_it_expires(
        self, store: Store, clock: ManualClock
    ) -> None:
        version = await store.put(KEY, b"v", expected=ABSENT, expires_at=clock.now_ms() + 1000)
        assert isinstance(version, int)
        clock.advance(1)
        assert await store.get(KEY) is None
        assert list(await store.scan(())) == []
        assert await store.put(KEY, b"x", expected=version) == Conflict(ABSENT)
        assert await store.delete(KEY, expected=version) == Conflict(ABSENT)
        assert await store.delete(KEY, expected=ABSENT) is None

    async def test_an_expired_key_is_created_again_with_a_greater_version(
        self, store: Store, clock: ManualClock
    ) -> None:
        first = await store.put(KEY, b"old", expected=ABSENT, expires_at=clock.now_ms() + 1)
        clock.advance(0.001)
        second = await create(store, KEY, b"new")
        assert isinstance(first, int)
        assert second > first
        clock.advance(3600)
        assert await store.get(KEY) == Record(KEY, b"new", second)

    async def test_a_put_replaces_the_expiry_too(self, store: Store, clock: ManualClock) -> None:
        start = clock.now_ms()
        first = await store.put(KEY, b"v", expected=ABSENT, expires_at=start + 1000)
        assert isinstance(first, int)
        second = await store.put(KEY, b"v", expected=first, expires_at=start + 3000)
        assert isinstance(second, int)
        clock.advance(2)
        assert await store.get(KEY) is not None
        await store.put(KEY, b"v", expected=second)
        clock.advance(3600)
        assert await store.get(KEY) is not None

    async def test_an_expiry_in_the_past_writes_what_nobody_sees(
        self, store: Store, clock: ManualClock
    ) -> None:
        assert isinstance(
            await store.put(KEY, b"v", expected=ABSENT, expires_at=clock.now_ms()), int
        )
        assert await store.get(KEY) is None

    async def test_expired_records_do_not_shorten_a_page(
        self, store: Store, clock: ManualClock
    ) -> None:
        for number in range(10):
            expires_at = clock.now_ms() + 1 if number < 6 else None
            await store.put(("k", str(number)), b"", expected=ABSENT, expires_at=expires_at)
        clock.advance(0.001)
        page = await store.scan(("k",), limit=3)
        assert [record.key[1] for record in page] == ["6", "7", "8"]
