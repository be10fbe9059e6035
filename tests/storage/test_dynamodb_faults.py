"""DynamoDB behind a network that loses answers.

A proxy before moto drops the answer to a write that was applied, or the request itself. Whatever
the store then says must agree with what is stored: a success is never told as a `Conflict`, and
nothing is applied twice.
"""

from __future__ import annotations

import pytest

from holdfast.errors import OutcomeUnknown, StorageUnavailable
from holdfast.storage.dynamodb import DynamoStore
from holdfast.storage.seam import ABSENT, ANY, Append, Conflict, Operation, Put, Record
from holdfast.testing.clock import ManualClock
from tests.servers.dynamodb_proxy import DynamoProxy, Lost, Unsent
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

WAYS = [Lost("cut"), Lost("torn"), Lost("500")]


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
