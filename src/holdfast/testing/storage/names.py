"""The contract of keys: none can be mistaken for another one."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.errors import UsageError
from holdfast.storage.keys import MAX_KEY_BYTES
from holdfast.storage.seam import ABSENT, ANY, Key, Record, Store
from holdfast.testing.storage.samples import (
    HOSTILE_KEYS,
    KEY,
    create,
    create_all,
    existing,
    keys_of,
    values_of,
)

_REFUSED = [(), ("\ud800",), ("x" * MAX_KEY_BYTES,), ("\x00" * 512,), ("",) * (MAX_KEY_BYTES + 1)]


class KeyRules:
    """Hostile keys are keys like any other."""

    @pytest.mark.parametrize("key", HOSTILE_KEYS, ids=lambda key: ascii(key)[:40])
    async def test_a_hostile_key_is_a_key_like_any_other(self, store: Store, key: Key) -> None:
        version = await create(store, key, b"mine")
        assert await store.get(key) == Record(key, b"mine", version)
        assert list(await store.scan(())) == [Record(key, b"mine", version)]
        assert await store.append(key, [b"entry"]) == 1
        assert await values_of(store, key) == [b"entry"]
        assert await store.delete(key, expected=version) is None

    async def test_hostile_keys_do_not_touch_one_another(self, store: Store) -> None:
        await create_all(store, HOSTILE_KEYS)
        for number, key in enumerate(HOSTILE_KEYS):
            assert (await existing(store, key)).value == b"%d" % number

    async def test_deleting_a_hostile_key_leaves_the_others_alone(self, store: Store) -> None:
        await create_all(store, HOSTILE_KEYS)
        await asyncio.gather(*(store.delete(key, expected=ANY) for key in HOSTILE_KEYS[::2]))
        assert await keys_of(store, ()) == sorted(HOSTILE_KEYS[1::2])

    async def test_hostile_names_of_logs_do_not_touch_one_another(self, store: Store) -> None:
        for key in HOSTILE_KEYS:
            assert await store.append(key, [ascii(key).encode()], expected=ABSENT) == 1
        for key in HOSTILE_KEYS:
            assert await values_of(store, key) == [ascii(key).encode()]

    async def test_the_owner_of_a_key_with_a_colon_sees_nothing_of_another(
        self, store: Store
    ) -> None:
        await create(store, ("tasks", "a:b", "1"), b"of a:b")
        await create(store, ("tasks", "a", "b:1"), b"of a")
        await create(store, ("tasks", "a", "b", "1"), b"deeper")
        assert await keys_of(store, ("tasks", "a:b")) == [("tasks", "a:b", "1")]
        assert await keys_of(store, ("tasks", "a")) == [
            ("tasks", "a", "b", "1"),
            ("tasks", "a", "b:1"),
        ]

    @pytest.mark.parametrize("key", _REFUSED, ids=lambda key: ascii(key)[:40])
    async def test_a_key_that_not_every_store_can_hold_is_a_usage_error(
        self, store: Store, key: Key
    ) -> None:
        for verb in (
            store.put(key, b"", expected=ABSENT),
            store.get(key),
            store.delete(key, expected=ANY),
            store.append(key, [b""]),
            store.read(key),
        ):
            with pytest.raises(UsageError):
                await verb
        assert list(await store.scan(())) == []

    async def test_a_prefix_that_is_no_unicode_is_a_usage_error(self, store: Store) -> None:
        with pytest.raises(UsageError):
            await store.scan(("\udfff",))
        with pytest.raises(UsageError):
            await store.scan((), after=("\udfff",))
        await create(store, KEY)
        assert await keys_of(store, ()) == [KEY]
