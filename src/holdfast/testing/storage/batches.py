"""The contract of writing several records and logs: atomically, or in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import count

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
    Record,
    Store,
    Submitting,
)
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage.fixtures import OpenAgain
from holdfast.testing.storage.samples import (
    HOSTILE_KEYS,
    LOG,
    assert_refused,
    cancel_midway,
    create,
    existing,
    keys_of,
    let_time_pass,
    running,
    values_of,
)


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
        assert await keys_of(store, ()) == [("new",)]
        assert len(await store.read(("log",))) == 2

    async def test_write_all_keeps_the_times_of_records(
        self, store: Store, clock: ManualClock
    ) -> None:
        now = clock.now_ms()
        put = Put(key=("a",), value=b"v", expected=ABSENT, expires_at=now + 9, due_at=now + 5)
        assert await write_all(store, [put]) is None
        record = await existing(store, ("a",))
        assert (record.expires_at, record.due_at) == (now + 9, now + 5)

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

    batch_size = 60
    """Operations of the largest batch that is tried; a backend with a lower limit may lower it."""

    async def test_a_store_has_the_ability_to_batch(self, store: Store) -> None:
        assert isinstance(store, Batching)

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
        assert await store.get(("taken",)) == Record(("taken",), b"v", version)
        assert await keys_of(store, ()) == [("taken",)]
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
        await store.append(("l",), [b"1", b"2"])
        put = Put(key=("a",), value=b"", expected=ANY)
        delete = Delete(key=("b",), expected=4)
        append = Append(log=("l",), entries=[b""], expected=4)
        assert await _batch(store, [put, delete]) == Conflict(ABSENT, 1)
        assert await _batch(store, [put, append]) == Conflict(2, 1)
        assert await store.get(("a",)) is None

    async def test_a_refused_batch_can_be_written_with_the_version_it_named(
        self, store: Store
    ) -> None:
        await create(store, ("b",))
        put = Put(key=("a",), value=b"", expected=ABSENT)
        conflict = await _batch(store, [put, Delete(key=("b",), expected=ABSENT)])
        assert conflict is not None
        assert await _batch(store, [put, Delete(key=("b",), expected=conflict.current)]) is None
        assert await keys_of(store, ()) == [("a",)]

    async def test_a_batch_of_nothing_succeeds(self, store: Store) -> None:
        assert await _batch(store, []) is None

    async def test_a_large_batch_is_written_whole(self, store: Store) -> None:
        size = self.batch_size // 2
        puts = [Put(key=("k", f"{n:03}"), value=b"%d" % n, expected=ABSENT) for n in range(size)]
        logs = [Append(log=("l", str(n)), entries=[b"x"], expected=ABSENT) for n in range(size)]
        assert await _batch(store, [*puts, *logs]) is None
        assert await keys_of(store, ("k",)) == [put.key for put in puts]
        assert await values_of(store, logs[-1].log) == [b"x"]

    async def test_a_large_batch_that_is_refused_at_its_end_leaves_nothing(
        self, store: Store
    ) -> None:
        puts = [
            Put(key=("k", f"{n:03}"), value=b"", expected=ABSENT) for n in range(self.batch_size)
        ]
        version = await create(store, puts[-1].key)
        assert await _batch(store, puts) == Conflict(version, self.batch_size - 1)
        assert await keys_of(store, ()) == [puts[-1].key]

    async def test_hostile_keys_fit_in_a_batch(self, store: Store) -> None:
        for start in range(0, len(HOSTILE_KEYS), 20):
            keys = HOSTILE_KEYS[start : start + 20]
            puts = [Put(key=key, value=b"", expected=ABSENT) for key in keys]
            assert await _batch(store, puts) is None
        assert await keys_of(store, ()) == sorted(HOSTILE_KEYS)

    async def test_versions_of_a_batch_grow_too(self, store: Store) -> None:
        version = await create(store, ("a",))
        await _batch(store, [Put(key=("a",), value=b"2", expected=version)])
        record = await existing(store, ("a",))
        assert record.version > version
        assert record.value == b"2"
        await _batch(store, [Delete(key=("a",), expected=record.version)])
        await _batch(store, [Put(key=("a",), value=b"3", expected=ABSENT)])
        assert (await existing(store, ("a",))).version > record.version

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
        assert await store.get(("a",)) is None

    async def test_two_appends_to_one_log_are_a_usage_error(self, store: Store) -> None:
        append = Append(log=LOG, entries=[b"x"])
        with pytest.raises(UsageError, match="same key or log"):
            await _batch(store, [append, append])
        assert list(await store.read(LOG)) == []

    async def test_a_batch_with_an_oversized_value_leaves_nothing(self, store: Store) -> None:
        small = Put(key=("a",), value=b"", expected=ANY)
        large = bytes(store.max_value_bytes + 1)
        for operation in (
            Put(key=("b",), value=large, expected=ANY),
            Append(log=LOG, entries=[b"", large]),
        ):
            with pytest.raises(UsageError):
                await _batch(store, [small, operation])
        assert await store.get(("a",)) is None
        assert list(await store.read(LOG)) == []

    async def test_a_batch_that_appends_nothing_still_checks_the_last_number(
        self, store: Store
    ) -> None:
        await store.append(LOG, [b"x"])
        put = Put(key=("a",), value=b"", expected=ABSENT)
        assert await _batch(store, [Append(log=LOG, entries=[], expected=2), put]) == Conflict(1)
        assert await _batch(store, [Append(log=LOG, entries=[], expected=1), put]) is None
        assert len(await store.read(LOG)) == 1

    async def test_a_batch_deletes_what_is_absent(self, store: Store) -> None:
        operations: list[Operation] = [
            Delete(key=("a",), expected=ABSENT),
            Delete(key=("b",), expected=ANY),
            Put(key=("c",), value=b"", expected=ABSENT),
        ]
        assert await _batch(store, operations) is None
        assert await keys_of(store, ()) == [("c",)]

    async def test_a_batch_knows_expiry(self, store: Store, clock: ManualClock) -> None:
        put = Put(key=("a",), value=b"", expected=ABSENT, expires_at=clock.now_ms() + 5)
        assert await _batch(store, [put]) is None
        assert isinstance(await _batch(store, [put]), Conflict)
        clock.advance(0.005)
        assert await store.get(("a",)) is None
        delete = Delete(key=("a",), expected=ABSENT)
        assert await _batch(store, [delete]) is None
        assert await _batch(store, [Put(key=("a",), value=b"", expected=ABSENT)]) is None

    async def test_one_of_many_racing_batches_wins_all_its_keys(
        self, store: Store, other: Store
    ) -> None:
        batches = [_pair(b"%d" % n, ABSENT)[:: 1 if n % 2 else -1] for n in range(16)]
        results = await asyncio.gather(*map(_batch, [store, other] * 8, batches))
        assert results.count(None) == 1
        winner = b"%d" % results.index(None)
        assert [record.value for record in await store.scan(())] == [winner, winner]

    async def test_batches_that_name_their_keys_in_opposite_order_all_end(
        self, store: Store, other: Store
    ) -> None:
        batches = [_pair(b"%d" % n, ANY)[:: 1 if n % 2 else -1] for n in range(20)]
        handles = [store, other] * 10
        async with asyncio.timeout(60):
            results = await asyncio.gather(*map(_batch, handles, batches))
        assert results == [None] * 20
        one, two = await store.scan(())
        assert one.value == two.value

    async def test_readers_never_see_half_of_a_batch(
        self, store: Store, other: Store, clock: ManualClock
    ) -> None:
        assert await _batch(store, _pair(b"0", ABSENT)) is None

        async def write() -> None:
            for number in range(1, 10_000):
                assert await _batch(other, _pair(b"%d" % number, ANY)) is None
                await clock.sleep(0)

        async with running(write()):
            for number in range(24):
                first, second = ("a", "b") if number % 2 else ("b", "a")
                early = int((await existing(store, (first,))).value)
                late = int((await existing(store, (second,))).value)
                assert early <= late
                for _ in range(number % 7):
                    await clock.sleep(0)

    async def test_a_cancelled_batch_happens_wholly_or_not_at_all(
        self, store: Store, clock: ManualClock
    ) -> None:
        numbers = count()

        async def write() -> None:
            number = str(next(numbers))
            puts = [Put(key=(name, number), value=b"", expected=ABSENT) for name in "ab"]
            append = Append(log=LOG, entries=[number.encode()])
            assert await _batch(store, [puts[0], append, puts[1]]) is None

        await cancel_midway(write, clock, turns=8)
        halves = await _written_halves(store)
        for _ in range(100):
            if halves[0] == halves[1] == halves[2]:
                break
            # What was cancelled may have come between the looks; half a batch stays half.
            await let_time_pass(0.01)
            halves = await _written_halves(store)
        assert halves[0] == halves[1] == halves[2]
        assert await _batch(store, _pair(b"y", ANY)) is None

    async def test_a_batch_is_there_after_opening_again(self, open_again: OpenAgain) -> None:
        async with open_again() as store:
            old = await create(store, ("old",))
            operations = [*_pair(b"x", ABSENT), Delete(key=("old",), expected=old)]
            assert await _batch(store, [*operations, Append(log=LOG, entries=[b"x"])]) is None
        async with open_again() as store:
            assert await keys_of(store, ()) == [("a",), ("b",)]
            assert await values_of(store, LOG) == [b"x"]

    async def test_a_closed_store_refuses_a_batch(self, open_again: OpenAgain) -> None:
        async with open_again() as store:
            pass
        await assert_refused([_batch(store, _pair(b"x", ANY))])


class SubmitRules:
    """A batch without a coroutine."""

    async def test_a_submitted_batch_gives_its_answer(self, store: Store) -> None:
        assert isinstance(store, Submitting)
        append = Append(log=LOG, entries=[b"x"], expected=0)
        assert await store.submit([append]) is None
        assert await store.submit([append]) == Conflict(1)

    async def test_a_submitted_batch_is_written_though_nobody_waits(
        self, open_again: OpenAgain
    ) -> None:
        async with open_again() as store:
            assert isinstance(store, Submitting)
            store.submit([Append(log=LOG, entries=[b"1"], expected=0)]).cancel()
            refused = await store.submit([Append(log=LOG, entries=[b"x"], expected=0)])
        assert refused == Conflict(1)
        async with open_again() as store:
            assert await values_of(store, LOG) == [b"1"]

    async def test_submitted_batches_take_effect_in_their_order(self, store: Store) -> None:
        assert isinstance(store, Submitting)
        answers = [
            store.submit([Append(log=LOG, entries=[b"%d" % n], expected=n)]) for n in range(50)
        ]
        assert await asyncio.gather(*answers) == [None] * 50
        assert await values_of(store, LOG) == [b"%d" % n for n in range(50)]

    async def test_a_submitted_batch_is_all_or_nothing(self, store: Store) -> None:
        assert isinstance(store, Submitting)
        operations = [*_pair(b"x", ANY), Append(log=LOG, entries=[b"x"], expected=3)]
        assert await store.submit(operations) == Conflict(0, 2)
        assert list(await store.scan(())) == []


async def _written_halves(store: Store) -> list[list[str]]:
    """Return the numbers of the batches of which each of three operations was written."""
    records = [[key[1] for key in await keys_of(store, (name,))] for name in "ab"]
    return [*records, sorted(value.decode() for value in await values_of(store, LOG))]


def _pair(value: bytes, expected: int) -> list[Operation]:
    return [Put(key=(name,), value=value, expected=expected) for name in "ab"]


async def _batch(store: Store, operations: Sequence[Operation]) -> Conflict | None:
    assert isinstance(store, Batching)
    return await store.batch(operations)
