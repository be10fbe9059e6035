"""SQLite's own tools, with the same manners as those of the files backend."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from holdfast.errors import StorageCorrupt, StorageUnavailable, UsageError
from holdfast.storage.seam import ABSENT, ANY
from holdfast.storage.sqlite import SqliteStore
from holdfast.storage.sqlite.upkeep import SqliteUpkeep
from holdfast.storage.upkeep import upkeep_of
from holdfast.testing.clock import ManualClock
from tests.storage.files_damage import State, all_bytes, state_of_store

CLOCK = ManualClock()


def store_at(path: Path) -> SqliteStore:
    return SqliteStore(path, clock=CLOCK, ack="os")


def upkeep(path: Path) -> SqliteUpkeep:
    return SqliteUpkeep(path, clock=CLOCK)


async def fill(path: Path, count: int = 20) -> None:
    async with store_at(path) as store:
        for number in range(count):
            await store.put(("k", str(number)), b"x" * 1000, expected=ANY)
            await store.append(("log",), [b"%d" % number])


async def state(path: Path) -> State:
    async with store_at(path) as store:
        return await state_of_store(store)


def spoil(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()


async def test_a_sound_store_is_clean_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a b#?.db"
    await fill(path)
    before = path.read_bytes()
    report = upkeep(path).verify()
    assert report.is_clean
    assert report.counts == {"records": 20, "logs": 1, "entries": 20, "bytes": len(before)}
    assert path.read_bytes() == before
    assert all_bytes(tmp_path) == {path.name: before}


async def test_a_store_that_is_in_use_is_verified_and_backed_up_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with store_at(path) as store:
        await store.append(("log",), [b"a", b"b"])
        assert upkeep(path).verify().counts["entries"] == 2
        upkeep(path).backup(tmp_path / "backup")
        await store.append(("log",), [b"c"])
    assert len((await state(tmp_path / "backup" / "store.db")).logs[("log",)]) == 2


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM entries WHERE number = 7", "has 19 entries, numbered from 1 to 20"),
        ("DELETE FROM logs", "20 entries belong to no log"),
        ("UPDATE counter SET version = 3", "17 records have versions"),
    ],
)
async def test_what_contradicts_itself_is_found(tmp_path: Path, statement: str, said: str) -> None:
    path = tmp_path / "store.db"
    await fill(path)
    spoil(path, statement)
    (finding,) = upkeep(path).verify().findings
    assert said in finding.reason
    assert "backup" in finding.means


async def test_pages_that_are_damaged_are_found(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await fill(path, 200)
    data = bytearray(path.read_bytes())
    data[8192 * 5 : 8192 * 5 + 100] = bytes(100)
    path.write_bytes(data)
    assert not upkeep(path).verify().is_clean
    with pytest.raises(StorageCorrupt):
        upkeep(path).backup(tmp_path / "backup")


async def test_there_is_no_repair_but_what_sqlite_and_backups_give(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot repair") as caught:
        upkeep(tmp_path / "store.db").repair()
    assert "backup" in caught.value.hint
    with pytest.raises(UsageError):
        upkeep(tmp_path / "store.db").repair(dry_run=True)


async def test_a_compacted_store_is_smaller_and_the_same(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await fill(path, 300)
    async with store_at(path) as store:
        for number in range(290):
            await store.delete(("k", str(number)), expected=ANY)
    before = await state(path)
    compacted = upkeep(path).compact()
    assert compacted.bytes_after < compacted.bytes_before / 3
    assert compacted.bytes_after == path.stat().st_size
    assert await state(path) == before


async def test_a_backup_is_restored_into_an_empty_place(tmp_path: Path) -> None:
    path, again = tmp_path / "store.db", tmp_path / "deep" / "again.db"
    await fill(path)
    copied = upkeep(path).backup(tmp_path / "backup")
    assert copied.report.is_clean
    assert [each.name for each in (tmp_path / "backup").iterdir()] == ["store.db"]
    upkeep(again).restore(tmp_path / "backup")
    assert await state(again) == await state(path)
    with pytest.raises(UsageError, match="not empty"):
        upkeep(path).backup(tmp_path / "backup")


async def test_a_store_that_holds_something_is_moved_aside_only_when_told(tmp_path: Path) -> None:
    path, other = tmp_path / "store.db", tmp_path / "other.db"
    await fill(path)
    await fill(other, 3)
    upkeep(path).backup(tmp_path / "backup")
    before = await state(other)
    with pytest.raises(UsageError, match="not empty") as caught:
        upkeep(other).restore(tmp_path / "backup")
    assert "--force" in caught.value.hint
    assert await state(other) == before
    copied = upkeep(other).restore(tmp_path / "backup", force=True)
    assert await state(other) == await state(path)
    assert copied.replaced is not None
    assert await state(Path(copied.replaced)) == before


async def test_a_store_that_is_open_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await fill(path)
    upkeep(path).backup(tmp_path / "backup")
    async with store_at(path) as store:
        with pytest.raises(StorageUnavailable, match=r"open in another process|locked"):
            upkeep(path).restore(tmp_path / "backup", force=True)
        assert await store.put(("still",), b"", expected=ABSENT) == 21
    assert len((await state(path)).records) == 21


async def test_a_damaged_backup_is_not_restored(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await fill(path)
    upkeep(path).backup(tmp_path / "backup")
    spoil(tmp_path / "backup" / "store.db", "DELETE FROM entries WHERE number = 7")
    with pytest.raises(StorageCorrupt, match="numbered from 1 to"):
        upkeep(tmp_path / "again.db").restore(tmp_path / "backup")
    assert not (tmp_path / "again.db").exists()


async def test_what_is_no_store_of_ours_is_refused(tmp_path: Path) -> None:
    spoil(tmp_path / "foreign.db", "CREATE TABLE mine (a)")
    (tmp_path / "text.db").write_text("no database\n" * 100)
    for name in ("foreign.db", "text.db"):
        with pytest.raises(StorageCorrupt):
            upkeep(tmp_path / name).verify()
        with pytest.raises(StorageCorrupt):
            upkeep(tmp_path / name).compact()
    with pytest.raises(StorageUnavailable, match="no store"):
        upkeep(tmp_path / "missing.db").verify()
    with pytest.raises(UsageError, match="no backup"):
        upkeep(tmp_path / "new.db").restore(tmp_path / "nowhere")
    assert sorted(all_bytes(tmp_path)) == ["foreign.db", "text.db"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgres://user:secret@host/db", "pg_dump"),
        ("redis://:secret@host", "BGSAVE"),
        ("dynamodb://table", "point-in-time"),
    ],
)
def test_a_server_is_looked_after_by_its_own_tools(url: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        upkeep_of(url, clock=CLOCK)
    assert said in caught.value.hint
    assert "holdfast store export" in caught.value.hint
    assert "secret" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("memory://", "nothing to look after"),
        ("files:", "no path"),
        ("sqlite:", "no path"),
        ("fies:x", "did you mean"),
    ],
)
def test_an_address_that_cannot_be_looked_after_is_told(url: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        upkeep_of(url, clock=CLOCK)
    assert said in f"{caught.value} {caught.value.hint}"
