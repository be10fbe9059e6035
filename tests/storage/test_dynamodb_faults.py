"""DynamoDB behind a network that loses answers, and a server that is busy.

A proxy before moto drops the answer to a write that was applied, or the request itself. Whatever
the store then says must agree with what is stored: a success is never told as a `Conflict`, and
nothing is applied twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest

from holdfast.errors import StorageUnavailable, UsageError
from holdfast.storage.dynamodb import DynamoStore
from holdfast.storage.dynamodb.errors import OutcomeUnknown
from holdfast.storage.seam import (
    ABSENT,
    ANY,
    Append,
    Batching,
    Conflict,
    Delete,
    Entry,
    Operation,
    Put,
    Record,
)
from holdfast.testing.clock import ManualClock
from tests.servers.dynamodb import DynamoServer
from tests.servers.dynamodb_proxy import (
    Answered,
    DynamoProxy,
    Held,
    Lost,
    Refused,
    Unsent,
    proxy_to,
)

pytestmark = [pytest.mark.service, pytest.mark.promise("conditional-write")]

KEY = ("k",)
LOG = ("log",)
WAYS = [Lost("cut"), Lost("torn"), Lost("500")]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let the driver repeat at once; give the pauses that it would have made."""
    pauses: list[float] = []

    async def sleep(self: object, seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("aiobotocore.endpoint.AioEndpoint._sleep", sleep)
    return pauses


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def proxied(moto: DynamoServer) -> AsyncIterator[tuple[DynamoProxy, DynamoServer]]:
    async with proxy_to(moto) as pair:
        yield pair


@pytest.fixture
def proxy(proxied: tuple[DynamoProxy, DynamoServer]) -> DynamoProxy:
    return proxied[0]


@pytest.fixture
async def pair(
    proxied: tuple[DynamoProxy, DynamoServer], moto: DynamoServer, clock: ManualClock
) -> AsyncIterator[tuple[DynamoStore, DynamoStore]]:
    """A store behind the proxy, and another client of the same store that has no trouble."""
    proxy, server = proxied
    far = server.address()
    near = type(far)(table=far.table, region=far.region, endpoint=moto.endpoint, prefix=far.prefix)
    async with (
        DynamoStore(far, clock=clock, attempts=3, timeout=5) as behind,
        DynamoStore(near, clock=clock) as direct,
    ):
        proxy.requests.clear()
        yield behind, direct


@pytest.fixture
def store(pair: tuple[DynamoStore, DynamoStore]) -> DynamoStore:
    return pair[0]


@pytest.fixture
def other(pair: tuple[DynamoStore, DynamoStore]) -> DynamoStore:
    return pair[1]


async def create(store: DynamoStore, key: tuple[str, ...] = KEY, value: bytes = b"old") -> int:
    version = await store.put(key, value, expected=ABSENT)
    assert isinstance(version, int)
    return version


class TestRoundTrips:
    async def test_a_get_is_one_consistent_read_and_no_write(
        self, store: DynamoStore, proxy: DynamoProxy
    ) -> None:
        await store.get(KEY)
        ((operation, request),) = proxy.requests
        assert operation == "GetItem"
        assert request["ConsistentRead"] is True

    async def test_a_write_that_nothing_stops_is_one_request(
        self, store: DynamoStore, proxy: DynamoProxy
    ) -> None:
        version = await create(store)
        version = await store.put(KEY, b"2", expected=version)
        await store.put(KEY, b"3", expected=ANY)
        await store.delete(KEY, expected=ANY)
        assert proxy.operations == ["UpdateItem"] * 4

    async def test_a_refused_write_is_one_request_as_the_answer_tells_what_is_there(
        self, store: DynamoStore, proxy: DynamoProxy
    ) -> None:
        version = await create(store)
        assert await store.put(KEY, b"x", expected=ABSENT) == Conflict(version)
        assert proxy.operations == ["UpdateItem"] * 2

    async def test_an_append_to_a_known_end_is_one_request(
        self, store: DynamoStore, proxy: DynamoProxy
    ) -> None:
        await store.append(LOG, [b"1"], expected=ABSENT)
        assert proxy.operations == ["PutItem"] * 2  # the name of the log comes first
        await store.append(LOG, [b"2"])
        await store.append(LOG, [b"3"] * 1000, expected=2)
        assert proxy.operations == ["PutItem"] * 4

    async def test_asking_for_what_comes_behind_the_last_entry_is_one_request(
        self, store: DynamoStore, proxy: DynamoProxy
    ) -> None:
        await store.append(LOG, [b"1", b"2"], expected=ABSENT)
        proxy.requests.clear()
        assert list(await store.read(LOG, after=2)) == []
        assert proxy.operations == ["Query"]

    async def test_all_reads_of_the_table_are_consistent(
        self, store: DynamoStore, proxy: DynamoProxy
    ) -> None:
        await store.append(LOG, [b"1"])
        await store.read(LOG)
        await store.scan(())
        await store.logs(())
        requests = [each for operation, each in proxy.requests if operation == "Query"]
        (batch,) = [each for operation, each in proxy.requests if operation == "BatchGetItem"]
        (keys,) = batch["RequestItems"].values()
        assert len(requests) >= 4
        assert all(request["ConsistentRead"] for request in [*requests, keys])


class TestLostAnswers:
    @pytest.mark.parametrize("fault", WAYS, ids=lambda fault: fault.how)
    async def test_a_create_that_was_applied_is_a_success(
        self, store: DynamoStore, other: DynamoStore, proxy: DynamoProxy, fault: Lost
    ) -> None:
        proxy.fail("UpdateItem", fault)
        version = await store.put(KEY, b"new", expected=ABSENT)
        assert isinstance(version, int)
        assert await other.get(KEY) == Record(KEY, b"new", version)
        assert proxy.operations == ["UpdateItem", "GetItem"]

    @pytest.mark.parametrize("fault", WAYS, ids=lambda fault: fault.how)
    async def test_a_replacement_that_was_applied_is_a_success_and_happens_once(
        self, store: DynamoStore, other: DynamoStore, proxy: DynamoProxy, fault: Lost
    ) -> None:
        first = await create(store)
        proxy.fail("UpdateItem", fault)
        assert await store.put(KEY, b"new", expected=first) == first + 1
        assert await other.get(KEY) == Record(KEY, b"new", first + 1)

    async def test_a_delete_that_was_applied_is_a_success(
        self, store: DynamoStore, other: DynamoStore, proxy: DynamoProxy
    ) -> None:
        version = await create(store)
        proxy.fail("UpdateItem", Lost())
        assert await store.delete(KEY, expected=version) is None
        assert await other.get(KEY) is None

    async def test_a_claim_that_was_applied_is_given_to_its_claimer(
        self, store: DynamoStore, proxy: DynamoProxy, clock: ManualClock
    ) -> None:
        now = clock.now_ms()
        version = await store.put(("q", "a"), b"job", expected=ABSENT, due_at=now)
        assert isinstance(version, int)
        proxy.fail("UpdateItem", Lost())
        claimed = await store.claim(("q",), until=now + 5)
        assert claimed == Record(("q", "a"), b"job", version + 1, due_at=now + 5)

    async def test_a_write_that_never_arrived_is_sent_again(
        self, store: DynamoStore, other: DynamoStore, proxy: DynamoProxy
    ) -> None:
        proxy.fail("UpdateItem", Unsent())
        first = await create(store)
        proxy.fail("UpdateItem", Unsent())
        assert await store.put(KEY, b"new", expected=first) == first + 1
        proxy.fail("UpdateItem", Unsent())
        assert await store.put(KEY, b"any", expected=ANY) == first + 2
        assert await other.get(KEY) == Record(KEY, b"any", first + 2)

    async def test_a_write_before_which_another_came_is_a_conflict(
        self, store: DynamoStore, other: DynamoStore, proxy: DynamoProxy
    ) -> None:
        first = await create(store)

        async def overtake() -> None:
            assert await other.put(KEY, b"other", expected=first) == first + 1

        proxy.fail("UpdateItem", Unsent(overtake))
        assert await store.put(KEY, b"new", expected=first) == Conflict(first + 1)

        async def remove() -> None:
            assert await other.delete(KEY, expected=first + 1) is None

        proxy.fail("UpdateItem", Unsent(remove))
        assert await store.put(KEY, b"new", expected=first + 1) == Conflict(ABSENT)

    async def test_what_nobody_can_know_is_told_and_not_guessed(
        self, store: DynamoStore, other: DynamoStore, proxy: DynamoProxy
    ) -> None:
        first = await create(store)

        async def cover() -> None:
            assert await other.put(KEY, b"other", expected=first + 1) == first + 2

        proxy.fail("UpdateItem", Lost(meanwhile=cover))
        with pytest.raises(OutcomeUnknown, match="may have been applied") as caught:
            await store.put(KEY, b"new", expected=first)
        assert "read what is stored" in caught.value.hint
        assert await other.get(KEY) == Record(KEY, b"other", first + 2)

    async def test_a_create_that_was_deleted_meanwhile_does_not_come_back(
        self, store: DynamoStore, other: DynamoStore, proxy: DynamoProxy
    ) -> None:
        async def remove() -> None:
            assert await other.delete(KEY, expected=ANY) is None

        proxy.fail("UpdateItem", Lost(meanwhile=remove))
        with pytest.raises(OutcomeUnknown):
            await store.put(KEY, b"new", expected=ABSENT)
        assert await other.get(KEY) is None

    async def test_deleting_whatever_is_there_finds_it_gone(
        self, store: DynamoStore, other: DynamoStore, proxy: DynamoProxy
    ) -> None:
        await create(store)
        proxy.fail("UpdateItem", Lost())
        assert await store.delete(KEY, expected=ANY) is None
        proxy.fail("UpdateItem", Unsent())
        assert await store.delete(KEY, expected=ANY) is None

    async def test_a_write_that_is_lost_each_time_ends_in_an_error(
        self, store: DynamoStore, proxy: DynamoProxy
    ) -> None:
        first = await create(store)
        proxy.fail("UpdateItem", *[Unsent()] * 10)
        with pytest.raises(StorageUnavailable):
            await store.put(KEY, b"new", expected=first)
        assert await store.get(KEY) == Record(KEY, b"old", first)

    @pytest.mark.parametrize("fault", WAYS, ids=lambda fault: fault.how)
    @pytest.mark.parametrize("expected", [ANY, 1])
    async def test_an_append_that_was_applied_is_a_success_and_happens_once(
        self,
        store: DynamoStore,
        other: DynamoStore,
        proxy: DynamoProxy,
        expected: int,
        fault: Lost,
    ) -> None:
        await store.append(LOG, [b"1"])
        proxy.fail("PutItem", fault)
        assert await store.append(LOG, [b"2", b"3"], expected=expected) == 3
        assert [entry.value for entry in await other.read(LOG)] == [b"1", b"2", b"3"]

    async def test_an_append_that_was_applied_and_followed_is_a_success(
        self, store: DynamoStore, other: DynamoStore, proxy: DynamoProxy
    ) -> None:
        await store.append(LOG, [b"1"])

        async def follow() -> None:
            assert await other.append(LOG, [b"3"]) == 3

        proxy.fail("PutItem", Lost(meanwhile=follow))
        assert await store.append(LOG, [b"2"], expected=1) == 2
        assert await store.append(LOG, [b"4"]) == 4
        assert [entry.value for entry in await other.read(LOG)] == [b"1", b"2", b"3", b"4"]

    async def test_an_append_that_came_second_goes_behind_the_first(
        self, store: DynamoStore, other: DynamoStore, proxy: DynamoProxy
    ) -> None:
        await store.append(LOG, [b"1"])

        async def overtake() -> None:
            assert await other.append(LOG, [b"2"]) == 2

        proxy.fail("PutItem", Unsent(overtake))
        assert await store.append(LOG, [b"3"]) == 3

    @pytest.mark.parametrize("fault", WAYS, ids=lambda fault: fault.how)
    async def test_a_batch_that_was_applied_is_a_success_and_happens_once(
        self, store: DynamoStore, other: DynamoStore, proxy: DynamoProxy, fault: Lost
    ) -> None:
        first = await create(store)
        await store.append(LOG, [b"1"])
        proxy.fail("TransactWriteItems", fault)
        operations: list[Operation] = [
            Put(key=KEY, value=b"new", expected=first),
            Put(key=("fresh",), value=b"", expected=ABSENT),
            Append(log=LOG, entries=[b"2"], expected=1),
        ]
        assert await batch(store, operations) is None
        assert await other.get(KEY) == Record(KEY, b"new", first + 1)
        assert len(await other.read(LOG)) == 2

    async def test_a_batch_whose_answers_are_all_lost_is_known_by_its_token(
        self, store: DynamoStore, other: DynamoStore, proxy: DynamoProxy
    ) -> None:
        first = await create(store)
        proxy.fail("TransactWriteItems", Lost(), Unsent(), Unsent())
        assert await batch(store, [Put(key=KEY, value=b"new", expected=first)]) is None
        proxy.fail("TransactWriteItems", *[Unsent()] * 3)
        with pytest.raises(OutcomeUnknown):
            await batch(store, [Put(key=KEY, value=b"newer", expected=first + 1)])
        assert await other.get(KEY) == Record(KEY, b"new", first + 1)

    @pytest.mark.parametrize("fault", [*WAYS, Unsent()], ids=["cut", "torn", "500", "unsent"])
    async def test_a_read_is_repeated(
        self, store: DynamoStore, proxy: DynamoProxy, fault: Lost | Unsent
    ) -> None:
        version = await create(store)
        proxy.fail("GetItem", fault)
        assert await store.get(KEY) == Record(KEY, b"old", version)
        proxy.fail("Query", fault)
        assert len(await store.scan(())) == 1


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


async def batch(store: DynamoStore, operations: list[Operation] | list[Put]) -> Conflict | None:
    assert isinstance(store, Batching)
    return await cast("Batching", store).batch(operations)
