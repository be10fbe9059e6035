"""The contract of writing several records and logs: atomically, or in order."""

from __future__ import annotations

from typing import cast

import pytest

from holdfast.errors import UsageError
from holdfast.storage.fallback import write_all
from holdfast.storage.seam import (
    ABSENT,
    ANY,
    Append,
    Batching,
    Conflict,
    Delete,
    Operation,
    Put,
    Store,
)
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage_records import create


class WriteAllRules:
    """`write_all` on any store."""

    async def test_write_all_applies_every_operation(self, store: Store) -> None:
        old = await create(store, ("old",))
        conflict = await write_all(
            store,
            [
                Put(key=("new",), value=b"1", expected=ABSENT),
                Delete(key=("old",), expected=old),
                Append(log=("log",), entries=[b"a", b"b"], expected=ABSENT),
            ],
        )
        assert conflict is None
        assert [record.key for record in await store.scan(())] == [("new",)]
        assert len(await store.read(("log",))) == 2

    async def test_write_all_names_the_operation_that_was_refused(self, store: Store) -> None:
        version = await create(store, ("b",))
        conflict = await write_all(
            store,
            [
                Put(key=("a",), value=b"", expected=ABSENT),
                Put(key=("b",), value=b"", expected=ABSENT),
                Put(key=("c",), value=b"", expected=ABSENT),
            ],
        )
        assert conflict == Conflict(version, 1)
        assert await store.get(("c",)) is None

    async def test_write_all_of_nothing_does_nothing(self, store: Store) -> None:
        assert await write_all(store, []) is None

    async def test_write_all_refuses_to_name_a_key_twice(self, store: Store) -> None:
        operations = [
            Put(key=("a",), value=b"", expected=ABSENT),
            Delete(key=("a",), expected=ANY),
        ]
        with pytest.raises(UsageError, match="same key or log"):
            await write_all(store, operations)
        assert await store.get(("a",)) is None


class BatchRules:
    """All of a batch or nothing."""

    async def test_a_batch_that_is_refused_leaves_nothing(self, store: Store) -> None:
        version = await create(store, ("taken",))
        await store.append(("log",), [b"one"])
        operations: list[Operation] = [
            Put(key=("a",), value=b"", expected=ABSENT),
            Delete(key=("taken",), expected=version),
            Append(log=("log",), entries=[b"two"], expected=1),
            Append(log=("new log",), entries=[b"x"]),
            Put(key=("z",), value=b"", expected=99),
        ]
        assert await _batch(store, operations) == Conflict(ABSENT, 4)
        assert [record.key for record in await store.scan(())] == [("taken",)]
        assert len(await store.read(("log",))) == 1
        assert list(await store.read(("new log",))) == []
        assert await store.append(("new log",), [b"y"], expected=ABSENT) == 1

    async def test_a_batch_names_the_first_operation_that_was_refused(self, store: Store) -> None:
        version = await create(store, ("b",))
        operations = [
            Put(key=("a",), value=b"", expected=ANY),
            Put(key=("b",), value=b"", expected=version + 5),
            Put(key=("c",), value=b"", expected=3),
        ]
        assert await _batch(store, operations) == Conflict(version, 1)

    async def test_a_refused_delete_or_append_refuses_the_batch(self, store: Store) -> None:
        put = Put(key=("a",), value=b"", expected=ANY)
        delete = Delete(key=("b",), expected=4)
        append = Append(log=("l",), entries=[b""], expected=4)
        assert await _batch(store, [put, delete]) == Conflict(ABSENT, 1)
        assert await _batch(store, [put, append]) == Conflict(ABSENT, 1)
        assert await store.get(("a",)) is None

    async def test_a_batch_of_nothing_succeeds(self, store: Store) -> None:
        assert await _batch(store, []) is None

    async def test_versions_of_a_batch_grow_too(self, store: Store) -> None:
        version = await create(store, ("a",))
        await _batch(store, [Put(key=("a",), value=b"2", expected=version)])
        record = await store.get(("a",))
        assert record is not None
        assert record.version > version
        assert record.value == b"2"

    async def test_a_record_and_a_log_of_one_name_fit_in_a_batch(self, store: Store) -> None:
        operations: list[Operation] = [
            Put(key=("a",), value=b"", expected=ABSENT),
            Append(log=("a",), entries=[b""], expected=ABSENT),
        ]
        assert await _batch(store, operations) is None

    async def test_two_operations_on_one_key_are_a_usage_error(self, store: Store) -> None:
        put = Put(key=("a",), value=b"", expected=ANY)
        with pytest.raises(UsageError, match="same key or log"):
            await _batch(store, [put, Delete(key=("a",), expected=ANY)])

    async def test_a_batch_with_an_oversized_value_leaves_nothing(self, store: Store) -> None:
        small = Put(key=("a",), value=b"", expected=ANY)
        large = Put(key=("b",), value=bytes(64 * 1024 * 1024 + 1), expected=ANY)
        with pytest.raises(UsageError):
            await _batch(store, [small, large])
        assert await store.get(("a",)) is None

    async def test_a_batch_knows_expiry(self, store: Store, clock: ManualClock) -> None:
        put = Put(key=("a",), value=b"", expected=ABSENT, expires_at=clock.now_ms() + 5)
        assert await _batch(store, [put]) is None
        assert isinstance(await _batch(store, [put]), Conflict)
        clock.advance(0.005)
        assert await store.get(("a",)) is None
        assert await _batch(store, [put]) is None


async def _batch(store: Store, operations: list[Operation] | list[Put]) -> Conflict | None:
    assert isinstance(store, Batching)
    return await cast("Batching", store).batch(operations)
