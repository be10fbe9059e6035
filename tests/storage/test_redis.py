"""What is Redis's own_redis: its scripts, its settings, its users and foreign keys."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.errors import (
    StorageCorrupt,
    StorageError,
    StorageTooNew,
    UsageError,
)
from holdfast.storage.keys import encode_key
from holdfast.storage.redis import RedisStore, commands
from holdfast.storage.redis.scripts import SCAN, Script
from holdfast.storage.seam import ABSENT, ANY, Append, Entry, Put, Record
from holdfast.testing.clock import ManualClock
from tests.servers.redis import RedisServer

pytestmark = pytest.mark.service

KEY = ("runs", "a")
SECOND = 1000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def opened(server: RedisServer, clock: ManualClock, prefix: str = "p") -> RedisStore:
    return RedisStore(server.url(prefix), clock=clock)


def names(server: RedisServer, prefix: str = "p") -> set[bytes]:
    """Return the keys of a store."""
    return set(server.command("KEYS", f"{prefix}:*"))


async def test_a_get_is_one_command_that_writes_nothing(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with opened(own_redis, clock) as store:
        await store.put(KEY, b"v", expected=ABSENT)
        await store.get(KEY)
        written = own_redis.info("persistence", "rdb_changes_since_last_save")
        own_redis.command("CONFIG", "RESETSTAT")
        assert await store.get(KEY) is not None
        assert _calls(own_redis) == {"hmget": 1}
        assert own_redis.info("persistence", "rdb_changes_since_last_save") == written


async def test_a_page_of_a_scan_is_one_command_that_writes_nothing(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with opened(own_redis, clock) as store:
        for number in range(150):
            await store.put(("k", f"{number:03}"), b"v", expected=ABSENT)
        await store.scan(())
        written = own_redis.info("persistence", "rdb_changes_since_last_save")
        own_redis.command("CONFIG", "RESETSTAT")
        assert len(await store.scan(("k",), limit=120)) == 120
        assert _calls(own_redis)["evalsha_ro"] == 1
        assert own_redis.info("persistence", "rdb_changes_since_last_save") == written


async def test_the_server_forgets_the_scripts_and_every_verb_goes_on(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with opened(own_redis, clock) as store:
        for verb in (
            lambda: store.put(("q", "a"), b"v", expected=ANY, due_at=0),
            lambda: store.claim(("q",), until=0),
            lambda: store.append(("log",), [b"x"]),
            lambda: store.read(("log",)),
            lambda: store.scan(()),
        ):
            own_redis.command("SCRIPT", "FLUSH")
            assert await verb()
        own_redis.command("SCRIPT", "FLUSH")
        await asyncio.gather(*(store.append(("log",), [b"y"]) for _ in range(20)))
        assert len(await store.read(("log",))) == 21


async def test_a_fault_in_a_script_is_an_error_of_the_store(
    own_redis: RedisServer, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = b"return nothing.at.all"
    digest = own_redis.command("SCRIPT", "LOAD", text)
    monkeypatch.setattr(commands, "SCAN", Script(text, digest))
    async with opened(own_redis, clock) as store:
        with pytest.raises(StorageError, match=r"failed: .*nothing"):
            await store.scan(())
        monkeypatch.setattr(commands, "SCAN", SCAN)
        assert list(await store.scan(())) == []


async def test_a_script_that_stays_unknown_is_an_error_and_no_endless_loop(
    own_redis: RedisServer, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "SCAN", Script(b"", b"0" * 40))
    async with opened(own_redis, clock) as store:
        with pytest.raises(StorageError, match="NOSCRIPT"):
            await store.scan(())


async def test_a_store_leaves_no_expiry_to_the_server(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with opened(own_redis, clock) as store:
        await store.put(KEY, b"v", expected=ABSENT, expires_at=clock.now_ms() + 1, due_at=5)
        await store.append(("log",), [b"x"])
    assert {own_redis.command("PTTL", name) for name in names(own_redis)} == {-1}


async def test_writes_remove_what_expired_more_than_a_minute_ago(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with opened(own_redis, clock) as store:
        for number in range(30):
            due = clock.now_ms() if number % 2 else None
            expires = clock.now_ms() + SECOND
            await store.put(
                ("q", f"{number:02}"), b"v", expected=ABSENT, expires_at=expires, due_at=due
            )
        full = names(own_redis)
        clock.advance(60.9)
        await store.put(("live",), b"", expected=ANY)
        assert full <= names(own_redis)
        clock.advance(0.1)
        await store.put(("live",), b"", expected=ANY)
        assert len(full - names(own_redis)) == 9
        for _ in range(4):
            await store.append(("log",), [b"x"])
        kept = {b"format", b"version", b"record:live\0", b"keys", b"log:log\0", b"logs"}
        assert names(own_redis) == {b"p:" + name for name in kept}
        assert own_redis.command("ZRANGE", "p:keys", 0, -1) == [b"live\0"]


async def test_a_record_written_again_is_not_purged_with_its_past(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with opened(own_redis, clock) as store:
        await store.put(KEY, b"old", expected=ABSENT, expires_at=clock.now_ms() + 1)
        clock.advance(3600)
        version = await store.put(KEY, b"new", expected=ABSENT)
        await store.append(("log",), [b"x"])
        assert isinstance(version, int)
        assert await store.get(KEY) == Record(KEY, b"new", version)


async def test_a_claim_passes_hundreds_that_have_expired(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with opened(own_redis, clock) as store:
        for number in range(250):
            await store.put(
                ("q", f"{number:03}"), b"", expected=ABSENT, due_at=1, expires_at=clock.now_ms() + 1
            )
        await store.put(("q", "last"), b"", expected=ABSENT, due_at=2)
        clock.advance(1)
        claimed = await store.claim(("q",), until=clock.now_ms() + 1)
        assert claimed is not None
        assert claimed.key == ("q", "last")
        assert await store.claim(("q",), until=clock.now_ms() + 1) is None


async def test_a_member_of_a_queue_whose_record_is_gone_is_passed(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with opened(own_redis, clock) as store:
        await store.put(("q", "a"), b"", expected=ABSENT, due_at=1)
        own_redis.command("DEL", b"p:record:" + encode_key(("q", "a")))
        assert await store.claim(("q",), until=9) is None
        assert list(await store.scan(())) == []


async def test_a_scan_goes_on_where_a_long_page_was_cut(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    keys = [("k", f"{number:02}") for number in range(20)]
    async with opened(own_redis, clock) as store:
        for key in keys:
            await store.put(key, bytes(1024 * 1024), expected=ABSENT)
        await store.scan((), limit=1)
        own_redis.command("CONFIG", "RESETSTAT")
        page = await store.scan(("k",), limit=20)
        assert [record.key for record in page] == keys
        assert _calls(own_redis)["evalsha_ro"] == 3


async def test_a_scan_goes_on_behind_thousands_that_have_expired(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    gone = clock.now_ms() + 1
    async with opened(own_redis, clock) as store:
        for start in range(0, 6000, 1000):
            await store.batch(
                [
                    Put(key=("k", f"{each:05}"), value=b"", expected=ABSENT, expires_at=gone)
                    for each in range(start, start + 1000)
                ]
            )
        await store.put(("k", "z"), b"", expected=ABSENT)
        clock.advance(1)
        own_redis.command("CONFIG", "RESETSTAT")
        assert [record.key for record in await store.scan(("k",))] == [("k", "z")]
        assert _calls(own_redis)["evalsha_ro"] == 2


@pytest.mark.parametrize(("number", "size", "calls"), [(12_000, 1, 3), (40, 512 * 1024, 2)])
async def test_a_long_log_is_read_in_parts(
    own_redis: RedisServer, clock: ManualClock, number: int, size: int, calls: int
) -> None:
    written = [b"%08d" % each + bytes(size) for each in range(number)]
    async with opened(own_redis, clock) as store:
        await store.append(("log",), written)
        own_redis.command("CONFIG", "RESETSTAT")
        entries = await store.read(("log",))
        assert [entry.value for entry in entries] == written
        assert [entry.number for entry in entries] == list(range(1, number + 1))
        assert _calls(own_redis)["evalsha_ro"] >= calls
        assert len(await store.read(("log",), after=5, limit=number - 7)) == number - 7


async def test_many_names_of_logs_are_listed_in_parts(
    own_redis: RedisServer, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.storage.redis.store.MOST_NAMES", 3)
    logs = [("l", str(number)) for number in range(9)]
    async with opened(own_redis, clock) as store:
        for log in logs:
            await store.append(log, [b"x"])
        assert await store.logs(("l",)) == logs
        assert await store.logs(("l",), limit=4) == logs[:4]
        assert await store.logs(("l",), after=("l", "4")) == logs[5:]


async def test_a_batch_that_a_server_would_cut_off_is_a_usage_error(
    own_redis: RedisServer, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "MOST_REQUEST_BYTES", 10_000)
    async with opened(own_redis, clock) as store:
        with pytest.raises(UsageError, match=r"take 12... bytes together; 10000 are allowed"):
            await store.append(("log",), [bytes(3000)] * 4)
        assert await store.append(("log",), [bytes(3000)] * 3) == 3


async def test_the_longest_value_fits(own_redis: RedisServer, clock: ManualClock) -> None:
    async with opened(own_redis, clock) as store:
        value = bytes(store.max_value_bytes)
        version = await store.put(KEY, value, expected=ABSENT)
        assert isinstance(version, int)
        assert await store.get(KEY) == Record(KEY, value, version)
        with pytest.raises(UsageError, match="67108865 bytes"):
            await store.put(KEY, value + b"x", expected=ANY)


async def test_stores_of_other_prefixes_and_databases_are_strangers(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    urls = [own_redis.url("a"), own_redis.url("a.b"), own_redis.url("a").replace("/0?", "/1?")]
    for url in urls:
        async with RedisStore(url, clock=clock) as store:
            assert await store.put(KEY, b"", expected=ABSENT) == 1
            assert await store.append(KEY, [b""], expected=ABSENT) == 1
            assert len(await store.scan(())) == 1


# --- Foreign keys and formats ---


@pytest.mark.parametrize(
    "foreign",
    ["record:a\0b\0", "keys", "expiring", "version", "queue:a\0", "logs", "log:l\0"],
)
async def test_a_foreign_key_refuses_a_write_before_it_has_begun(
    own_redis: RedisServer, clock: ManualClock, foreign: str
) -> None:
    async with opened(own_redis, clock) as store:
        await store.put(("first",), b"", expected=ABSENT)
        name = f"p:{foreign}"
        own_redis.command("DEL", name)
        own_redis.command("SADD", name, "foreign")
        before = {each: own_redis.command("DUMP", each) for each in names(own_redis)}
        with pytest.raises(StorageCorrupt, match="another program") as caught:
            await store.batch(
                [
                    Append(log=("k",), entries=[b"x"]),
                    Put(key=("first",), value=b"2", expected=ANY),
                    Put(key=("a", "b"), value=b"x", expected=ANY, due_at=1, expires_at=2**50),
                    Append(log=("l",), entries=[b"x"]),
                ]
            )
        assert "prefix of its own" in caught.value.hint
        assert {each: own_redis.command("DUMP", each) for each in names(own_redis)} == before


async def test_a_foreign_record_is_corrupt_to_readers(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with opened(own_redis, clock) as store:
        await store.put(("a",), b"", expected=ABSENT)
        for damage in (
            ("HSET", "p:record:a\0", "version", "many"),
            ("HDEL", "p:record:a\0", "value"),
            ("SET", "p:record:a\0", "text"),
        ):
            own_redis.command(*damage)
            with pytest.raises(StorageCorrupt):
                await store.get(("a",))
            with pytest.raises(StorageCorrupt):
                await store.scan(())


@pytest.mark.promise("newer-store-refused")
async def test_a_store_of_a_newer_format_is_refused_and_left_alone(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with opened(own_redis, clock) as store:
        await store.put(KEY, b"", expected=ABSENT)
    own_redis.command("SET", "p:format", "3")
    before = {each: own_redis.command("DUMP", each) for each in names(own_redis)}
    with pytest.raises(StorageTooNew, match="format 3; this Holdfast knows 2"):
        async with opened(own_redis, clock):
            pass
    assert {each: own_redis.command("DUMP", each) for each in names(own_redis)} == before


async def test_a_store_of_format_1_becomes_one_of_the_newest(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with opened(own_redis, clock) as store:
        assert await store.append(("log",), [b"a", b"b"]) == 2
    own_redis.command("SET", "p:format", "1")
    async with opened(own_redis, clock) as store:
        assert own_redis.command("GET", "p:format") == b"2"
        assert await store.erase(("log",), expected=2) is None
        assert await store.append(("log",), [b"c"], expected=ABSENT) == 3


@pytest.mark.parametrize("value", ["hello", "1.5", "-1", ""])
async def test_a_format_that_is_no_number_is_another_programs(
    own_redis: RedisServer, clock: ManualClock, value: str
) -> None:
    own_redis.command("SET", "p:format", value)
    with pytest.raises(StorageCorrupt, match="another program"):
        async with opened(own_redis, clock):
            pass


async def test_a_store_without_its_format_is_corrupt(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with opened(own_redis, clock) as store:
        await store.append(("log",), [b"x"])
    own_redis.command("DEL", "p:format")
    with pytest.raises(StorageCorrupt, match="no key 'p:format'"):
        async with opened(own_redis, clock):
            pass


def _calls(server: RedisServer) -> dict[str, int]:
    """Return how often clients sent each command since the last reset, without our own looks."""
    stats = server.command("INFO", "commandstats")
    found = {name.removeprefix("cmdstat_"): int(each["calls"]) for name, each in stats.items()}
    return {name: calls for name, calls in found.items() if name not in _LOOKS}


_LOOKS = {"info", "config|resetstat", "client|setinfo", "hello", "select", "auth", "ping"}


async def test_a_log_that_is_erased_between_two_pages_is_read_as_it_is_then(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with opened(own_redis, clock) as store:
        log, pages = ("log",), 0
        await store.append(log, [b"old"] * 12_000)
        submit = store._reader.submit

        def overtaken(*request):
            async def serve():
                nonlocal pages
                pages += 1
                reply = await submit(*request)
                if pages == 1:
                    await store.erase(log, expected=12_000)
                    await store.append(log, [b"new"] * 2)
                return reply

            return asyncio.ensure_future(serve())

        store._reader.submit = overtaken
        assert list(await store.read(log)) == [Entry(12_001, b"new"), Entry(12_002, b"new")]
        assert pages == 3
