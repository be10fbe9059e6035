"""The contract of values: any bytes, up to the limit that the store declares."""

from __future__ import annotations

import pytest

from holdfast.errors import UsageError
from holdfast.storage.seam import ABSENT, ANY, Store
from holdfast.testing.storage.samples import (
    HOSTILE_VALUES,
    KEY,
    LOG,
    MEBIBYTE,
    create,
    existing,
    replace,
    values_of,
)


def _value(size: int) -> bytes:
    return (bytes(range(256)) * (size // 256 + 1))[:size]


class ValueRules:
    """Values come back as they were, and too long ones are refused before anything is written."""

    @pytest.mark.parametrize("size", [0, 1, 255, 1024, 4096, 8192, 65_536])
    async def test_a_value_of_any_size_comes_back(self, store: Store, size: int) -> None:
        await create(store, KEY, _value(size))
        assert (await existing(store, KEY)).value == _value(size)

    @pytest.mark.parametrize("value", HOSTILE_VALUES, ids=ascii)
    async def test_a_hostile_value_is_a_value_like_any_other(
        self, store: Store, value: bytes
    ) -> None:
        await create(store, KEY, value)
        await store.append(LOG, [value, b"", value])
        assert (await existing(store, KEY)).value == value
        assert [record.value for record in await store.scan(())] == [value]
        assert await values_of(store, LOG) == [value, b"", value]

    async def test_a_value_shrinks_and_grows(self, store: Store) -> None:
        version = await create(store, KEY, _value(10))
        for size in (20_000, 0, 65_536, 1):
            version = await replace(store, KEY, _value(size), version)
            assert (await existing(store, KEY)).value == _value(size)

    async def test_the_limit_leaves_room_for_64_kibibytes(self, store: Store) -> None:
        assert store.max_value_bytes >= 65_536

    async def test_a_value_at_the_limit_or_of_a_mebibyte_comes_back(self, store: Store) -> None:
        value = _value(min(store.max_value_bytes, MEBIBYTE))
        await create(store, KEY, value)
        assert (await existing(store, KEY)).value == value
        assert [record.value for record in await store.scan(())] == [value]

    async def test_an_entry_at_the_limit_or_of_a_mebibyte_comes_back(self, store: Store) -> None:
        value = _value(min(store.max_value_bytes, MEBIBYTE))
        assert await store.append(LOG, [value, b"next"]) == 2
        assert await values_of(store, LOG) == [value, b"next"]

    async def test_a_longer_value_is_a_usage_error_and_changes_nothing(self, store: Store) -> None:
        too_long = bytes(store.max_value_bytes + 1)
        with pytest.raises(UsageError, match=f"{len(too_long)} bytes"):
            await store.put(KEY, too_long, expected=ABSENT)
        assert await store.get(KEY) is None
        version = await create(store, KEY)
        with pytest.raises(UsageError):
            await store.put(KEY, too_long, expected=version)
        assert (await existing(store, KEY)).version == version

    async def test_a_longer_entry_is_a_usage_error_and_adds_nothing(self, store: Store) -> None:
        await store.append(LOG, [b"first"])
        too_long = bytes(store.max_value_bytes + 1)
        with pytest.raises(UsageError, match=f"{len(too_long)} bytes"):
            await store.append(LOG, [b"second", too_long, b"third"])
        assert await values_of(store, LOG) == [b"first"]
        assert await store.append(LOG, [b"second"], expected=1) == 2

    async def test_several_large_values_live_beside_one_another(self, store: Store) -> None:
        for number in range(8):
            await store.put(("large", str(number)), b"%d" % number + _value(65_000), expected=ANY)
        page = await store.scan(("large",))
        assert [record.value[:1] for record in page] == [b"%d" % number for number in range(8)]
        assert {len(record.value) for record in page} == {65_001}
