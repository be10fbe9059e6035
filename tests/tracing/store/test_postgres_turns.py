"""Who adds waits for nobody who adds, who reads sees one moment, and schemas know nothing of one another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from holdfast.errors import StorageError
from holdfast.tracing.store.opening import open_trace_store
from holdfast.tracing.store.postgres import database
from holdfast.tracing.store.postgres.database import PostgresDatabase
from tests.servers.postgres import PostgresServer
from tests.tracing.store.conftest import schemas_of
from tests.tracing.store.making import plain_digest, span

pytestmark = pytest.mark.service


@pytest.fixture
def addresses(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, str]]:
    """Give two schemas of one server, which ends what keeps others waiting for half a minute."""
    monkeypatch.setattr(database, "STUCK_MS", 30_000)
    for fresh in schemas_of(postgres):
        yield fresh(), fresh()


def add(address: str, number: int) -> None:
    with open_trace_store(address, digester=plain_digest) as store:
        store.add([span(number, 0)])


def test_who_adds_does_not_wait_for_another_who_adds(addresses: tuple[str, str]) -> None:
    held = PostgresDatabase(addresses[0])
    with held.adding():
        add(addresses[0], 0)
    held.close()


def test_who_changes_one_schema_holds_up_nobody_in_another(addresses: tuple[str, str]) -> None:
    held = PostgresDatabase(addresses[0])
    with held.changing():
        add(addresses[1], 0)
    held.close()


def test_a_reader_sees_one_moment_and_changes_nothing(addresses: tuple[str, str]) -> None:
    add(addresses[0], 0)
    reader = PostgresDatabase(addresses[0])
    with reader.reading() as connection:
        before = connection.execute("SELECT count(*) FROM dirty").fetchone()[0]
        add(addresses[0], 1)
        assert connection.execute("SELECT count(*) FROM dirty").fetchone()[0] == before
    with pytest.raises(StorageError, match="read-only"), reader.reading() as connection:
        connection.execute("DELETE FROM dirty")
    reader.close()


def test_a_program_keeps_the_name_that_its_address_gives_it(addresses: tuple[str, str]) -> None:
    for address, name in ((addresses[0], "holdfast"), (f"{addresses[0]}&application_name=x", "x")):
        named = PostgresDatabase(address)
        with named.reading() as connection:
            assert connection.execute("SHOW application_name").fetchone()[0] == name
        named.close()
