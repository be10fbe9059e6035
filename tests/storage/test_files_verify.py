"""`verify` finds every damage, calls nothing damage that is none, and changes nothing."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from pathlib import Path

import pytest

from holdfast.errors import StorageTooNew, StorageUnavailable
from holdfast.storage.files import journal, view
from holdfast.storage.files.lines import Line, read_line, write_line
from holdfast.storage.files.parity import protect
from holdfast.storage.files.place import promise
from holdfast.storage.files.segments import compress
from holdfast.storage.files.upkeep.looking import LookingDisk
from holdfast.storage.files.upkeep.repair import repair
from holdfast.storage.files.upkeep.verify import verify
from holdfast.storage.seam import ANY
from holdfast.testing.clock import ManualClock
from holdfast.testing.crash.image import Content, Image
from holdfast.testing.crash.recording import RecordingDisk
from tests.storage.files_damage import (
    NOW,
    all_bytes,
    altered,
    change,
    check,
    compress_all,
    fill_mixed,
    journal_files,
    mend,
    rechain,
    remedies,
    rewrite_lines,
)
from tests.storage.files_help import drop_index, fill, segment, store_at


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 1500)


async def test_a_sound_store_is_clean_and_stays_as_it_is(
    tmp_path: Path, small_segments: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "FREEZE_CHANGES", 5)
    await fill_mixed(tmp_path, 30)
    compress_all(tmp_path, before=4)
    before = all_bytes(tmp_path)
    report = check(tmp_path)
    assert report.findings == []
    assert report.notes == []
    assert report.promise == promise(tmp_path)
    assert report.counts["records"] == 24
    assert report.counts["entries"] == 62
    assert report.counts["segments"] > 4
    assert "index.db" in before
    assert all_bytes(tmp_path) == before


async def test_nothing_can_be_changed_through_the_disk_that_looks(tmp_path: Path) -> None:
    disk, path = LookingDisk(), tmp_path / "file"
    path.write_bytes(b"content")
    handle = disk.open(path)
    try:
        assert disk.read(handle, 99, 0) == b"content"
        for forbidden in (
            lambda: disk.write(handle, b"x", 0),
            lambda: disk.truncate(handle, 1),
            lambda: disk.open(tmp_path / "new", create=True),
            lambda: disk.open(tmp_path / "new", exclusive=True),
            lambda: disk.make_folder(tmp_path / "new"),
            lambda: disk.rename(path, tmp_path / "new"),
            lambda: disk.unlink(path),
        ):
            with pytest.raises(OSError):  # noqa: PT011 - whichever it is
                forbidden()
    finally:
        disk.close(handle)
    assert all_bytes(tmp_path) == {"file": b"content"}


def test_where_there_is_no_store_there_is_nothing_to_verify(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="no store"):
        check(tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_a_store_that_is_being_written_to_is_clean(
    tmp_path: Path, small_segments: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "FREEZE_CHANGES", 20)
    stop, wrote = asyncio.Event(), asyncio.Event()

    async def write(name: str) -> None:
        async with store_at(tmp_path) as store:
            while not stop.is_set():
                await store.append((name,), [b"x" * 50])
                await store.put((name,), b"y" * 300, expected=ANY)
                wrote.set()

    async with asyncio.TaskGroup() as group:
        await fill(tmp_path, 1)
        writers = [group.create_task(write(name)) for name in ("one", "other")]
        for _ in range(15):
            wrote.clear()
            await asyncio.wait_for(wrote.wait(), 30)
            report = await asyncio.to_thread(check, tmp_path)
            assert report.findings == [], report
            assert not any("died" in note for note in report.notes), report
        stop.set()
        await asyncio.wait(writers)
    assert report.counts["lines"] > 10


async def test_every_flipped_byte_is_detected_and_healed(
    tmp_path: Path, small_segments: None
) -> None:
    store = tmp_path / "store"
    await fill_mixed(store, 4)
    compress_all(store, before=2)
    for file in journal_files(store):
        change(file, lambda data: data.__delitem__(slice(len(data.rstrip(b"\0")), None)))
    assert [each.suffix for each in journal_files(store)] == [".zst", ".jsonl"]
    found = Image.of_folder(tmp_path)
    image = Image(found.files, found.folders | {str(tmp_path)})
    chance, tried, detected, healed = random.Random(1), 0, 0, 0
    for file in journal_files(store):
        whole = image.files[str(file)].bytes()
        for place in range(len(whole)):
            wrong = whole[place] ^ chance.randrange(1, 256)
            flipped = whole[:place] + bytes([wrong]) + whole[place + 1 :]
            disk = RecordingDisk(image.replace(str(file), Content.of(flipped)))
            repaired = repair(store, clock=ManualClock(), disk=disk)
            assert repaired.left is not None
            tried += 1
            detected += not repaired.found.is_clean
            healed += repaired.left.is_clean and disk.image.files[str(file)].bytes() == whole
    share = f"{tried} flips: {detected / tried:.2%} detected, {healed / tried:.2%} healed"
    print(share)  # noqa: T201 - shown by `pytest -s`
    assert detected == tried
    assert healed >= 0.99 * tried


@pytest.mark.parametrize("how", ["cut", "longer", "garbage", "gone"])
async def test_a_line_that_is_spoilt_is_found_where_it_is(tmp_path: Path, how: str) -> None:
    await fill(tmp_path, 5, ack="disk")
    drop_index(tmp_path)
    lines = segment(tmp_path).read_bytes().splitlines(keepends=True)
    spoilt = {"cut": lines[4][:40], "longer": lines[4][:-1] + b"more\n", "gone": b""}
    rewrite_lines(
        segment(tmp_path),
        lambda each: [*each[:4], spoilt.get(how, b"no line\n" * 9), *each[5:]],
    )
    (finding,) = check(tmp_path).findings
    assert finding.file == "journal/00000001.jsonl"
    assert finding.offset == sum(map(len, lines[:4]))
    assert finding.remedy == ("healed" if how == "nothing" else "lost")


async def test_garbage_between_two_lines_is_found_and_nothing_is_lost_by_it(
    tmp_path: Path,
) -> None:
    await fill(tmp_path, 5, ack="disk")
    rewrite_lines(segment(tmp_path), lambda lines: [*lines[:4], b"garbage\n", *lines[4:]])
    (finding,) = check(tmp_path).findings
    assert (finding.remedy, finding.length) == ("removed", 8)


async def test_a_line_that_was_changed_with_a_right_checksum_breaks_the_chain(
    tmp_path: Path,
) -> None:
    await fill(tmp_path, 5, ack="disk")
    drop_index(tmp_path)
    rewrite_lines(
        segment(tmp_path),
        lambda lines: [*lines[:3], altered(lines[3], "value 1", "value 9")[0], *lines[4:]],
    )
    (finding,) = check(tmp_path).findings
    assert "changed after it was written" in finding.reason
    assert finding.remedy == "lost"


async def test_a_line_that_stands_twice_is_found(tmp_path: Path) -> None:
    await fill(tmp_path, 5, ack="disk")
    rewrite_lines(segment(tmp_path), lambda lines: [*lines[:5], lines[2], *lines[5:]])
    assert remedies(check(tmp_path)) == ["removed"]


async def test_entries_that_were_never_written_are_found_though_the_chain_is_whole(
    tmp_path: Path,
) -> None:
    await fill(tmp_path, 3, ack="disk")
    drop_index(tmp_path)

    def skip(lines: list[bytes]) -> list[bytes]:
        data, _ = altered(lines[4], '["log"],2,', '["log"],7,')
        return rechain([*lines[:4], data, *lines[5:]], 5)

    rewrite_lines(segment(tmp_path), skip)
    (finding,) = [each for each in check(tmp_path).findings if "entries 2 to 6" in each.reason]
    assert finding.remedy == "none"
    assert "'log'" in finding.reason


@pytest.mark.parametrize("number", [1, 2])
async def test_a_segment_that_is_missing_is_found(
    tmp_path: Path, small_segments: None, number: int
) -> None:
    await fill_mixed(tmp_path, 30)
    drop_index(tmp_path)
    segment(tmp_path, number).unlink()
    (finding,) = check(tmp_path).findings
    assert finding.file == f"journal/0000000{number}.jsonl"
    assert "missing" in finding.reason


async def test_a_journal_that_was_cut_is_found_by_the_index(tmp_path: Path) -> None:
    await fill(tmp_path, 300)
    assert (tmp_path / "index.db").exists()
    rewrite_lines(segment(tmp_path), lambda lines: lines[:-7])
    (finding,) = check(tmp_path).findings
    assert "missing at the end" in finding.reason
    assert finding.remedy == "recovered"
    drop_index(tmp_path)
    assert check(tmp_path).is_clean  # nobody else can know


@pytest.mark.parametrize("cut", [2, 5, 40])
async def test_a_torn_tail_is_no_damage_but_told(tmp_path: Path, cut: int) -> None:
    await fill(tmp_path, 3)
    whole = segment(tmp_path).read_bytes()
    segment(tmp_path).write_bytes(whole[:-cut] + bytes(4096))
    report = check(tmp_path)
    assert report.findings == []
    assert len(report.notes) == 1
    assert "a writer left that died" in report.notes[0]
    assert report.counts["entries"] == 2


async def test_old_lines_behind_the_end_are_no_damage_and_accuse_nobody(tmp_path: Path) -> None:
    await fill(tmp_path, 3)
    whole = segment(tmp_path).read_bytes()
    last = read_line(whole[whole.rfind(b"\n", 0, -1) + 1 :])
    for number in (last.number + 1, last.number + 2, last.number):
        stale, _ = write_line(
            number, '["put",["k"],9,"z"]', synced=6, version=9, written_at=0, previous="0" * 32
        )
        segment(tmp_path).write_bytes(whole + stale)
        report = check(tmp_path)
        assert report.findings == []
        assert len(report.notes) == 1
        assert report.counts["entries"] == 3


async def test_a_torn_group_is_no_damage_though_its_last_line_is_whole(tmp_path: Path) -> None:
    await fill(tmp_path, 3)
    drop_index(tmp_path)
    lines = segment(tmp_path).read_bytes().splitlines(keepends=True)
    # The last two were written together: neither says that the other was on the disk.
    group = [read_line(each) for each in lines[-2:]]
    first, digest = relined(group[0], synced=3, previous=group[0].previous)
    second, _ = relined(group[1], synced=3, previous=digest)
    torn = first[:60] + bytes(40) + first[100:]
    segment(tmp_path).write_bytes(b"".join(lines[:-2]) + torn + second)
    report = check(tmp_path)
    assert report.findings == []
    assert len(report.notes) == 1
    # With the right bytes known, it is another matter.
    healable = first[:60] + b"?" + first[61:]
    segment(tmp_path).write_bytes(b"".join(lines[:-2]) + healable + second)
    assert remedies(check(tmp_path)) == ["healed"]


def relined(line: Line, *, synced: int, previous: str) -> tuple[bytes, str]:
    text = line.data.decode()
    return write_line(
        line.number,
        text[text.index('"o":[') + 5 : -len('],"c":"01234567"}\n')],
        synced=synced,
        version=line.version,
        written_at=line.written_at,
        previous=previous,
    )


async def test_only_the_last_segment_is_read_under_the_lock_of_the_writers(
    tmp_path: Path, small_segments: None
) -> None:
    await fill_mixed(tmp_path, 20)
    disk = NotingDisk()
    verify(tmp_path, now=NOW, disk=disk)
    begin, end = disk.calls.index("lock"), disk.calls.index("unlock")
    last = journal_files(tmp_path)[-1].name
    assert [call for call in disk.calls[begin:end] if ".jsonl" in call] == [last]
    assert disk.calls.count("lock") == disk.calls.count("unlock") == 1


class NotingDisk(LookingDisk):
    def __init__(self) -> None:
        self.calls: list[str] = []

    def open(self, path: Path, *, create: bool = False, exclusive: bool = False) -> int:
        handle = super().open(path, create=create, exclusive=exclusive)
        self.calls.append("open the lock" if path.name == "lock" else path.name)
        return handle

    def lock(self, handle: int) -> None:
        self.calls.append("lock")
        super().lock(handle)

    def unlock(self, handle: int) -> None:
        self.calls.append("unlock")
        super().unlock(handle)


@pytest.mark.parametrize("spoil", ["garbage", "content", "value", "entry", "place", "foreign"])
async def test_an_index_that_is_wrong_is_found_and_can_be_made_anew(
    tmp_path: Path, spoil: str
) -> None:
    store, other = tmp_path / "store", tmp_path / "other"
    await fill(store, 300)
    await fill_mixed(other, 250)
    index = store / "index.db"
    assert check(store).is_clean
    statements = {
        "content": "DELETE FROM records WHERE id = 7",
        "value": "UPDATE records SET value = x'00' WHERE id = 7",
        "entry": "UPDATE entries SET value = x'00' WHERE number = 7",
        "place": "UPDATE applied SET hash = '00'",
    }
    if spoil in statements:
        with sqlite3.connect(index) as connection:
            connection.execute(statements[spoil])
        connection.close()
    elif spoil == "foreign":
        index.write_bytes((other / "index.db").read_bytes())
    else:
        index.write_bytes(b"no database" * 1000)
    report = check(store)
    assert [(each.file, each.remedy) for each in report.findings] == [("index.db", "remade")]
    assert check(store, thorough=False).is_clean
    left = mend(store).left
    assert left is not None
    assert left.is_clean
    assert not index.exists()


async def test_records_that_have_expired_need_not_be_in_the_index(tmp_path: Path) -> None:
    clock = ManualClock()
    async with store_at(tmp_path, clock=clock) as store:
        for number in range(600):
            expires = clock.now_ms() + 10 if number % 2 else None
            await store.put(("k", str(number)), b"", expected=ANY, expires_at=expires)
        clock.advance(1)
    with sqlite3.connect(tmp_path / "index.db") as connection:
        (count,) = connection.execute("SELECT count(*) FROM records").fetchone()
    connection.close()
    assert count == 300
    assert verify(tmp_path, now=clock.now_ms()).is_clean


async def test_a_journal_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    await fill(tmp_path, 1)
    rewrite_lines(
        segment(tmp_path),
        lambda lines: rechain([altered(lines[0], '"format":2', '"format":9')[0], *lines[1:]], 1),
    )
    with pytest.raises(StorageTooNew):
        check(tmp_path)


async def test_files_that_nothing_refers_to_are_told(tmp_path: Path) -> None:
    await fill(tmp_path, 3)
    journal = tmp_path / "journal"
    (journal / "00000001.jsonl.zst").write_bytes(protect(compress(segment(tmp_path).read_bytes())))
    report = check(tmp_path)
    assert report.is_clean
    assert "00000001.jsonl.zst" in report.notes[0]
