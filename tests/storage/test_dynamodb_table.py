"""Tables of DynamoDB: shared, new, foreign, deleted, refused by AWS."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from holdfast.errors import StorageCorrupt, StorageTooNew, StorageUnavailable
from holdfast.storage import open_store
from holdfast.storage.dynamodb import Address, DynamoStore
from holdfast.storage.dynamodb.items import Names, number
from holdfast.storage.seam import ABSENT, ANY, Batching
from holdfast.testing.clock import ManualClock
from tests.servers.dynamodb import DynamoServer, local_credentials
from tests.servers.dynamodb_proxy import Refused, proxy_to
from tests.servers.process import free_port
from tests.storage.dynamodb_help import KEY, LOG, address, client_of, clock, raw, server, store

__all__ = ["address", "clock", "raw", "server", "store"]  # fixtures


@pytest.mark.service
class TestTable:
    async def test_two_prefixes_of_a_table_do_not_see_each_other(
        self, address: Address, clock: ManualClock
    ) -> None:
        prefixes = [f"{address.prefix}{end}" for end in ("", "1", "é")]
        for prefix in prefixes:
            async with DynamoStore(replace(address, prefix=prefix), clock=clock) as store:
                assert isinstance(
                    await store.put(KEY, prefix.encode(), expected=ABSENT, due_at=0), int
                )
                assert await store.append(LOG, [prefix.encode()]) == 1
        for prefix in prefixes:
            async with DynamoStore(replace(address, prefix=prefix), clock=clock) as store:
                assert [record.value for record in await store.scan(())] == [prefix.encode()]
                assert [entry.value for entry in await store.read(LOG)] == [prefix.encode()]
                assert list(await store.logs(())) == [LOG]
                claimed = await store.claim((), until=clock.now_ms() + 1)
                assert claimed is not None
                assert claimed.value == prefix.encode()
                assert await store.claim((), until=clock.now_ms() + 1) is None

    async def test_what_is_due_below_one_prefix_is_not_due_below_another(
        self, address: Address, clock: ManualClock
    ) -> None:
        beside = replace(address, prefix=f"{address.prefix}2")
        async with (
            DynamoStore(address, clock=clock) as one,
            DynamoStore(beside, clock=clock) as two,
        ):
            due = await one.put(("q", "a"), b"", expected=ABSENT, due_at=0)
            assert await two.put(("q", "a"), b"", expected=ABSENT) == due
            assert await two.claim(("q",), until=1) is None
            assert await one.claim(("q",), until=1) is not None

    async def test_stores_that_open_a_new_table_at_once_all_succeed(
        self, server: DynamoServer, clock: ManualClock
    ) -> None:
        table = replace(server, shared_table=False).address()
        stores = [DynamoStore(table, clock=clock) for _ in range(4)]
        await asyncio.gather(*(store.__aenter__() for store in stores))
        assert isinstance(await stores[0].put(KEY, b"x", expected=ABSENT), int)
        assert await stores[3].get(KEY) is not None
        for each in stores:
            await each.__aexit__(None, None, None)

    async def test_a_new_table_is_billed_on_demand(
        self, server: DynamoServer, clock: ManualClock
    ) -> None:
        address = replace(server, shared_table=False).address()
        async with DynamoStore(address, clock=clock), client_of(address) as raw:
            table = (await raw.describe_table(TableName=address.table))["Table"]
        assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"

    @pytest.mark.parametrize("shape", ["keys", "types", "no index", "index without versions"])
    async def test_the_table_of_another_program_is_refused_and_left_alone(
        self, server: DynamoServer, clock: ManualClock, shape: str
    ) -> None:
        address = replace(server, shared_table=False).address()
        async with client_of(address) as raw:
            await raw.create_table(TableName=address.table, **foreign_shape(shape))
            with pytest.raises(StorageCorrupt, match="another program") as caught:
                await DynamoStore(address, clock=clock).__aenter__()
            assert "a table of its own" in caught.value.hint
            await raw.get_waiter("table_exists").wait(
                TableName=address.table, WaiterConfig={"Delay": 0.05, "MaxAttempts": 200}
            )
            assert (await raw.scan(TableName=address.table))["Count"] == 0

    async def test_a_store_of_the_future_is_refused(
        self, store: DynamoStore, address: Address, clock: ManualClock, raw: Any
    ) -> None:
        del store
        item = {**Names(address.prefix).format, "v": number(2)}
        await raw.put_item(TableName=address.table, Item=item)
        with pytest.raises(StorageTooNew, match="has format 2; this Holdfast knows 1"):
            await DynamoStore(address, clock=clock).__aenter__()

    async def test_a_store_batches_only_where_the_server_has_transactions(
        self, moto: DynamoServer, dynalite: DynamoServer, clock: ManualClock
    ) -> None:
        able, unable = (DynamoStore(each.address(), clock=clock) for each in (moto, dynalite))
        assert not isinstance(able, Batching)
        async with able, unable:
            assert isinstance(able, Batching)
            assert not isinstance(unable, Batching)

    async def test_a_table_that_was_deleted_is_an_error_that_says_so(
        self, server: DynamoServer, clock: ManualClock
    ) -> None:
        address = replace(server, shared_table=False).address()
        async with DynamoStore(address, clock=clock) as store:
            async with client_of(address) as raw:
                await raw.delete_table(TableName=address.table)
                await raw.get_waiter("table_not_exists").wait(
                    TableName=address.table, WaiterConfig={"Delay": 0.05, "MaxAttempts": 200}
                )
            for verb in (store.get(KEY), store.put(KEY, b"", expected=ANY), store.scan(())):
                with pytest.raises(StorageUnavailable, match="is gone") as caught:
                    await verb
                assert "backup" in caught.value.hint

    async def test_a_store_is_opened_by_its_url(
        self, moto: DynamoServer, clock: ManualClock
    ) -> None:
        address = moto.address()
        url = f"dynamodb://{address.table}?region={address.region}&endpoint={address.endpoint}"
        async with open_store(url, clock=clock) as store:
            assert await store.append(LOG, [b""]) == 1


@pytest.mark.service
class TestRefusals:
    @pytest.mark.parametrize(
        ("code", "message", "hint"),
        [
            ("AccessDeniedException", "AWS denies access", "ConditionCheckItem"),
            ("UnrecognizedClientException", "refuses the credentials", "the profile"),
            ("ExpiredTokenException", "refuses the credentials", "renew"),
            ("ValidationException", "refused a request", "nothing of it was applied"),
        ],
    )
    async def test_what_aws_refuses_is_told_with_its_remedy(
        self, moto: DynamoServer, clock: ManualClock, code: str, message: str, hint: str
    ) -> None:
        async with proxy_to(moto) as (proxy, server):
            proxy.fail("DescribeTable", Refused(code))
            with pytest.raises(Exception, match=message) as opening:
                await DynamoStore(server.address(), clock=clock).__aenter__()
            async with DynamoStore(server.address(), clock=clock) as store:
                proxy.fail("UpdateItem", Refused(code))
                with pytest.raises(Exception, match=message) as writing:
                    await store.put(KEY, b"", expected=ANY)
        for caught in (opening, writing):
            assert isinstance(caught.value, StorageUnavailable | type(opening.value))
            assert caught.value.exit_code == 4
            assert hint in caught.value.hint

    async def test_a_store_opens_where_it_may_not_set_the_clean_up(
        self, moto: DynamoServer, clock: ManualClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with proxy_to(moto) as (proxy, server):
            proxy.fail("UpdateTimeToLive", Refused("AccessDeniedException"))
            async with DynamoStore(server.address(), clock=clock) as store:
                assert await store.append(LOG, [b""]) == 1
        assert "what has expired stays in the table" in caplog.text

    async def test_an_endpoint_that_is_down_is_unavailable(self, clock: ManualClock) -> None:
        endpoint = f"http://127.0.0.1:{free_port()}"
        address = Address(table="table", region="eu-central-1", endpoint=endpoint)
        with (
            local_credentials(),
            pytest.raises(StorageUnavailable, match="does not answer") as caught,
        ):
            await DynamoStore(address, clock=clock, attempts=1).__aenter__()
        assert endpoint in caught.value.message
        assert "check the network" in caught.value.hint


def foreign_shape(shape: str) -> dict[str, Any]:
    """Return the description of a table that is not ours."""
    ours: dict[str, Any] = json.loads(
        """{"KeySchema": [{"AttributeName": "p", "KeyType": "HASH"},
                          {"AttributeName": "s", "KeyType": "RANGE"}],
            "AttributeDefinitions": [{"AttributeName": "p", "AttributeType": "S"},
                                     {"AttributeName": "s", "AttributeType": "S"},
                                     {"AttributeName": "q", "AttributeType": "S"},
                                     {"AttributeName": "u", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
            "GlobalSecondaryIndexes": [{"IndexName": "due",
                "KeySchema": [{"AttributeName": "q", "KeyType": "HASH"},
                              {"AttributeName": "u", "KeyType": "RANGE"}],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["e", "v"]}}]}"""
    )
    match shape:
        case "keys":
            ours["KeySchema"].pop()
            ours["AttributeDefinitions"].pop(1)
        case "types":
            ours["AttributeDefinitions"][1]["AttributeType"] = "B"
        case "no index":
            del ours["GlobalSecondaryIndexes"], ours["AttributeDefinitions"][2:]
        case _:
            ours["GlobalSecondaryIndexes"][0]["Projection"] = {"ProjectionType": "KEYS_ONLY"}
    return ours
