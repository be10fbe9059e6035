"""The nature of the files backend: what lies on the disk, and when it is acknowledged."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
from pathlib import Path

import pytest

from holdfast.clock import SystemClock
from holdfast.errors import StorageTooNew, StorageUnavailable, UsageError
from holdfast.storage import open_store
from holdfast.storage.files import FilesStore, core, journal, place, view
from holdfast.storage.files.disk import SystemDisk
from holdfast.storage.files.lines import START, write_line
from holdfast.storage.seam import ABSENT, ANY, Put
from holdfast.testing.clock import ManualClock
from tests.storage.files_help import (
    LOG,
    MeddlingDisk,
    content,
    drop_index,
    fill,
    lines_of,
    open_handles,
    segment,
    store_at,
)


async def test_a_store_is_a_folder_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    await fill(path, 1)
    assert (path.stat().st_mode & 0o777, segment(path).stat().st_mode & 0o777) == (0o700, 0o600)


async def test_the_journal_is_json_lines_that_other_tools_can_read(tmp_path: Path) -> None:
    async with store_at(tmp_path) as store:
        await store.put(("tasks", "a\nb"), b'{"name": "caf\xc3\xa9"}', expected=ABSENT)
        await store.append(("log",), [b"one", b"\xff\x00"])
        await store.delete(("tasks", "a\nb"), expected=ANY)
    header, put, append, delete = (line["o"] for line in lines_of(tmp_path))
    assert header == [["segment", {"format": 2}]]
    assert put == [["put", ["tasks", "a\nb"], 1, '{"name": "café"}']]
    assert append == [["append", ["log"], 1, ["one", {"b": "/wA="}]]]
    assert delete == [["delete", ["tasks", "a\nb"], 1]]


async def test_each_line_names_the_hash_of_the_one_before(tmp_path: Path) -> None:
    await fill(tmp_path, 3)
    lines = lines_of(tmp_path)
    assert [line["n"] for line in lines] == list(range(1, 8))
    assert lines[0]["p"] == START
    assert len({line["p"] for line in lines}) == len(lines)


async def test_requests_at_once_share_a_sync(tmp_path: Path) -> None:
    disk = MeddlingDisk()
    async with store_at(tmp_path, ack="disk", disk=disk) as store:
        disk.calls.clear()
        await asyncio.gather(*(store.append(LOG, [b"x"]) for _ in range(50)))
        assert disk.calls.count("sync") < 25


async def test_an_acknowledgement_comes_behind_the_sync(tmp_path: Path) -> None:
    disk = MeddlingDisk()
    async with store_at(tmp_path, ack="disk", disk=disk) as store:
        disk.calls.clear()
        await store.append(LOG, [b"x"])
        assert disk.calls[:4] == ["lock", "write", "unlock", "sync"]


async def test_less_than_the_disk_is_not_synced(tmp_path: Path) -> None:
    disk = MeddlingDisk()
    async with store_at(tmp_path, ack="os", disk=disk) as store:
        await store.append(LOG, [b"x"])
    assert "sync" not in disk.calls


async def test_a_new_segment_is_durable_before_anything_is_acknowledged_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 1)
    disk = MeddlingDisk()
    async with store_at(tmp_path, ack="disk", disk=disk) as store:
        await store.append(LOG, [b"x"])
        disk.calls.clear()
        await store.append(LOG, [b"y"])
        header = disk.calls.index("write")
        entry = disk.calls.index("write", header + 1)
        assert "sync_folder" in disk.calls[header:entry]
        assert "sync" in disk.calls[header:entry]


async def test_a_closed_store_has_no_zeros_at_its_end(tmp_path: Path) -> None:
    async with store_at(tmp_path) as store:
        await store.append(LOG, [b"x"])
        assert segment(tmp_path).read_bytes().endswith(b"\0")
    assert segment(tmp_path).read_bytes().endswith(b"}\n")


async def test_sealed_segments_are_compressed_and_still_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 2000)
    monkeypatch.setattr(core, "_WORTH_INDEXING", 1)
    await fill(tmp_path, 100)
    names = {each.name for each in (tmp_path / "journal").iterdir()}
    assert "00000001.jsonl.zst" in names
    assert "00000001.jsonl" not in names
    drop_index(tmp_path)
    records, entries = await content(tmp_path)
    assert (len(records), len(entries)) == (100, 100)


async def test_a_start_does_not_read_what_is_indexed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "FREEZE_CHANGES", 50)
    await fill(tmp_path, 500)
    async with store_at(tmp_path) as store:
        assert store._core.view.tail.active.count < 100
        assert len(await store.read(LOG)) == 500


async def test_two_stores_on_one_folder_see_each_other_at_once(tmp_path: Path) -> None:
    async with store_at(tmp_path) as one, store_at(tmp_path) as other:
        for number in range(20):
            version = await one.put(("k",), f"{number}".encode(), expected=ANY)
            record = await other.get(("k",))
            assert record is not None
            assert (record.value, record.version) == (f"{number}".encode(), version)
            assert await other.append(LOG, [b"x"], expected=number) == number + 1
            assert len(await one.read(LOG)) == number + 1


async def test_a_reader_does_not_wait_for_the_lock_of_the_writers(tmp_path: Path) -> None:
    async with store_at(tmp_path) as one, store_at(tmp_path) as other:
        await one.put(("k",), b"1", expected=ABSENT)
        with (tmp_path / "journal" / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            async with asyncio.timeout(5):
                record = await other.get(("k",))
                assert record is not None
                assert len(await other.scan(())) == 1
            fcntl.flock(lock, fcntl.LOCK_UN)


async def test_a_reader_syncs_what_another_process_wrote_before_it_shows_it(
    tmp_path: Path,
) -> None:
    disk = MeddlingDisk()
    async with (
        store_at(tmp_path, ack="os") as one,
        store_at(tmp_path, ack="disk", disk=disk) as other,
    ):
        await one.put(("k",), b"1", expected=ABSENT)
        disk.calls.clear()
        assert await other.get(("k",)) is not None
        assert disk.calls.count("sync") == 1
        assert await other.get(("k",)) is not None
        assert disk.calls.count("sync") == 1


async def test_a_conflict_with_what_another_process_wrote_is_durable_too(tmp_path: Path) -> None:
    disk = MeddlingDisk()
    async with (
        store_at(tmp_path, ack="os") as one,
        store_at(tmp_path, ack="disk", disk=disk) as other,
    ):
        await one.put(("k",), b"1", expected=ABSENT)
        disk.calls.clear()
        assert not isinstance(await other.put(("k",), b"2", expected=ABSENT), int)
        assert "write" not in disk.calls
        assert disk.calls.count("sync") == 1


async def test_the_lines_of_others_are_read_only_when_they_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with store_at(tmp_path) as one, store_at(tmp_path) as other:
        await one.put(("mine",), b"1", expected=ABSENT)
        await other.put(("yours",), b'a value with ["mine"] in it', expected=ABSENT)
        assert isinstance(await one.put(("mine",), b"2", expected=1), int)
        await other.put(("mine",), b"3", expected=ANY)
        conflict = await one.put(("mine",), b"4", expected=3)
        assert not isinstance(conflict, int)


async def test_a_value_of_a_journal_line_cannot_be_taken_for_a_line(tmp_path: Path) -> None:
    forged, _ = write_line(
        2,
        '["put",["k","x"],99,"forged"]',
        synced=1,
        version=99,
        written_at=0,
        previous=START,
    )
    async with store_at(tmp_path) as store:
        await store.put(("k", "a"), forged, expected=ABSENT)
    segment(tmp_path).write_bytes(segment(tmp_path).read_bytes()[:-5])
    records, _ = await content(tmp_path)
    assert records == {}


async def test_a_journal_of_the_future_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    data, _ = write_line(
        1, '["segment",{"format":3}]', synced=0, version=0, written_at=0, previous=START
    )
    segment(tmp_path).write_bytes(data)
    with pytest.raises(StorageTooNew, match="format 3") as caught:
        await content(tmp_path)
    assert "upgrade" in caught.value.hint
    assert segment(tmp_path).read_bytes() == data


async def test_a_path_that_is_a_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("hello")
    with pytest.raises(StorageUnavailable, match="file") as caught:
        await content(tmp_path / "file")
    assert caught.value.hint


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "9p"])
async def test_a_network_file_system_is_refused_without_the_flag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "21 1 254:0 / / rw - ext4 /dev/vda rw\n"
        f"99 21 0:52 / {str(tmp_path).replace(' ', chr(92) + '040')} rw shared:1 - {kind} host rw\n"
    )
    monkeypatch.setattr(place, "_MOUNTS", mounts)
    with pytest.raises(StorageUnavailable, match=kind) as caught:
        await fill(tmp_path / "store", 1)
    assert "allow_network" in caught.value.hint
    assert not (tmp_path / "store").exists()
    async with open_store(f"files:{tmp_path}/store?allow_network=yes", clock=ManualClock()):
        pass
    assert place.promise(tmp_path).startswith(kind)


@pytest.mark.parametrize(
    ("kind", "words"), [("ext4", "survives a power cut"), ("tmpfs", "lost with the power")]
)
def test_the_promise_of_a_place_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, words: str
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"21 1 254:0 / / rw - {kind} /dev/vda rw\n")
    monkeypatch.setattr(place, "_MOUNTS", mounts)
    assert words in place.promise(tmp_path)


@pytest.mark.parametrize("url", ["files:", "files:/", "files:x?allow_network=maybe", "files:x?y"])
def test_an_address_that_is_wrong_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError, match="storage address"):
        open_store(url, clock=SystemClock())


async def test_a_store_by_its_address(tmp_path: Path) -> None:
    async with open_store(f"files:{tmp_path}", clock=SystemClock()) as store:
        assert isinstance(store, FilesStore)
        assert await store.append(LOG, [b"x"]) == 1


async def test_a_store_that_nobody_closed_is_whole(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    await store.__aenter__()
    await store.append(LOG, [b"x"])
    _, entries = await content(tmp_path)
    assert entries == [b"x"]
    await store.__aexit__(None, None, None)


async def test_a_batch_is_one_line(tmp_path: Path) -> None:
    async with store_at(tmp_path) as store:
        puts = [Put(key=("k", str(n)), value=b"v", expected=ABSENT) for n in range(5)]
        await store.batch(puts)
    assert [len(line["o"]) for line in lines_of(tmp_path)] == [1, 5]


async def test_requests_that_change_nothing_write_nothing(tmp_path: Path) -> None:
    await fill(tmp_path, 1)
    before = segment(tmp_path).read_bytes()
    async with store_at(tmp_path) as store:
        await store.put(("k", "0"), b"", expected=ABSENT)
        await store.delete(("none",), expected=ANY)
        await store.append(LOG, [])
        await store.claim(("k",), until=1)
    assert segment(tmp_path).read_bytes() == before


async def test_what_is_written_is_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with store_at(tmp_path) as store:
        await store.put(("k",), b"a secret", expected=ABSENT)
    assert "a secret" not in caplog.text


async def test_versions_grow_over_an_opening_without_an_index(tmp_path: Path) -> None:
    async with store_at(tmp_path) as store:
        await store.put(("k",), b"1", expected=ABSENT)
        await store.put(("k",), b"2", expected=1)
        await store.delete(("k",), expected=2)
    async with store_at(tmp_path) as store:
        assert await store.put(("k",), b"3", expected=ABSENT) == 3
    assert json.loads(segment(tmp_path).read_bytes().splitlines()[-1])["v"] == 3


async def test_handles_are_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 500)
    monkeypatch.setattr(view, "FREEZE_CHANGES", 3)
    await fill(tmp_path, 2)
    before = open_handles()
    await fill(tmp_path, 30)
    async with store_at(tmp_path) as one, store_at(tmp_path) as other:
        for _ in range(10):
            await one.append(LOG, [b"x"])
            await other.read(LOG)
    assert open_handles() == before


def test_room_for_later_lines_is_written_and_not_only_reserved(tmp_path: Path) -> None:
    disk, size = SystemDisk(), 200_000
    handle = disk.open(tmp_path / "segment", create=True)
    try:
        disk.write(handle, b"a line\n", 0)
        disk.allocate(handle, size)
        assert (tmp_path / "segment").read_bytes() == b"a line\n" + bytes(size - 7)
        assert os.lseek(handle, 0, os.SEEK_HOLE) == size  # what is only reserved counts as a hole
    finally:
        disk.close(handle)
