"""DynamoDB that is busy or stale, its transactions, and verbs that are cancelled."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.errors import StorageUnavailable, UsageError
from holdfast.storage.dynamodb import DynamoStore
from holdfast.storage.seam import (
    ABSENT,
    ANY,
    Append,
    Conflict,
    Delete,
    Entry,
    Operation,
    Put,
    Record,
)
from holdfast.testing.clock import ManualClock
from tests.servers.dynamodb_proxy import Answered, DynamoProxy, Held, Lost, Refused, Unsent
from tests.storage.dynamodb_faulty import (
    KEY,
    LOG,
    batch,
    clock,
    create,
    no_pauses,
    other,
    pair,
    proxied,
    proxy,
    store,
)

pytestmark = [pytest.mark.service, pytest.mark.promise("conditional-write")]

__all__ = ["clock", "no_pauses", "other", "pair", "proxied", "proxy", "store"]  # fixtures


class TestBusyServer:
    @pytest.mark.parametrize(
        "code", ["ProvisionedThroughputExceededException", "ThrottlingException"]
    )
    async def test_a_throttled_request_is_sent_again_after_a_pause(
        self, store: DynamoStore, proxy: DynamoProxy, no_pauses: list[float], code: str
    ) -> None:
        proxy.fail("UpdateItem", Refused(code), Refused(code))
        version = await create(store)
        assert proxy.operations == ["UpdateItem"] * 3
        assert len(no_pauses) == 2
        proxy.fail("GetItem", Refused(code))
        assert await store.get(KEY) == Record(KEY, b"old", version)

    async def test_a_conflict_after_a_throttled_try_is_a_conflict(
        self, store: DynamoStore, proxy: DynamoProxy
    ) -> None:
        version = await create(store)
        proxy.fail("UpdateItem", Refused("ThrottlingException"))
        assert await store.put(KEY, b"", expected=ABSENT) == Conflict(version)

    async def test_a_server_that_stays_busy_is_an_error_that_says_so(
        self, store: DynamoStore, proxy: DynamoProxy
    ) -> None:
        proxy.fail("UpdateItem", *[Refused("ThrottlingException")] * 3)
        with pytest.raises(StorageUnavailable, match="overloaded") as caught:
            await create(store)
        assert "capacity" in caught.value.hint
        assert await store.get(KEY) is None

    async def test_a_write_that_met_a_transaction_is_sent_again(
        self, store: DynamoStore, proxy: DynamoProxy, no_pauses: list[float]
    ) -> None:
        proxy.fail("UpdateItem", Refused("TransactionConflictException"))
        version = await create(store)
        met = {"CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "None"}]}
        proxy.fail("TransactWriteItems", Refused("TransactionCanceledException", met))
        operations = [
            Put(key=KEY, value=b"new", expected=version),
            Put(key=("b",), value=b"", expected=ABSENT),
        ]
        assert await batch(store, operations) is None
        assert len(no_pauses) == 2

    async def test_a_refusal_beside_a_passing_trouble_is_looked_at_again(
        self, store: DynamoStore, proxy: DynamoProxy
    ) -> None:
        version = await create(store)
        reasons = [{"Code": "TransactionConflict"}, {"Code": "ConditionalCheckFailed"}]
        mixed = Refused("TransactionCanceledException", {"CancellationReasons": reasons})
        proxy.fail("TransactWriteItems", mixed)
        operations = [
            Put(key=KEY, value=b"", expected=version + 1),
            Put(key=("b",), value=b"", expected=7),
        ]
        assert await batch(store, operations) == Conflict(version, 0)

    async def test_a_cancellation_without_reasons_is_no_success(
        self, store: DynamoStore, proxy: DynamoProxy
    ) -> None:
        refusal = Refused("TransactionCanceledException", {"CancellationReasons": []})
        proxy.fail("TransactWriteItems", *[refusal] * 50)
        with pytest.raises(StorageUnavailable, match="gave way to others"):
            await batch(store, [Put(key=KEY, value=b"", expected=ANY)])
        assert await store.get(KEY) is None

    async def test_keys_that_the_server_left_for_later_are_asked_for_again(
        self, store: DynamoStore, proxy: DynamoProxy
    ) -> None:
        await store.append(("a",), [b""])
        await store.append(("b",), [b""])
        proxy.requests.clear()
        await store.logs(())
        ((_, asked),) = [each for each in proxy.requests if each[0] == "BatchGetItem"]
        proxy.fail(
            "BatchGetItem", Answered({"Responses": {}, "UnprocessedKeys": asked["RequestItems"]})
        )
        assert list(await store.logs(())) == [("a",), ("b",)]


class TestStaleIndex:
    async def test_a_record_that_is_taken_is_not_taken_again_from_an_old_index(
        self, store: DynamoStore, proxy: DynamoProxy, clock: ManualClock
    ) -> None:
        now = clock.now_ms()
        for name in ("a", "b"):
            await store.put(("q", name), b"", expected=ABSENT, due_at=now)
        first = await store.claim(("q",), until=now + 1000)
        assert first is not None
        old = proxy.answers[-2]
        assert [item["s"]["S"] for item in old["Items"]] == ["q\0a\0", "q\0b\0"]
        proxy.fail("Query", Answered(old), Answered(old), Answered(old))
        second = await store.claim(("q",), until=now + 1000)
        assert second is not None
        assert (first.key, second.key) == (("q", "a"), ("q", "b"))
        assert await store.claim(("q",), until=now + 1000) is None


class TestTransactions:
    async def test_each_transaction_has_a_token_of_its_own_that_a_repetition_keeps(
        self, store: DynamoStore, proxy: DynamoProxy
    ) -> None:
        operations = [Put(key=KEY, value=b"", expected=ANY)]
        await batch(store, operations)
        proxy.fail("TransactWriteItems", Unsent())
        await batch(store, operations)
        tokens = [
            request["ClientRequestToken"]
            for operation, request in proxy.requests
            if operation == "TransactWriteItems"
        ]
        assert len(tokens) == 3
        assert tokens[0] != tokens[1] == tokens[2]

    async def test_100_operations_fit_and_101_are_refused_before_anything_is_sent(
        self, store: DynamoStore, proxy: DynamoProxy
    ) -> None:
        operations: list[Operation] = [
            Put(key=("k", f"{number:03}"), value=b"", expected=ABSENT) for number in range(50)
        ]
        operations += [Append(log=("l", f"{number}"), entries=[b""]) for number in range(50)]
        too_many = [*operations, Delete(key=("z",), expected=ANY)]
        with pytest.raises(UsageError, match="101 operations; DynamoDB takes 100"):
            await batch(store, too_many)
        assert {"PutItem", "TransactWriteItems"}.isdisjoint(proxy.operations)
        assert await batch(store, operations) is None
        assert len(await store.scan(())) == 50
        assert len(await store.logs(())) == 50

    async def test_more_than_4_mb_are_refused_before_anything_is_sent(
        self, store: DynamoStore, proxy: DynamoProxy
    ) -> None:
        largest = bytes(store.max_value_bytes)
        operations = [Put(key=(f"{n}",), value=largest, expected=ABSENT) for n in range(11)]
        with pytest.raises(UsageError, match="DynamoDB takes 4194304"):
            await batch(store, operations)
        assert proxy.operations == []

    async def test_an_append_of_many_items_is_part_of_a_batch(
        self, store: DynamoStore, other: DynamoStore
    ) -> None:
        entries = [bytes([n]) * 300_000 for n in range(20)]
        refused = [Append(log=LOG, entries=entries), Put(key=KEY, value=b"", expected=1)]
        assert await batch(store, refused) == Conflict(ABSENT, 1)
        assert list(await other.read(LOG)) == []
        assert list(await other.logs(())) == []
        assert await batch(store, [Append(log=LOG, entries=entries)]) is None
        assert [entry.value for entry in await other.read(LOG)] == entries

    async def test_an_append_goes_behind_what_another_added_meanwhile(
        self, store: DynamoStore, other: DynamoStore
    ) -> None:
        await store.append(LOG, [b"1"])
        await other.append(LOG, [b"2", b"3"])
        put = Put(key=KEY, value=b"", expected=ABSENT)
        assert await batch(store, [put, Append(log=LOG, entries=[b"4"])]) is None
        assert list(await other.read(LOG, after=2)) == [Entry(3, b"3"), Entry(4, b"4")]

    @pytest.mark.parametrize("expected", [0, 1, 2, 4])
    async def test_a_log_with_another_end_refuses_a_batch(
        self, store: DynamoStore, other: DynamoStore, expected: int
    ) -> None:
        await store.append(LOG, [b"1"])
        await other.append(LOG, [b"2", b"3"])
        put = Put(key=KEY, value=b"", expected=ABSENT)
        for entries in ([b"x"], []):
            append = Append(log=LOG, entries=entries, expected=expected)
            assert await batch(store, [put, append]) == Conflict(3, 1)
        assert await store.get(KEY) is None
        assert await batch(store, [put, Append(log=LOG, entries=[], expected=3)]) is None

    async def test_the_first_refusal_is_named_also_before_a_log_that_is_known_to_refuse(
        self, store: DynamoStore
    ) -> None:
        version = await create(store)
        operations = [
            Put(key=("a",), value=b"", expected=ABSENT),
            Put(key=KEY, value=b"", expected=ABSENT),
            Append(log=LOG, entries=[b""], expected=9),
        ]
        assert await batch(store, operations) == Conflict(version, 1)


async def test_a_record_that_expires_while_it_refuses_a_create_gives_way(
    store: DynamoStore, proxy: DynamoProxy, clock: ManualClock
) -> None:
    await store.put(KEY, b"old", expected=ABSENT, expires_at=clock.now_ms() + 5)

    async def expire() -> None:
        clock.advance(0.005)

    proxy.fail("UpdateItem", Held(expire))
    version = await store.put(KEY, b"new", expected=ABSENT)
    assert isinstance(version, int)
    assert await store.get(KEY) == Record(KEY, b"new", version)


async def test_a_verb_that_is_cancelled_leaves_the_client_usable(
    store: DynamoStore, proxy: DynamoProxy
) -> None:
    arrived, never = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        arrived.set()
        await never.wait()

    proxy.fail("UpdateItem", Lost(meanwhile=hang))
    writing = asyncio.ensure_future(store.put(KEY, b"x", expected=ABSENT))
    await arrived.wait()
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    never.set()
    record = await store.get(KEY)
    assert record is not None
    assert record.value == b"x"
    assert await store.put(KEY, b"y", expected=record.version) == record.version + 1


async def test_a_write_that_is_cancelled_does_not_come_later(
    store: DynamoStore, other: DynamoStore, proxy: DynamoProxy
) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def until() -> None:
        arrived.set()
        await go_on.wait()

    proxy.fail("UpdateItem", Held(until))
    writing = asyncio.ensure_future(store.put(KEY, b"x", expected=ABSENT))
    await arrived.wait()
    writing.cancel()
    asyncio.get_running_loop().call_later(0.01, go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await writing
    record = await other.get(KEY)
    assert record is not None
    assert record.value == b"x"
