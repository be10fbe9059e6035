"""What the files backend does with a journal that a crash or a bad disk left."""

from __future__ import annotations

import errno
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.errors import StorageError, StorageFull
from holdfast.storage.files import journal, view
from holdfast.storage.files.lines import write_line
from holdfast.storage.files.segments import without_zeros
from holdfast.storage.seam import ABSENT, ANY
from tests.storage.files_help import (
    LOG,
    MeddlingDisk,
    content,
    drop_index,
    fill,
    segment,
    store_at,
)


def quarantined(path: Path) -> list[bytes]:
    folder = path / "journal" / "quarantine"
    return [each.read_bytes() for each in sorted(folder.glob("*"))] if folder.exists() else []


@pytest.mark.parametrize("cut", [1, 2, 5, 30, 90])
async def test_a_torn_tail_is_moved_to_quarantine(tmp_path: Path, cut: int) -> None:
    await fill(tmp_path, 3)
    whole = segment(tmp_path).read_bytes()
    segment(tmp_path).write_bytes(whole[:-cut] + bytes(4096))
    records, entries = await content(tmp_path)
    assert (len(records), len(entries)) == (3, 2)
    last = whole[whole.rfind(b"\n", 0, -1) + 1 : -cut]
    assert quarantined(tmp_path) == [last]
    assert segment(tmp_path).read_bytes() == whole[: whole.rfind(b"\n", 0, -1) + 1]


async def test_what_is_written_behind_a_torn_tail_is_kept(tmp_path: Path) -> None:
    await fill(tmp_path, 3)
    with segment(tmp_path).open("ab") as file:
        file.write(b'{"n":8,"s":7,"v":3,"t":1,"p":"half a li')
    await fill(tmp_path, 1)
    _, entries = await content(tmp_path)
    assert len(entries) == 4


async def test_garbage_behind_zeros_is_a_torn_tail(tmp_path: Path) -> None:
    await fill(tmp_path, 3)
    whole = segment(tmp_path).read_bytes()
    segment(tmp_path).write_bytes(whole + bytes(200_000) + b"garbage" + bytes(100))
    _, entries = await content(tmp_path)
    assert len(entries) == 3
    assert quarantined(tmp_path) == [bytes(200_000) + b"garbage"]
    assert segment(tmp_path).read_bytes() == whole


async def test_old_lines_that_do_not_chain_are_a_torn_tail(tmp_path: Path) -> None:
    await fill(tmp_path, 3)
    whole = segment(tmp_path).read_bytes()
    stale, _ = write_line(
        8, '["put",["k","z"],9,"z"]', synced=6, version=9, written_at=0, previous="0" * 32
    )
    segment(tmp_path).write_bytes(whole + stale)
    records, _ = await content(tmp_path)
    assert "z" not in records
    assert quarantined(tmp_path) == [stale]


async def test_damage_in_the_middle_is_skipped_and_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await fill(tmp_path, 5, ack="disk")
    data = bytearray(segment(tmp_path).read_bytes())
    at = data.index(b"value 2")
    data[at] ^= 1
    segment(tmp_path).write_bytes(data)
    with caplog.at_level(logging.WARNING, "holdfast.storage"):
        records, entries = await content(tmp_path)
    assert sorted(records) == ["0", "1", "3", "4"]
    assert len(entries) == 5
    assert "1 places" in caplog.text
    assert "store verify" in caplog.text
    assert segment(tmp_path).read_bytes() == bytes(data)
    assert quarantined(tmp_path) == []


async def test_a_writer_goes_on_behind_damage(tmp_path: Path) -> None:
    await fill(tmp_path, 5, ack="disk")
    data = segment(tmp_path).read_bytes().replace(b"value 2", b"valve 2")
    segment(tmp_path).write_bytes(data)
    async with store_at(tmp_path) as store:
        assert await store.put(("k", "2"), b"again", expected=ABSENT) == 6
    records, _ = await content(tmp_path)
    assert records["2"] == b"again"


@pytest.mark.parametrize("spoil", ["delete", "truncate", "garbage", "foreign", "older"])
async def test_the_index_may_be_lost_at_any_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: str
) -> None:
    monkeypatch.setattr(view, "FREEZE_CHANGES", 5)
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 3000)
    store, other = tmp_path / "store", tmp_path / "other"
    await fill(store, 20)
    old = (store / "index.db").read_bytes()
    await fill(store, 20)
    await fill(other, 30)
    _SPOIL[spoil](store, other, old)
    records, entries = await content(store)
    assert (len(records), len(entries)) == (20, 40)


def _spoil_with(data: Callable[[Path, Path, bytes], bytes]) -> Callable[[Path, Path, bytes], None]:
    def spoil(store: Path, other: Path, old: bytes) -> None:
        new = data(store, other, old)
        drop_index(store)
        (store / "index.db").write_bytes(new)

    return spoil


_SPOIL: dict[str, Callable[[Path, Path, bytes], None]] = {
    "delete": lambda store, _other, _old: drop_index(store),
    "truncate": _spoil_with(lambda store, _other, _old: (store / "index.db").read_bytes()[:5000]),
    "garbage": _spoil_with(lambda _store, _other, _old: b"no database" * 1000),
    "foreign": _spoil_with(lambda _store, other, _old: (other / "index.db").read_bytes()),
    "older": _spoil_with(lambda _store, _other, old: old),
}


async def test_an_index_that_is_gone_while_the_store_is_open_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "FREEZE_CHANGES", 5)
    await fill(tmp_path, 10)
    async with store_at(tmp_path) as store:
        assert len(await store.scan(("k",))) == 10
        drop_index(tmp_path)
        for number in range(10, 30):
            await store.put(("k", str(number)), b"", expected=ABSENT)
        assert len(await store.scan(("k",))) == 30
    records, _ = await content(tmp_path)
    assert len(records) == 30


async def test_an_index_that_fails_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "FREEZE_CHANGES", 5)
    await fill(tmp_path, 300)
    async with store_at(tmp_path) as store:
        with sqlite3.connect(tmp_path / "index.db") as connection:
            connection.execute("DROP TABLE records")
        connection.close()
        with pytest.raises(StorageError, match="index") as caught:
            await store.get(("k", "1"))
        assert "index.db" in caught.value.hint
    drop_index(tmp_path)
    records, _ = await content(tmp_path)
    assert len(records) == 300


async def test_a_writer_that_died_behind_a_seal_leaves_the_next_segment_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 1)
    await fill(tmp_path, 1)
    last = max((tmp_path / "journal").glob("*.jsonl"))
    assert b'["seal"]' in last.read_bytes()
    await fill(tmp_path, 1)
    _, entries = await content(tmp_path)
    assert len(entries) == 2


@pytest.mark.parametrize("left", [b"", b"\0" * 100, b'{"n":3,"s'])
async def test_a_writer_that_died_while_it_made_a_segment_leaves_it_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: bytes
) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 1)
    await fill(tmp_path, 1)
    last = max((tmp_path / "journal").glob("*.jsonl"))
    (last.parent / f"{int(last.stem) + 1:08d}.jsonl").write_bytes(left)
    await fill(tmp_path, 1)
    _, entries = await content(tmp_path)
    assert len(entries) == 2


async def test_two_open_stores_go_on_together_over_a_segment_that_one_of_them_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 700)
    async with store_at(tmp_path) as one, store_at(tmp_path) as other:
        for number in range(30):
            assert await one.append(LOG, [b"one"]) == 2 * number + 1
            assert await other.append(LOG, [b"other"]) == 2 * number + 2
    _, entries = await content(tmp_path)
    assert entries == [b"one", b"other"] * 30


async def test_a_sync_that_fails_is_never_acknowledged_nor_tried_again(tmp_path: Path) -> None:
    disk = MeddlingDisk()
    failed: list[int] = []

    def fail(handle: object) -> None:
        if not failed:
            failed.append(0)
            raise OSError(errno.EIO, "Input/output error")

    async with store_at(tmp_path, ack="disk", disk=disk) as store:
        await store.append(LOG, [b"safe"])
        disk.before["sync"] = fail
        with pytest.raises(StorageError, match="disk failed") as caught:
            await store.append(LOG, [b"doubtful"])
        assert "unknown" in caught.value.hint
        # The tail that nobody can be sure of is not shown ...
        assert [entry.value for entry in await store.read(LOG)] == [b"safe"]
        disk.calls.clear()
        # ... until it was written again, and only then synced.
        assert await store.append(LOG, [b"next"]) == 3
        assert disk.calls.index("write") < disk.calls.index("sync")
        values = [entry.value for entry in await store.read(LOG)]
        assert values == [b"safe", b"doubtful", b"next"]


async def test_as_long_as_the_disk_fails_nothing_is_acknowledged_and_reads_go_on(
    tmp_path: Path,
) -> None:
    disk = MeddlingDisk()

    def fail(handle: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    async with store_at(tmp_path, ack="disk", disk=disk) as store:
        await store.put(("k", "a"), b"safe", expected=ABSENT)
        disk.before["sync"] = fail
        for _ in range(3):
            with pytest.raises(StorageError, match="disk failed"):
                await store.put(("k", "a"), b"lost", expected=ANY)
            record = await store.get(("k", "a"))
            assert record is not None
            assert record.value == b"safe"
        del disk.before["sync"]
        assert isinstance(await store.put(("k", "a"), b"new", expected=ANY), int)


@pytest.mark.parametrize("call", ["write", "allocate"])
async def test_a_full_disk_is_a_clear_error_and_loses_nothing(tmp_path: Path, call: str) -> None:
    disk = MeddlingDisk()

    def fail(argument: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with store_at(tmp_path, ack="disk", disk=disk) as store:
        await store.append(LOG, [b"safe"])
        disk.before[call] = fail
        with pytest.raises(StorageFull):
            await store.append(LOG, [b"x" * 100_000])
        assert [entry.value for entry in await store.read(LOG)] == [b"safe"]
        del disk.before[call]
        assert await store.append(LOG, [b"next"]) == 2
    _, entries = await content(tmp_path)
    assert entries == [b"safe", b"next"]


async def test_a_write_that_takes_only_some_of_the_data_is_gone_on_with(tmp_path: Path) -> None:
    disk = MeddlingDisk()
    disk.before["short"] = lambda: None
    async with store_at(tmp_path, ack="disk", disk=disk) as store:
        for number in range(10):
            assert await store.append(LOG, [b"x" * 1000]) == number + 1
    _, entries = await content(tmp_path)
    assert entries == [b"x" * 1000] * 10


async def test_a_write_that_fails_half_way_is_taken_back(tmp_path: Path) -> None:
    disk = MeddlingDisk()
    async with store_at(tmp_path, ack="disk", disk=disk) as store:
        await store.append(LOG, [b"safe"])
        writes: list[object] = []

        def fail_in_the_middle(data: object) -> None:
            writes.append(data)
            if len(writes) == 2:
                raise OSError(errno.ENOSPC, "No space left on device")

        disk.before |= {"short": lambda: None, "write": fail_in_the_middle}
        with pytest.raises(StorageFull):
            await store.append(LOG, [b"half"])
        disk.before.clear()
        assert await store.append(LOG, [b"next"]) == 2
        assert [entry.value for entry in await store.read(LOG)] == [b"safe", b"next"]
    assert len(quarantined(tmp_path)) == 1


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
@given(st.data())
async def test_a_journal_cut_anywhere_holds_a_beginning_of_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("cut")
    await fill(path, 6)
    whole = segment(path).read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    rest = data.draw(st.binary(max_size=50))
    segment(path).write_bytes(whole[:cut] + rest)
    records, entries = await content(path)
    lines = max(whole[:cut].count(b"\n") - 1, 0)
    if not rest.startswith(whole[cut : cut + 1]) or not rest:
        assert len(records) + len(entries) == lines
    assert records == {str(n): f"value {n}".encode() for n in range(len(records))}
    assert entries == [f"entry {n}".encode() for n in range(len(entries))]
    await fill(path, 1)
    _, more = await content(path)
    assert more == [*entries, b"entry 0"]


@given(st.binary(max_size=50), st.integers(0, 20_000))
def test_zeros_at_the_end_are_found_fast_and_exactly(data: bytes, zeros: int) -> None:
    assert without_zeros(data + bytes(zeros)) == data.rstrip(b"\0")
