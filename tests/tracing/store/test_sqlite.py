"""The nature of the trace store in a file: asking it in SQL, and files that are not its own."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.errors import StorageCorrupt, StorageError, StorageTooNew, UsageError
from holdfast.tracing.store.opening import open_trace_store
from holdfast.tracing.store.seam import TraceStore
from holdfast.tracing.store.sqlite.connection import SqliteDatabase
from tests.tracing.store.making import plain_digest, span

Opener = Callable[[], TraceStore]


@pytest.fixture
def reopen(tmp_path: Path) -> Opener:
    return lambda: open_trace_store(f"sqlite:{tmp_path}/traces.db", digester=plain_digest)


def test_people_ask_in_sql_and_can_only_read(reopen: Opener) -> None:
    with reopen() as store:
        store.add([span(0, 0, attributes={"a": {"b": 1}}), span(0, 1)])
        columns, rows = store.ask(
            "SELECT name, json_extract(attributes, '$.a.b') AS b FROM spans ORDER BY start"
        )  # type: ignore[attr-defined]
        assert (columns, rows) == (["name", "b"], [("name 0", 1), ("name 1", None)])
        assert store.ask("SELECT count(*) FROM traces")[1] == [(1,)]  # type: ignore[attr-defined]
        for bad in (
            "DELETE FROM packs", "SELECT 1; SELECT 2", "SELEKT", "ATTACH 'x' AS y",
            "PRAGMA user_version", "UPDATE digests SET pinned = 1", "SELECT load_extension('x')",
            "CREATE TABLE x (a)",
        ):  # fmt: skip
            with pytest.raises(UsageError):
                store.ask(bad)  # type: ignore[attr-defined]
        assert store.state().traces == 1


def test_a_newer_file_and_a_foreign_one_are_refused_and_left(
    tmp_path: Path, reopen: Opener
) -> None:
    with reopen():
        pass
    connection = sqlite3.connect(tmp_path / "traces.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StorageTooNew, match="schema 99"):
        reopen()
    (tmp_path / "traces.db").write_bytes(b"not a database at all, but long enough to be read")
    with pytest.raises(StorageCorrupt):
        reopen()
    assert (tmp_path / "traces.db").read_bytes().startswith(b"not a database")


def test_a_block_that_never_ran_ends_in_peace_behind_a_closed_file(tmp_path: Path) -> None:
    """As when Ctrl-C comes between the beginning of a transaction and the first line of its block."""
    database = SqliteDatabase(f"{tmp_path}/traces.db")
    block = database.changing()
    block.__enter__()
    database.close()
    del block  # what it raised now would only be printed, which pytest makes a failure
    gc.collect()
    with pytest.raises(StorageError), database.reading():
        pass
