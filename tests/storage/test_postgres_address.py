"""What needs no server: the address of a Postgres store, and the errors of a driver."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from holdfast.errors import (
    StorageCorrupt,
    StorageError,
    StorageFull,
    StorageUnavailable,
    UsageError,
)
from holdfast.storage import open_store
from holdfast.storage.postgres import PostgresStore
from holdfast.storage.postgres.address import parse_address
from holdfast.storage.postgres.errors import is_lost, translate
from holdfast.testing.clock import ManualClock

PLACE = "postgres://me@host/db?schema=holdfast"


def test_the_driver_gets_the_address_without_our_options() -> None:
    address = parse_address(
        "postgresql://me:p%40ss@host:5433/db?sslmode=verify-full&schema=mine&pool_size=3&a=b%20c"
    )
    assert address.url == "postgresql://me:p%40ss@host:5433/db?sslmode=verify-full&a=b%20c"
    assert (address.schema, address.pool_size) == ("mine", 3)
    assert address.options == {"sslmode", "a"}


def test_an_address_without_options_has_defaults() -> None:
    address = parse_address("postgres://host/db")
    assert (address.schema, address.pool_size) == ("holdfast", 10)
    assert address.url == "postgres://host/db"


def test_the_password_shows_nowhere() -> None:
    address = parse_address("postgres://me:s3cret@host:5433/db?password=s3cret&schema=mine")
    assert str(address) == "postgres://me@host:5433/db?schema=mine"
    assert "s3cret" not in repr(address)
    store = PostgresStore("postgres://me:s3cret@host/db", clock=ManualClock())
    assert "s3cret" not in repr(store)


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("postgres://me:s3cret@host:port/db", "host or port"),
        ("postgres://me:s3cret@[host/db", "host or port"),
        ("postgres://me:s3cret/x@host/db", "host or port"),
        ("postgres://me:1/s3cret@host/db", "not escaped"),
        ("postgres://host/db#s3cret", "not escaped"),
        ("postgres://host/db?schema=s3cret-", "schema"),
        ("postgres://host/db?schema=Large", "schema"),
        ("postgres://host/db?schema=pg_mine", "schema"),
        ("postgres://host/db?schema=" + "s" * 41, "schema"),
        ('postgres://host/db?schema=a"b', "schema"),
        ("postgres://host/db?schema=", "schema"),
        ("postgres://host/db?pool_size=0", "pool_size"),
        ("postgres://host/db?pool_size=1001", "pool_size"),
        ("postgres://host/db?pool_size=many", "pool_size"),
        ("postgres://me:s3cret@host/db?sslmode", "without a value"),
    ],
)
def test_a_wrong_address_is_a_usage_error_that_does_not_repeat_it(url: str, cause: str) -> None:
    with pytest.raises(UsageError, match=cause) as caught:
        open_store(url, clock=ManualClock())
    assert "s3" not in f"{caught.value!r} {caught.value.hint}"
    assert caught.value.__cause__ is None
    assert "postgres://[USER" in caught.value.hint


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_a_postgres_store_is_opened_by_either_scheme(scheme: str) -> None:
    assert isinstance(open_store(f"{scheme}://host/db", clock=ManualClock()), PostgresStore)


def test_a_missing_driver_is_a_usage_error_that_names_the_extra() -> None:
    probe = (
        "import sys; sys.modules['asyncpg'] = None\n"
        "from holdfast.clock import SystemClock\n"
        "from holdfast.storage import open_store\n"
        "try: open_store('postgres://host/db', clock=SystemClock())\n"
        "except Exception as error: print(type(error).__name__, error.hint)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", probe], check=True, capture_output=True, text=True
    )
    assert shown.stdout.strip() == "UsageError pip install 'holdfast[postgres]'"


def test_importing_the_seam_loads_no_postgres_driver() -> None:
    probe = (
        "import sys, holdfast.storage, holdfast.storage.opening; print('asyncpg' in sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", probe], check=True, capture_output=True, text=True
    )
    assert shown.stdout.strip() == "False"


def test_the_migrations_are_numbered_without_gaps() -> None:
    folder = Path(sys.modules[PostgresStore.__module__].__file__ or "").with_name("migrations")
    numbers = sorted(int(path.name[:4]) for path in folder.glob("*.sql"))
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 2


@pytest.mark.parametrize(
    ("error", "kind", "hint"),
    [
        (asyncpg.DiskFullError("x"), StorageFull, "free some space"),
        (asyncpg.InvalidPasswordError("x"), StorageUnavailable, "check the user"),
        (asyncpg.InvalidAuthorizationSpecificationError("x"), StorageUnavailable, "check the user"),
        (asyncpg.InvalidCatalogNameError("x"), StorageUnavailable, "createdb"),
        (asyncpg.InsufficientPrivilegeError("x"), StorageUnavailable, "GRANT"),
        (asyncpg.ReadOnlySQLTransactionError("x"), StorageUnavailable, "standby"),
        (asyncpg.TooManyConnectionsError("x"), StorageUnavailable, "pool_size"),
        (asyncpg.QueryCanceledError("x"), StorageUnavailable, "retry"),
        (asyncpg.LockNotAvailableError("x"), StorageUnavailable, "retry"),
        (asyncpg.UndefinedTableError("x"), StorageCorrupt, "backup"),
        (asyncpg.DataCorruptedError("x"), StorageCorrupt, "backup"),
        (asyncpg.InternalServerError("x"), StorageError, "log of the server"),
        (asyncpg.ClientConfigurationError("s3cret"), UsageError, "libpq"),
        (asyncpg.InternalClientError("x"), StorageError, "log of the server"),
        (TimeoutError(), StorageUnavailable, "check that the server runs"),
        (ConnectionRefusedError("x"), StorageUnavailable, "check that the server runs"),
        (asyncpg.CannotConnectNowError("x"), StorageUnavailable, "check that the server runs"),
    ],
)
def test_each_failure_is_an_error_with_a_remedy(
    error: Exception, kind: type[Exception], hint: str
) -> None:
    translated = translate(error, PLACE)
    assert type(translated) is kind
    assert isinstance(translated, (StorageError, UsageError))
    assert PLACE in translated.message
    assert hint in translated.hint
    assert "s3cret" not in translated.message


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.ConnectionDoesNotExistError("x"),
        asyncpg.ConnectionFailureError("x"),
        asyncpg.AdminShutdownError("x"),
        asyncpg.CrashShutdownError("x"),
        asyncpg.CannotConnectNowError("x"),
        asyncpg.InterfaceError("connection is closed"),
        ConnectionResetError("x"),
    ],
)
def test_a_lost_connection_leaves_a_write_with_an_unknown_outcome(error: Exception) -> None:
    assert is_lost(error)
    translated = translate(error, PLACE, writing=True)
    assert isinstance(translated, StorageUnavailable)
    assert "whether it happened is unknown" in translated.message
    assert "read before you write again" in translated.hint


def test_a_write_that_took_too_long_has_an_unknown_outcome_too() -> None:
    assert not is_lost(TimeoutError())
    assert "unknown" in str(translate(TimeoutError(), PLACE, writing=True))


@pytest.mark.parametrize(
    "error", [asyncpg.DataError("x"), asyncpg.DiskFullError("x"), asyncpg.QueryCanceledError("x")]
)
def test_what_the_server_refuses_did_not_happen(error: Exception) -> None:
    assert not is_lost(error)
    assert "unknown" not in str(translate(error, PLACE, writing=True))
