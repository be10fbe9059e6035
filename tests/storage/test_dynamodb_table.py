"""What a store makes of DynamoDB's own nature: sizes, pages, late deletion, tables, credentials."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import (
    StorageCorrupt,
    StorageTooNew,
    StorageUnavailable,
    UsageError,
)
from holdfast.storage import open_store
from holdfast.storage.dynamodb import Address, DynamoStore, parse_address
from holdfast.storage.dynamodb import driver as driver_module
from holdfast.storage.dynamodb.items import (
    MAX_ITEM_BYTES,
    Names,
    due_text,
    due_time,
    item_size,
    number,
    text,
)
from holdfast.storage.dynamodb.packs import MAX_DATA_BYTES, make_pack, split
from holdfast.storage.keys import MAX_KEY_BYTES
from holdfast.storage.seam import ABSENT, ANY, Batching, Conflict, Put, Record
from holdfast.testing.clock import ManualClock
from tests.servers.dynamodb import DynamoServer
from tests.servers.dynamodb_proxy import Refused, proxy_to
from tests.servers.process import free_port

DAY_MS = 24 * 60 * 60 * 1000
KEY = ("k",)
LOG = ("log",)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["moto", "dynalite"])
def server(request: pytest.FixtureRequest) -> DynamoServer:
    return request.getfixturevalue(request.param)


@pytest.fixture
def address(server: DynamoServer) -> Address:
    return server.address()


@pytest.fixture
async def store(address: Address, clock: ManualClock) -> AsyncIterator[DynamoStore]:
    async with DynamoStore(address, clock=clock) as store:
        yield store


@pytest.fixture
async def raw(address: Address) -> AsyncIterator[Any]:
    """The driver's client, to look past the store."""
    async with client_of(address) as client:
        yield client


@asynccontextmanager
async def client_of(address: Address) -> AsyncIterator[Any]:
    made = driver_module.make_client(address.region, address.endpoint, attempts=1, timeout=10)
    async with made as client:
        yield client


async def items(raw: Any, address: Address, partition: str) -> list[dict[str, Any]]:
    answer = await raw.query(
        TableName=address.table,
        KeyConditionExpression="p = :p",
        ExpressionAttributeValues={":p": text(partition)},
    )
    return answer["Items"]


@pytest.mark.service
class TestSizes:
    async def test_the_largest_value_fits_with_the_longest_names_and_all_attributes(
        self, server: DynamoServer, clock: ManualClock
    ) -> None:
        address = replace(server.address(), prefix="p" * 255)
        now, queue = clock.now_ms(), "q" * 500
        key = (queue, "x" * (MAX_KEY_BYTES - len(queue) - 2))
        async with DynamoStore(address, clock=clock) as store:
            value = bytes(store.max_value_bytes)
            version = await store.put(
                key, value, expected=ABSENT, expires_at=now + DAY_MS, due_at=now
            )
            assert isinstance(version, int)
            claimed = await store.claim((queue,), until=now + 5)
            assert claimed == Record(key, value, version + 1, now + DAY_MS, now + 5)
            assert await store.delete(key, expected=version + 1) is None
            assert await store.append(key, [value, value, b"x"]) == 3
            assert [entry.value for entry in await store.read(key)] == [value, value, b"x"]
            if isinstance(store, Batching):
                put = Put(key=key, value=value, expected=ABSENT, expires_at=now + 9, due_at=now)
                assert await cast("Batching", store).batch([put]) is None

    async def test_one_byte_more_is_refused_before_anything_is_sent(
        self, moto: DynamoServer, clock: ManualClock
    ) -> None:
        async with (
            proxy_to(moto) as (proxy, server),
            DynamoStore(server.address(), clock=clock) as store,
        ):
            assert isinstance(store, Batching)
            value = bytes(store.max_value_bytes + 1)
            put = Put(key=KEY, value=value, expected=ANY)
            proxy.requests.clear()
            for verb in (
                store.put(KEY, value, expected=ANY),
                store.append(LOG, [b"small", value]),
                store.batch([put]),
            ):
                with pytest.raises(UsageError, match="389121 bytes; 389120 are allowed"):
                    await verb
            assert proxy.requests == []

    async def test_dynalite_counts_an_item_as_we_do(
        self, dynalite: DynamoServer, clock: ManualClock
    ) -> None:
        address = dynalite.address()
        content = {"name": text("value"), "d": {"B": b"12345"}}
        async with DynamoStore(address, clock=clock), client_of(address) as raw:
            key = {"p": text(address.prefix), "s": text("s")}
            rest = MAX_ITEM_BYTES - item_size({**key, **content, "f": text("")})
            fits = {**key, **content, "f": text("x" * rest)}
            await raw.put_item(TableName=address.table, Item=fits)
            over = {**fits, "f": text("x" * (rest + 1))}
            with pytest.raises(driver_module.ServerError, match="Item size"):
                await raw.put_item(TableName=address.table, Item=over)


@pytest.mark.service
class TestPages:
    async def test_a_scan_reads_all_pages_of_the_server(self, store: DynamoStore) -> None:
        value = bytes(300_000)
        keys = [("k", str(number)) for number in range(9)]
        for key in keys:
            await store.put(key, value, expected=ABSENT)
        assert [record.key for record in await store.scan(("k",))] == keys
        assert [record.key for record in await store.scan((), limit=7)] == keys[:7]

    async def test_a_log_is_read_over_all_pages_of_the_server(self, store: DynamoStore) -> None:
        entries = [bytes([number]) * 300_000 for number in range(9)]
        for entry in entries:
            await store.append(LOG, [entry])
        assert [entry.value for entry in await store.read(LOG)] == entries
        assert [entry.value for entry in await store.read(LOG, after=2, limit=6)] == entries[2:8]

    async def test_one_append_of_many_pages_is_read_from_any_place(
        self, store: DynamoStore, address: Address, clock: ManualClock
    ) -> None:
        entries = [bytes([number]) * 300_000 for number in range(9)]
        assert await store.append(LOG, [b"first"]) == 1
        assert await store.append(LOG, entries) == 10
        assert await store.append(LOG, [b"last"]) == 11
        async with DynamoStore(address, clock=clock) as fresh:
            for after in range(12):
                shown = [entry.value for entry in await fresh.read(LOG, after=after)]
                assert shown == [b"first", *entries, b"last"][after:]

    async def test_what_was_deleted_does_not_shorten_a_page(self, store: DynamoStore) -> None:
        for place in range(60):
            await store.put(("k", f"{place:02}"), b"", expected=ABSENT)
        for place in range(59):
            await store.delete(("k", f"{place:02}"), expected=ANY)
        assert [record.key for record in await store.scan((), limit=1)] == [("k", "59")]

    async def test_more_logs_than_one_request_may_name_are_listed(self, store: DynamoStore) -> None:
        names = [("l", f"{number:03}") for number in range(103)]
        await asyncio.gather(*(store.append(name, [b""]) for name in names))
        assert list(await store.logs((), limit=1000)) == names
        assert list(await store.logs(("l",), after=names[99])) == names[100:]

    async def test_a_log_that_got_a_name_and_no_entry_is_not_listed(
        self, store: DynamoStore, address: Address, raw: Any
    ) -> None:
        await store.append(("l", "b"), [b""])
        name = {**Names(address.prefix).log_name("l\0a\0")}
        await raw.put_item(TableName=address.table, Item=name)
        assert list(await store.logs((), limit=1)) == [("l", "b")]

    async def test_more_expired_records_than_a_page_do_not_hide_a_due_one(
        self, store: DynamoStore, clock: ManualClock
    ) -> None:
        now = clock.now_ms()
        for place in range(60):
            key = ("q", f"{place:02}")
            await store.put(key, b"", expected=ABSENT, due_at=now - 2, expires_at=now + 1)
        await store.put(("q", "live"), b"", expected=ABSENT, due_at=now - 1)
        clock.advance(0.001)
        claimed = await store.claim(("q",), until=now + 9)
        assert claimed is not None
        assert claimed.key == ("q", "live")


@pytest.mark.service
class TestCleanUp:
    async def test_the_server_may_remove_what_expired_a_day_later_and_not_before(
        self, store: DynamoStore, address: Address, clock: ManualClock, raw: Any
    ) -> None:
        now = clock.now_ms()
        await store.put(("a",), b"", expected=ABSENT, expires_at=now + 1)
        await store.put(("b",), b"", expected=ABSENT, expires_at=now - 10 * DAY_MS)
        await store.put(("c",), b"", expected=ABSENT)
        await store.delete(("c",), expected=ANY)
        await store.put(("d",), b"", expected=ABSENT)
        stored = await items(raw, address, f"r:{address.prefix}")
        removed_at = [int(item["t"]["N"]) if "t" in item else None for item in stored]
        seconds = now // 1000
        assert removed_at == [seconds + 1 + 86_400, seconds + 86_400, seconds + 86_400, None]

    async def test_the_clean_up_is_switched_on_where_the_server_has_one(
        self, moto: DynamoServer, clock: ManualClock
    ) -> None:
        address = moto.address()
        async with DynamoStore(address, clock=clock), client_of(address) as raw:
            answer = await raw.describe_time_to_live(TableName=address.table)
        assert answer["TimeToLiveDescription"] == {
            "TimeToLiveStatus": "ENABLED",
            "AttributeName": "t",
        }

    async def test_versions_grow_over_a_deletion_and_over_the_clean_up(
        self, store: DynamoStore, address: Address, clock: ManualClock, raw: Any
    ) -> None:
        versions = []
        for turn in range(3):
            version = await store.put(KEY, b"", expected=ABSENT)
            assert isinstance(version, int)
            versions.append(version)
            await store.delete(KEY, expected=version)
            if turn == 1:  # the server's clean-up, a day later
                (item,) = await items(raw, address, f"r:{address.prefix}")
                clock.advance(86_400)
                key = {"p": item["p"], "s": item["s"]}
                await raw.delete_item(TableName=address.table, Key=key)
        assert versions == sorted(set(versions))

    async def test_versions_grow_though_the_clock_goes_back(
        self, store: DynamoStore, clock: ManualClock
    ) -> None:
        first = await store.put(KEY, b"", expected=ABSENT)
        await store.delete(KEY, expected=ANY)
        clock.advance(-3600)
        second = await store.put(KEY, b"", expected=ABSENT)
        assert isinstance(first, int)
        assert isinstance(second, int)
        assert second > first

    async def test_deleting_what_never_was_leaves_no_item(
        self, store: DynamoStore, address: Address, raw: Any
    ) -> None:
        assert await store.delete(KEY, expected=ANY) is None
        assert await store.delete(KEY, expected=ABSENT) is None
        assert await items(raw, address, f"r:{address.prefix}") == []

    async def test_parts_of_an_append_that_was_refused_are_removed(
        self, store: DynamoStore, address: Address, clock: ManualClock, raw: Any
    ) -> None:
        async with DynamoStore(address, clock=clock) as other:
            await store.append(LOG, [b"1"])
            assert await other.append(LOG, [b"2"]) == 2
            large = [bytes(300_000)] * 3
            assert await store.append(LOG, large, expected=1) == Conflict(2)
        stored = await items(raw, address, f"l:{address.prefix}\0log\0")
        assert [item["n"]["N"] for item in stored] == ["1", "2"]


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
        for store in stores:
            await store.__aexit__(None, None, None)

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
        with pytest.raises(StorageUnavailable, match="does not answer") as caught:
            await DynamoStore(address, clock=clock, attempts=1).__aenter__()
        assert endpoint in caught.value.message
        assert "check the network" in caught.value.hint


class TestSettings:
    async def test_no_credentials_are_told_with_the_remedy(
        self, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ) -> None:
        forget_aws(monkeypatch, str(tmp_path / "none"))
        address = Address(table="table", region="eu-central-1", endpoint="http://127.0.0.1:9")
        with pytest.raises(UsageError, match="no AWS credentials") as caught:
            await DynamoStore(address, clock=clock).__aenter__()
        assert "AWS_PROFILE" in caught.value.hint

    async def test_no_region_is_told_with_the_remedy(
        self, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ) -> None:
        forget_aws(monkeypatch, str(tmp_path / "none"))
        with pytest.raises(UsageError, match="no AWS region") as caught:
            await DynamoStore(Address(table="table"), clock=clock).__aenter__()
        assert "?region=" in caught.value.hint

    async def test_a_profile_that_is_missing_is_told(
        self, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ) -> None:
        forget_aws(monkeypatch, str(tmp_path / "none"))
        monkeypatch.setenv("AWS_PROFILE", "absent")
        with pytest.raises(UsageError, match="absent"):
            await DynamoStore(Address(table="table", region="x"), clock=clock).__aenter__()

    def test_an_address_names_table_region_endpoint_and_prefix(self) -> None:
        assert parse_address("dynamodb://table") == Address(table="table")
        url = "dynamodb://my-table_1.x?region=eu-west-1&endpoint=http%3A%2F%2F[::1]:80&prefix=a/b"
        assert parse_address(url) == Address(
            table="my-table_1.x", region="eu-west-1", endpoint="http://[::1]:80", prefix="a/b"
        )

    @pytest.mark.parametrize(
        ("url", "message"),
        [
            ("dynamodb:", "does not name a table"),
            ("dynamodb://", "does not name a table"),
            ("dynamodb:table", "does not name a table"),
            ("dynamodb://table/more", "does not name a table"),
            ("dynamodb://ab", "no name of a DynamoDB table"),
            ("dynamodb://tab%20le", "no name of a DynamoDB table"),
            ("dynamodb://table?regoin=x", "unknown setting 'regoin'"),
            ("dynamodb://table?endpoint=localhost:8000", "no address of a server"),
            ("dynamodb://table?endpoint=http://", "no address of a server"),
            ("dynamodb://table?endpoint=http://h:99999", "no address of a server"),
            ("dynamodb://table?prefix=" + "x" * 256, "too long"),
            ("dynamodb://table?prefix=a%00b", "not printable"),
        ],
    )
    def test_a_wrong_address_says_what_is_wrong(self, url: str, message: str) -> None:
        with pytest.raises(UsageError, match=message) as caught:
            open_store(url, clock=ManualClock())
        assert caught.value.hint

    @pytest.mark.parametrize(
        "url",
        [
            "dynamodb://key:secret@table",
            "dynamodb://table?endpoint=http://key:secret@host",
            "dynamodb://table?endpoint=http%3A%2F%2Fkey%3Asecret%40host",
        ],
    )
    def test_credentials_in_an_address_are_refused_and_not_repeated(self, url: str) -> None:
        with pytest.raises(UsageError, match="credentials") as caught:
            open_store(url, clock=ManualClock())
        assert "secret" not in caught.value.message + caught.value.hint

    def test_a_missing_driver_is_named_with_its_extra(self) -> None:
        probe = (
            "import sys; sys.modules['aiobotocore'] = None\n"
            "from holdfast.clock import SystemClock\n"
            "from holdfast.errors import UsageError\n"
            "from holdfast.storage import open_store\n"
            "try:\n"
            "    open_store('dynamodb://table', clock=SystemClock())\n"
            "except UsageError as error:\n"
            "    print(error.message, error.hint)\n"
        )
        shown = subprocess.run(
            [sys.executable, "-c", probe], check=True, capture_output=True, text=True
        )
        assert "aiobotocore" in shown.stdout
        assert "pip install 'holdfast[dynamodb]'" in shown.stdout

    def test_only_a_connection_that_was_never_made_has_sent_nothing(self) -> None:
        from aiohttp import ClientConnectorDNSError, ClientOSError
        from aiohttp.client_reqrep import ConnectionKey
        from botocore.exceptions import (
            ConnectTimeoutError,
            EndpointConnectionError,
            ReadTimeoutError,
        )

        key = ConnectionKey("h", 80, False, True, None, None, None, None)
        refused = ClientConnectorDNSError(key, OSError())
        for error, expected in (
            (EndpointConnectionError(endpoint_url="u", error=refused), True),
            (ConnectTimeoutError(endpoint_url="u", error=OSError()), True),
            (EndpointConnectionError(endpoint_url="u", error=ClientOSError()), False),
            (ReadTimeoutError(endpoint_url="u", error=OSError()), False),
        ):
            assert driver_module.was_never_sent(error) is expected


class TestForms:
    @given(st.integers(-(2**62), 2**62), st.integers(-(2**62), 2**62))
    def test_due_times_sort_as_numbers_and_come_back(self, one: int, two: int) -> None:
        texts = [due_text(one, ("q", "a")), due_text(two, ("q", "b"))]
        assert due_time({"u": text(texts[0])}) == one
        assert (texts[0] < texts[1]) == ((one, "a") < (two, "b"))

    @given(st.text(min_size=400, max_size=1100))
    def test_what_sorts_in_the_index_is_a_key_of_at_most_1024_bytes(self, part: str) -> None:
        assert len(due_text(0, ("q", part)).encode()) <= 1024

    @given(st.lists(st.one_of(st.binary(max_size=9), st.just(bytes(380 * 1024))), max_size=6))
    def test_entries_come_back_from_packs_that_fit_into_items(self, entries: list[bytes]) -> None:
        if not entries:
            return
        pack = make_pack(Names("p" * 255), "x" * 1024, entries, "t" * 32)
        item = pack.item(10**18)
        parts = pack.parts or [item]
        assert list(split(parts)) == entries
        assert all(item_size(each) <= MAX_ITEM_BYTES for each in [item, *parts])
        assert all(len(each["d"]["B"]) <= MAX_DATA_BYTES for each in parts)


def forget_aws(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """Leave the driver nowhere to find settings."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "PROFILE", "REGION", "DEFAULT_REGION"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", missing)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", missing)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


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
