"""The file of the SQLite backend: its rights, its size, and what is refused in its place."""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import StorageCorrupt, StorageError, StorageTooNew, StorageUnavailable
from holdfast.storage.seam import ABSENT
from holdfast.storage.sqlite import SqliteStore
from holdfast.storage.sqlite import file as sqlite_file
from holdfast.storage.sqlite import writer as sqlite_writer
from holdfast.storage.sqlite.upkeep import SqliteUpkeep
from holdfast.testing.clock import ManualClock

KEY = ("k",)
LOG = ("log",)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def open_store(path: Path) -> Callable[[], SqliteStore]:
    clock = ManualClock()
    return lambda: SqliteStore(path, clock=clock)


def _writer(store: SqliteStore) -> sqlite3.Connection:
    session: Any = store._writer._session
    return session._connection


async def test_closing_removes_the_log_file(
    open_store: Callable[[], SqliteStore], path: Path
) -> None:
    async with open_store() as store:
        await store.append(LOG, [b"x"])
        assert path.with_name("store.db-wal").exists()
    assert [each.name for each in path.parent.iterdir()] == ["store.db"]


async def test_closing_empties_the_log_file_while_another_process_has_it_open(
    open_store: Callable[[], SqliteStore], path: Path
) -> None:
    async with open_store() as other:
        async with open_store() as store:
            await store.append(LOG, [b"x"])
        assert path.with_name("store.db-wal").stat().st_size == 0
        assert len(await other.read(LOG)) == 1


async def test_a_new_store_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder" / "store.db"
    async with SqliteStore(path, clock=ManualClock()) as store:
        await store.append(LOG, [b"x"])
        for name in ("store.db", "store.db-wal"):
            assert stat.S_IMODE(path.with_name(name).stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700


async def test_a_magic_name_of_sqlite_is_an_ordinary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (":memory:", "file:x?mode=memory"):
        async with SqliteStore(name, clock=ManualClock()) as store:
            await store.append(LOG, [b"x"])
        async with SqliteStore(tmp_path / name, clock=ManualClock()) as store:
            assert len(await store.read(LOG)) == 1


async def test_a_kilobyte_entry_costs_less_than_a_fifth_more(
    open_store: Callable[[], SqliteStore],
) -> None:
    async with open_store() as store:
        for _ in range(50):
            await store.append(LOG, [bytes(1024)] * 20)
            await store.append(("other",), [bytes(1024)] * 20)
        stored = _writer(store).execute("PRAGMA page_count").fetchone()[0] * 8192
    assert stored / 2000 < 1024 * 1.2


async def test_expired_records_are_removed_from_the_file_when_it_is_opened(path: Path) -> None:
    clock = ManualClock()
    async with SqliteStore(path, clock=clock) as store:
        for number in range(5):
            expires_at = clock.now_ms() + number * 1000
            await store.put(("k", str(number)), b"", expected=ABSENT, expires_at=expires_at)
    clock.advance(2)
    async with SqliteStore(path, clock=clock) as store:
        assert _rows(store) == 2


async def test_expired_records_are_removed_every_so_many_commits(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "_COMMITS_BETWEEN_PURGES", 10)
    clock = ManualClock()
    async with SqliteStore(path, clock=clock, ack="os") as store:
        await store.put(KEY, b"", expected=ABSENT, expires_at=clock.now_ms() + 1)
        clock.advance(1)
        for _ in range(8):
            await store.append(LOG, [b"x"])
        assert _rows(store) == 1
        await store.append(LOG, [b"x"])
        assert _rows(store) == 0


def _rows(store: SqliteStore) -> int:
    return _writer(store).execute("SELECT count(*) FROM records").fetchone()[0]


class _Overtaken:
    """A connection that another process overtakes behind the first thing it looks at."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = sqlite_file.connect(path)

    def execute(self, statement: str) -> sqlite3.Cursor:
        found = self._connection.execute(statement)
        if statement == "PRAGMA application_id":
            sqlite_file.open_file(self._path, "os").close()
        return found


def test_a_file_that_another_process_fills_meanwhile_is_not_taken_for_a_foreign_one(
    path: Path,
) -> None:
    _change(path, "PRAGMA journal_mode = WAL")
    connection: Any = _Overtaken(path)
    assert sqlite_file._schema_of(connection, path) == 0
    assert sqlite_file._schema_of(connection, path) == sqlite_file.SCHEMA
    connection._connection.close()


# What is not a store of ours


async def _refused(path: Path, kind: type[StorageError]) -> StorageError:
    with pytest.raises(StorageError) as caught:
        async with SqliteStore(path, clock=ManualClock()):
            pass
    assert type(caught.value) is kind
    assert str(path) in caught.value.message
    assert caught.value.hint
    return caught.value


@pytest.mark.promise("newer-store-refused")
async def test_a_newer_schema_is_too_new(open_store: Callable[[], SqliteStore], path: Path) -> None:
    async with open_store():
        pass
    _change(path, f"PRAGMA user_version = {sqlite_file.SCHEMA + 1}")
    error = await _refused(path, StorageTooNew)
    assert (
        f"schema {sqlite_file.SCHEMA + 1}; this Holdfast knows {sqlite_file.SCHEMA}"
        in error.message
    )
    assert "upgrade" in error.hint


async def test_a_file_of_schema_1_is_sound_and_learns_to_erase(
    open_store: Callable[[], SqliteStore], path: Path
) -> None:
    async with open_store() as store:
        assert await store.append(LOG, [b"a", b"b"]) == 2
    _change(path, "ALTER TABLE logs DROP COLUMN erased")
    _change(path, "PRAGMA user_version = 1")
    upkeep = SqliteUpkeep(path, clock=ManualClock())
    assert upkeep.verify().is_clean
    async with open_store() as store:
        assert [entry.value for entry in await store.read(LOG)] == [b"a", b"b"]
        assert await store.erase(LOG, expected=2) is None
        assert await store.append(LOG, [b"c"], expected=ABSENT) == 3
    report = upkeep.verify()
    assert report.is_clean
    assert (report.counts["logs"], report.counts["entries"]) == (1, 1)


async def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(path: Path) -> None:
    _replace(path, b"remember the milk\n" * 100)
    before = _bytes(path)
    await _refused(path, StorageCorrupt)
    assert _bytes(path) == before


@pytest.mark.parametrize(
    "statement",
    ["CREATE TABLE notes (text)", "PRAGMA application_id = 7", "PRAGMA user_version = 1"],
)
async def test_a_database_of_another_program_is_refused_and_left_as_it_is(
    path: Path, statement: str
) -> None:
    _change(path, statement)
    before = _bytes(path)
    error = await _refused(path, StorageCorrupt)
    assert "another program" in error.message
    assert _bytes(path) == before


async def test_a_damaged_page_is_corrupt_and_not_silence(
    open_store: Callable[[], SqliteStore], path: Path
) -> None:
    async with open_store() as store:
        await store.append(LOG, [os.urandom(1000)] * 200)
    damaged = bytearray(_bytes(path))
    damaged[8192 * 8 :] = os.urandom(len(damaged) - 8192 * 8)
    _replace(path, damaged)
    async with open_store() as store:
        with pytest.raises(StorageCorrupt) as caught:
            await store.read(LOG)
    assert str(path) in caught.value.message


async def test_a_folder_in_place_of_the_file_is_unavailable(tmp_path: Path) -> None:
    await _refused(tmp_path, StorageUnavailable)


async def test_a_file_in_place_of_the_folder_is_unavailable(path: Path) -> None:
    _replace(path, b"")
    await _refused(path / "store.db", StorageUnavailable)


async def test_a_store_that_was_never_entered_is_unavailable(
    open_store: Callable[[], SqliteStore],
) -> None:
    with pytest.raises(StorageUnavailable, match="not open"):
        await open_store().get(KEY)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without permission")
@pytest.mark.parametrize(("folder_mode", "file_mode"), [(0o700, 0o600), (0o755, 0o600)])
async def test_a_store_of_somebody_else_is_unavailable(folder_mode: int, file_mode: int) -> None:
    # Outside of pytest's folder, which is closed to other users anyway.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        async with SqliteStore(path, clock=ManualClock()):
            pass
        path.chmod(file_mode)
        path.parent.chmod(folder_mode)
        # Only the effective user changes, so that nothing but the store is out of reach.
        os.seteuid(65534)
        try:
            error = await _refused(path, StorageUnavailable)
        finally:
            os.seteuid(0)
    assert "read and write" in error.hint


def _bytes(path: Path) -> bytes:
    return path.read_bytes()


def _replace(path: Path, content: bytes | bytearray) -> None:
    path.write_bytes(content)


def _change(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()
