"""Addresses of Redis stores, and what a server's settings mean: no server is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.storage.opening import open_store
from holdfast.storage.redis import RedisStore
from holdfast.storage.redis.address import parse_address
from holdfast.storage.redis.durability import (
    ServerSettings,
    is_too_old,
    losses,
    read_settings,
    warning,
)
from holdfast.storage.redis.feed import _pattern
from holdfast.testing.clock import ManualClock

KEPT = ServerSettings(
    version="7.0.15",
    append_only="yes",
    sync="always",
    no_sync_on_rewrite="no",
    eviction="noeviction",
)


def test_the_parts_of_an_address_are_read() -> None:
    address = parse_address("rediss://me:p%40s%2Fs@cache.example:7000/3?prefix=my-app")
    assert (address.host, address.port, address.database) == ("cache.example", 7000, 3)
    assert (address.user, address.password) == ("me", "p@s/s")
    assert (address.prefix, address.tls) == ("my-app", True)


def test_what_an_address_leaves_out_has_a_default() -> None:
    address = parse_address("redis://localhost")
    assert (address.port, address.database, address.prefix) == (6379, 0, "holdfast")
    assert (address.user, address.password, address.tls) == (None, None, False)
    assert str(address) == "redis://localhost:6379/0?prefix=holdfast"


def test_a_password_may_stand_without_a_user() -> None:
    address = parse_address("redis://:secret@localhost")
    assert (address.user, address.password) == (None, "secret")


def test_an_address_of_version_6_is_read_and_shown() -> None:
    address = parse_address("redis://[::1]:6380")
    assert address.host == "::1"
    assert address.server == "[::1]:6380"


def test_files_for_tls_are_handed_on() -> None:
    address = parse_address("rediss://h?ssl_ca_certs=/etc/ca.pem&prefix=a")
    assert dict(address.tls_files) == {"ssl_ca_certs": "/etc/ca.pem"}


@pytest.mark.parametrize(
    ("rest", "cause"),
    [
        ("//", "it has no host"),
        ("", "it has no host"),
        ("//localhost/x", "its database is not a number"),
        ("//localhost/-1", "its database is not a number"),
        ("//localhost/1/2", "its database is not a number"),
        ("//localhost:99999", "its host or port cannot be read"),
        ("//localhost?prefix=a:b", "its prefix is not"),
        ("//localhost?prefix=", "its prefix is not"),
        ("//localhost?prefix=" + "x" * 65, "its prefix is not"),
        ("//localhost?perfix=a", "unknown option; known are prefix"),
        ("//localhost?ssl_ca_certs=a", "unknown option; known are prefix"),
    ],
)
def test_a_wrong_address_says_what_is_wrong_and_how_to_write_it(rest: str, cause: str) -> None:
    with pytest.raises(UsageError, match=cause) as caught:
        open_store(f"redis:{rest}", clock=ManualClock())
    assert "redis://[USER:PASSWORD@]HOST" in caught.value.hint


@pytest.mark.promise("keys-never-shown")
@pytest.mark.parametrize(
    "url",
    [
        "redis://me:s3cr/et@localhost",
        "redis://me:s3cr#et@localhost",
        "redis://me:s3cr?et@localhost",
        "redis://me:s3cr[et@localhost",
        "redis://me:s3cret@localhost/x",
        "redis://me:s3cret@localhost?x=1",
        "redis://me:s3cret@",
        "radis://me:s3cret@localhost",
        "redis//me:s3cret@localhost",
    ],
)
def test_a_wrong_address_never_shows_the_password(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_store(url, clock=ManualClock())
    shown = f"{caught.value!r} {caught.value.hint} {caught.value.__cause__!r}"
    assert "s3cr" not in shown
    assert "et@" not in shown


@pytest.mark.promise("keys-never-shown")
def test_a_store_never_shows_its_password() -> None:
    address = parse_address("redis://me:s3cret@localhost")
    store = RedisStore("redis://me:s3cret@localhost", clock=ManualClock())
    assert "s3cret" not in f"{address} {address!r} {store!r} {store._writing._wire!r}"


def test_rediss_means_tls() -> None:
    for scheme, tls in (("redis", False), ("rediss", True)):
        store = open_store(f"{scheme}://localhost", clock=ManualClock())
        assert isinstance(store, RedisStore)
        assert store._address.tls is tls


def test_a_missing_driver_names_the_extra() -> None:
    probe = (
        "import sys; sys.modules['redis'] = None\n"
        "from holdfast.clock import SystemClock\n"
        "from holdfast.errors import UsageError\n"
        "from holdfast.storage import open_store\n"
        "try: open_store('redis://localhost', clock=SystemClock())\n"
        "except UsageError as error: print(error.hint)\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", probe], check=True, capture_output=True, text=True
    )
    assert shown.stdout.strip() == "pip install 'holdfast[redis]'"


def test_a_server_that_syncs_every_write_gives_no_cause_to_warn() -> None:
    assert losses(KEPT, "disk") == []


@pytest.mark.parametrize(
    ("change", "setting", "remedy", "levels"),
    [
        ({"append_only": "no"}, "appendonly is 'no'", "'appendonly yes'", {"disk", "os"}),
        ({"sync": "everysec"}, "appendfsync is 'everysec'", "'appendfsync always'", {"disk"}),
        ({"sync": "no"}, "appendfsync is 'no'", "'appendfsync always'", {"disk"}),
        ({"sync": "unknown"}, "cannot be read", "'appendfsync always'", {"disk"}),
        ({"append_only": "unknown"}, "cannot be read", "'appendonly yes'", {"disk", "os"}),
        (
            {"no_sync_on_rewrite": "yes"},
            "no-appendfsync-on-rewrite is 'yes'",
            "'no-appendfsync-on-rewrite no'",
            {"disk"},
        ),
        (
            {"eviction": "allkeys-lru"},
            "maxmemory-policy is 'allkeys-lru'",
            "'maxmemory-policy noeviction'",
            {"disk", "os", "memory"},
        ),
        ({"eviction": "volatile-lru"}, "", "", set()),
    ],
)
def test_a_setting_that_loses_writes_is_named_with_its_remedy(
    change: dict[str, str], setting: str, remedy: str, levels: set[str]
) -> None:
    base = {name: getattr(KEPT, name) for name in ServerSettings.__slots__}
    settings = ServerSettings(**{**base, **change})
    for ack in ("disk", "os", "memory"):
        found = losses(settings, ack)
        assert len(found) == (ack in levels)
        for sentence in found:
            assert setting in sentence
            assert remedy in sentence
            assert sentence in warning(parse_address("redis://h"), found)


def test_settings_are_read_from_what_the_server_tells() -> None:
    info = b"# Server\r\nredis_version:7.2.4\r\naof_enabled:1\r\ncluster_enabled:0\r\n"
    config = [b"appendfsync", b"everysec", b"appendonly", b"yes"]
    assert read_settings(info, config) == ServerSettings(
        version="7.2.4", append_only="yes", sync="everysec"
    )


def test_info_tells_what_a_forbidden_config_does_not() -> None:
    info = b"aof_enabled:0\r\nmaxmemory_policy:allkeys-lru\r\ncluster_enabled:1\r\n"
    settings = read_settings(info, None)
    assert settings == ServerSettings(append_only="no", eviction="allkeys-lru", cluster=True)
    assert read_settings(None, None) == ServerSettings()


@pytest.mark.parametrize(
    ("version", "old"), [("6.2.14", True), ("7.0.0", False), ("10.1", False), ("unknown", False)]
)
def test_a_server_before_version_7_is_too_old(version: str, old: bool) -> None:
    assert is_too_old(ServerSettings(version=version)) is old


@given(name=st.binary(max_size=20))
def test_a_pattern_escapes_everything_but_its_own_star(name: bytes) -> None:
    pattern = _pattern(name)
    assert pattern.endswith(b"*")
    plain = pattern[:-1]
    unescaped, position = b"", 0
    while position < len(plain):
        position += plain[position : position + 1] == b"\\"
        assert position < len(plain)
        unescaped += plain[position : position + 1]
        position += 1
    assert unescaped == name
