"""The index may be missing, old, damaged, of another store, or in use: the answers are right."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from holdfast.errors import StorageCorrupt, StorageUnavailable
from holdfast.storage.files import FilesStore
from holdfast.storage.memory import MemoryStore
from holdfast.storage.texts import Texts, file
from holdfast.testing.clock import ManualClock
from tests.storage.texts_help import Shelf


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    async with MemoryStore(clock=ManualClock()) as store:
        shelf = Shelf(store, tmp_path / "search" / "notes.db")
        await shelf.put("one", "kelp")
        await shelf.put("two", "harbour")
        assert await shelf.find("kelp") == ["one"]
        await close(shelf.texts)
        shelf.texts = shelf.open()
        shelf.loaded = 0
        yield shelf
        await close(shelf.texts)


async def close(texts: Texts) -> None:
    await texts.__aexit__(None, None, None)


def path_of(shelf: Shelf) -> Path:
    assert shelf.path is not None
    return shelf.path


async def test_an_index_that_is_up_to_date_is_only_read(shelf: Shelf) -> None:
    assert await shelf.find("kelp") == ["one"]
    assert shelf.loaded == 0
    await shelf.put("three", "kelp")
    assert set(await shelf.find("kelp")) == {"one", "three"}
    assert shelf.loaded == 1


async def test_a_deleted_index_is_made_anew(shelf: Shelf) -> None:
    shutil.rmtree(path_of(shelf).parent)
    assert await shelf.find("kelp") == ["one"]
    assert shelf.loaded == 2


async def test_an_index_deleted_while_it_is_open_goes_on(shelf: Shelf) -> None:
    assert await shelf.find("kelp") == ["one"]
    shutil.rmtree(path_of(shelf).parent)
    await shelf.put("three", "kelp")
    assert set(await shelf.find("kelp")) == {"one", "three"}
    other = Shelf(shelf.store, shelf.path)
    assert set(await other.find("kelp")) == {"one", "three"}
    await close(shelf.texts)
    assert set(await other.find("kelp")) == {"one", "three"}
    await close(other.texts)


@pytest.mark.parametrize("damage", ["noise", "head", "middle", "short", "empty", "schema", "table"])
async def test_a_useless_index_is_made_anew(shelf: Shelf, damage: str) -> None:
    path = path_of(shelf)
    data = bytearray(path.read_bytes())
    if damage == "noise":
        path.write_bytes(os.urandom(len(data)))
    elif damage == "head":
        path.write_bytes(bytes(100) + data[100:])
    elif damage == "middle":
        path.write_bytes(data[:4096] + os.urandom(len(data) - 4096))
    elif damage == "short":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        query = "PRAGMA user_version = 99" if damage == "schema" else "DROP TABLE documents"
        connection = sqlite3.connect(path)
        connection.execute(query)
        connection.commit()
        connection.close()
    await shelf.put("three", "kelp")
    assert set(await shelf.find("kelp")) == {"one", "three"}
    assert await shelf.find("harbour") == ["two"]
    assert await shelf.texts.count() == 3


async def test_every_page_may_be_damaged(shelf: Shelf) -> None:
    whole = path_of(shelf).read_bytes()
    for start in range(0, len(whole), 4096):
        path_of(shelf).write_bytes(whole[:start] + bytes(4096) + whole[start + 4096 :])
        texts = Shelf(shelf.store, shelf.path)
        assert await texts.find("harbour") in (["two"], [])
        await texts.texts.rebuild()
        assert await texts.find("harbour") == ["two"]
        await close(texts.texts)


async def test_an_index_of_another_store_is_made_anew(shelf: Shelf) -> None:
    async with MemoryStore(clock=ManualClock()) as store:
        other = Shelf(store, shelf.path)
        await other.put("four", "kelp")
        await other.put("five", "kelp")
        await other.put("six", "kelp")
        assert set(await other.find("kelp")) == {"four", "five", "six"}
        await close(other.texts)
    assert await shelf.find("kelp") == ["one"]


async def test_an_index_that_is_ahead_of_a_restored_store_is_made_anew(shelf: Shelf) -> None:
    async with MemoryStore(clock=ManualClock()) as store:
        empty = Shelf(store, shelf.path)
        assert await empty.find("kelp") == []
        await close(empty.texts)


async def test_a_database_of_another_program_is_left_alone(shelf: Shelf) -> None:
    path = path_of(shelf)
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StorageCorrupt, match="another program"):
        await shelf.find("kelp")
    assert path.read_bytes() == before


async def test_where_nothing_can_be_written_the_index_is_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    async with MemoryStore(clock=ManualClock()) as store:
        shelf = Shelf(store, tmp_path / "file" / "notes.db")
        await shelf.put("one", "kelp")
        assert await shelf.find("kelp") == ["one"]
        await close(shelf.texts)
    assert "made in memory" in caplog.text


async def test_an_sqlite_without_full_text_search_is_named(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(path_of(shelf).parent)
    query = file.QUERIES["create_texts"].replace("fts5", "fts99")
    monkeypatch.setitem(file.QUERIES, "create_texts", query)
    with pytest.raises(StorageUnavailable, match="no full-text search"):
        await shelf.find("kelp")


PROCESS = """
import asyncio, sys
from pathlib import Path
from holdfast.clock import SystemClock
from holdfast.storage.files import FilesStore
from tests.storage.texts_help import Shelf

async def main():
    folder, name = Path(sys.argv[1]), sys.argv[2]
    async with FilesStore(str(folder / "s"), clock=SystemClock()) as store:
        shelf = Shelf(store, folder / "search" / "notes.db")
        async with shelf.texts:
            for number in range(40):
                await shelf.put(f"{name}-{number}", f"kelp {name} n{number}")
                assert await shelf.find(f"n{number}", limit=100), number
            assert len(await shelf.find(name, limit=1000)) == 40

asyncio.run(main())
"""


def test_many_processes_share_an_index(tmp_path: Path) -> None:
    script = tmp_path / "process.py"
    script.write_text(textwrap.dedent(PROCESS))
    words = [sys.executable, str(script), str(tmp_path)]
    root = Path(__file__).parent.parent.parent
    environ = {**os.environ, "PYTHONPATH": str(root)}
    names = ("ann", "bob", "cleo")
    running = [
        subprocess.Popen([*words, name], env=environ, stderr=subprocess.PIPE) for name in names
    ]
    told = [process.communicate(timeout=60)[1].decode() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], told
    anyio.run(_count_all, tmp_path)


async def _count_all(folder: Path) -> None:
    async with FilesStore(str(folder / "s"), clock=ManualClock()) as store:
        shelf = Shelf(store, folder / "search" / "notes.db")
        assert len(await shelf.find("kelp", limit=1000)) == 120
        assert await shelf.texts.count() == 120
        await close(shelf.texts)
