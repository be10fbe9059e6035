"""How a store fits into DynamoDB's items: sizes, pages, late deletion."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.storage.dynamodb import Address, DynamoStore
from holdfast.storage.dynamodb import driver as driver_module
from holdfast.storage.dynamodb.items import (
    MAX_ITEM_BYTES,
    Names,
    due_text,
    due_time,
    item_size,
    text,
)
from holdfast.storage.dynamodb.packs import MAX_DATA_BYTES, make_pack, split
from holdfast.storage.keys import MAX_KEY_BYTES
from holdfast.storage.seam import ABSENT, ANY, Batching, Conflict, Put, Record
from holdfast.testing.clock import ManualClock
from tests.servers.dynamodb import DynamoServer
from tests.servers.dynamodb_proxy import proxy_to
from tests.storage.dynamodb_help import KEY, LOG, address, client_of, clock, raw, server, store

__all__ = ["address", "clock", "raw", "server", "store"]  # fixtures

DAY_MS = 24 * 60 * 60 * 1000


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
