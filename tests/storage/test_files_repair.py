"""`repair` heals what can be healed, says what is lost, and never makes anything up."""

from __future__ import annotations

import asyncio
from pathlib import Path
from shutil import copytree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.errors import StorageUnavailable
from holdfast.storage.files import journal, view
from holdfast.storage.files.cursor import Cursor, Position
from holdfast.storage.files.disk import SystemDisk
from holdfast.storage.files.users import alone
from holdfast.storage.seam import ABSENT, ANY
from tests.storage.files_damage import (
    ERASED,
    State,
    all_bytes,
    change,
    check,
    compress_all,
    fill_mixed,
    is_part_of,
    journal_files,
    mend,
    overwrite,
    remedies,
    rewrite_lines,
    state_of,
    write_on,
)
from tests.storage.files_help import LOG, content, drop_index, fill, segment, store_at


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 1500)


def quarantined(path: Path) -> set[bytes]:
    return {each.read_bytes() for each in (path / "journal" / "quarantine").glob("*")}


Damage = list[tuple[int, int, int, int]]
_DAMAGE = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 10**6), st.integers(1, 300), st.integers(0, 255)),
    min_size=1,
    max_size=4,
)


@given(_DAMAGE, st.booleans(), st.booleans())
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_whatever_is_damaged_what_is_left_was_there_and_the_store_goes_on(
    tmp_path_factory: pytest.TempPathFactory,
    damage: Damage,
    has_index: bool,
    is_compressed: bool,
) -> None:
    path = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "SEGMENT_BYTES", 1500)
        if has_index:
            patch.setattr(view, "FREEZE_CHANGES", 3)
        asyncio.run(fill_mixed(path, 14))
        if is_compressed:
            compress_all(path, before=4)
        whole = asyncio.run(state_of(path))
        spoil(path, damage)
        repaired = mend(path)
        assert repaired.left is not None
        assert repaired.left.is_clean, repaired
        found = asyncio.run(state_of(path))
        assert_nothing_made_up(found, whole, path)
        is_torn = any("died" in note for note in repaired.found.notes)
        if not is_torn and not {"lost", "none"} & set(remedies(repaired.found)):
            assert found == whole, repaired
        asyncio.run(write_on(path))
        assert check(path).is_clean


def test_what_the_index_has_comes_back_also_where_a_checksum_behind_it_is_damaged(
    tmp_path: Path, small_segments: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checksum at the end is damage without a lost line: it must not take credit for the holes."""
    monkeypatch.setattr(view, "FREEZE_CHANGES", 3)
    asyncio.run(fill_mixed(tmp_path / "whole", 14))
    compress_all(tmp_path / "whole", before=5)
    whole = asyncio.run(state_of(tmp_path / "whole"))
    size = journal_files(tmp_path / "whole")[3].stat().st_size
    recovered = 0
    for place in range(80, size // 2, 60):
        path = tmp_path / str(place)
        copytree(tmp_path / "whole", path)
        spoil(path, [(3, place, 1, 1), (3, size - 8, 1, 2)])
        repaired = mend(path)
        if not {"lost", "none"} & set(remedies(repaired.found)):
            recovered += "recovered" in remedies(repaired.found)
            assert asyncio.run(state_of(path)) == whole, repaired
    assert recovered >= 3


def spoil(path: Path, damage: Damage) -> None:
    """Overwrite bytes: with one value, or each by another one."""
    for number, place, length, value in damage:
        files = journal_files(path)
        data = bytearray(files[number % len(files)].read_bytes())
        end = len(data.rstrip(b"\0"))
        for at in range(place % end, min(place % end + length, end)):
            data[at] = value if value % 2 else data[at] ^ value
        files[number % len(files)].write_bytes(data)


def assert_nothing_made_up(found: State, whole: State, path: Path) -> None:
    """Check that all that is there is as it was at the end, or as it was at some time before."""
    for name, entries in found.logs.items():
        # What was erased may show again where the line that says so is lost.
        given = {number: f"turn {number - 1}".encode() for number in entries}
        assert entries.items() <= (given if name == ERASED else whole.logs[name]).items()
    for key, (value, *_rest) in found.records.items():
        number = key[1].removeprefix("é").encode()
        # An older value may show again where the later write of the key is lost.
        assert value == b"again" or value.startswith(b"value " + number), path


@pytest.fixture
async def indexed(tmp_path: Path) -> tuple[dict[str, bytes], list[bytes]]:
    """Make a store with an index that reaches to its end."""
    await fill(tmp_path, 300, ack="disk")
    return await content(tmp_path)


async def test_a_burst_in_a_value_is_rebuilt_from_the_index_and_proven(
    tmp_path: Path, indexed: tuple[dict[str, bytes], list[bytes]]
) -> None:
    whole = segment(tmp_path).read_bytes()
    change(segment(tmp_path), lambda data: overwrite(data, b"value 200", b"???????"))
    change(segment(tmp_path), lambda data: overwrite(data, b"entry 100", bytes(7)))
    repaired = mend(tmp_path)
    assert remedies(repaired.found) == ["rebuilt", "rebuilt"]
    assert segment(tmp_path).read_bytes() == whole
    assert await content(tmp_path) == indexed


async def test_lines_that_are_wiped_out_are_taken_over_from_the_index(
    tmp_path: Path, indexed: tuple[dict[str, bytes], list[bytes]]
) -> None:
    def wipe(data: bytearray) -> None:
        at = data.index(b"value 200")
        data[at - 400 : at + 400] = bytes(800)

    change(segment(tmp_path), wipe)
    repaired = mend(tmp_path)
    assert remedies(repaired.found) == ["recovered"]
    assert not (tmp_path / "index.db").exists()
    assert await content(tmp_path) == indexed
    report = check(tmp_path)
    assert report.is_clean
    assert "given up by an earlier repair" in report.notes[0]
    async with store_at(tmp_path) as store:
        record = await store.get(("k", "200"))
        assert record is not None
        assert record.version == 201
        assert await store.append(LOG, [b"next"]) == 301


@pytest.mark.parametrize("is_alone", [True, False])
async def test_a_record_that_a_wiped_line_had_deleted_does_not_come_back(
    tmp_path: Path, is_alone: bool
) -> None:
    await fill(tmp_path, 150)
    async with store_at(tmp_path, ack="disk") as store:
        version = await store.put(("k", "7"), b"seven", expected=ANY)
        assert isinstance(version, int)
        assert await store.delete(("k", "7"), expected=version) is None
    await fill(tmp_path, 0)
    async with store_at(tmp_path, ack="disk") as store:
        for number in range(260):
            await store.put(("k", f"later {number}"), b"", expected=ABSENT)
    before = await content(tmp_path)

    def wipe(lines: list[bytes]) -> list[bytes]:
        at = next(at for at, each in enumerate(lines) if b'["delete"' in each)
        return [*lines[:at], b"x" * (len(lines[at]) - 1) + b"\n", *lines[at + 1 :]]

    rewrite_lines(segment(tmp_path), wipe)
    if not is_alone:
        # What is rebuilt behind it takes nothing away from it.
        change(segment(tmp_path), lambda data: overwrite(data, b"later 100", b"?????????"))
    expected = ["recovered"] if is_alone else ["recovered", "rebuilt"]
    assert remedies(mend(tmp_path).found) == expected
    assert await content(tmp_path) == before


async def test_a_line_out_of_a_group_is_told_from_its_neighbours(tmp_path: Path) -> None:
    async with store_at(tmp_path, ack="disk") as store:
        for turn in range(3):
            keys = [("k", str(turn), str(number)) for number in range(300)]
            await asyncio.gather(*(store.put(key, b"v" * 900, expected=ABSENT) for key in keys))
    drop_index(tmp_path)
    before = await state_of(tmp_path)
    assert (tmp_path / "index.db").exists()

    def wipe(lines: list[bytes]) -> list[bytes]:
        at = next(at for at, each in enumerate(lines) if b'"1","5"' in each)
        assert len(lines[at]) > 50_000
        return [*lines[:at], b"?" * (len(lines[at]) - 1) + b"\n", *lines[at + 1 :]]

    rewrite_lines(segment(tmp_path), wipe)
    assert remedies(mend(tmp_path).found) == ["recovered"]
    assert await state_of(tmp_path) == before


async def test_without_an_index_the_loss_is_noted_and_the_bytes_are_kept(tmp_path: Path) -> None:
    await fill(tmp_path, 5, ack="disk")
    lines = segment(tmp_path).read_bytes().splitlines(keepends=True)
    spoilt = b"?" * len(lines[4])
    rewrite_lines(segment(tmp_path), lambda each: [*each[:4], spoilt, *each[5:]])
    repaired = mend(tmp_path)
    assert remedies(repaired.found) == ["lost"]
    assert quarantined(tmp_path) == {spoilt}
    report = check(tmp_path)
    assert report.is_clean
    (note,) = report.notes
    (name,) = (each.name for each in (tmp_path / "journal" / "quarantine").iterdir())
    assert "line 5 was given up" in note
    assert name in note
    async with store_at(tmp_path) as store:
        entries = await store.read(LOG)
        assert [entry.number for entry in entries] == [1, 3, 4, 5]
        assert await store.append(LOG, [b"next"]) == 6
    assert mend(tmp_path).actions == []


async def test_versions_grow_on_behind_a_lost_end(tmp_path: Path) -> None:
    async with store_at(tmp_path, ack="disk") as store:
        for number in range(20):
            version = await store.put(("k",), b"%d" % number, expected=ANY)
    assert isinstance(version, int)
    lines = segment(tmp_path).read_bytes().splitlines(keepends=True)
    data = b"".join(lines[:-3]) + b"".join(b"?" * (len(each) - 1) + b"\n" for each in lines[-3:])
    segment(tmp_path).write_bytes(data)
    assert remedies(mend(tmp_path).found) == ["lost"]
    async with store_at(tmp_path) as store:
        later = await store.put(("k",), b"later", expected=ANY)
    assert isinstance(later, int)
    assert later > version


async def test_the_last_line_is_healed_though_nothing_proves_that_it_was_complete(
    tmp_path: Path,
) -> None:
    await fill(tmp_path, 3)
    drop_index(tmp_path)
    whole = segment(tmp_path).read_bytes()
    for spoilt in (
        whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:],
        whole[:-90] + b"\0" + whole[-89:],
        whole[:-1],
        whole[:-1] + b"\0",
    ):
        segment(tmp_path).write_bytes(spoilt)
        assert remedies(mend(tmp_path).found) == ["healed"]
        assert segment(tmp_path).read_bytes() == whole


@pytest.mark.parametrize("number", [1, 2, 3])
async def test_a_segment_that_is_gone_is_taken_over_from_the_index(
    tmp_path: Path, small_segments: None, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(view, "FREEZE_CHANGES", 5)
    await fill_mixed(tmp_path, 30)
    before = await state_of(tmp_path)
    next(each for each in journal_files(tmp_path) if int(each.name[:8]) == number).unlink()
    repaired = mend(tmp_path)
    assert remedies(repaired.found) == ["recovered"]
    assert await state_of(tmp_path) == before
    await write_on(tmp_path)
    assert check(tmp_path).is_clean


@pytest.mark.parametrize("has_index", [True, False])
async def test_a_compressed_segment_beyond_healing_keeps_what_can_be_read(
    tmp_path: Path, small_segments: None, monkeypatch: pytest.MonkeyPatch, has_index: bool
) -> None:
    monkeypatch.setattr(view, "FREEZE_CHANGES", 5)
    await fill_mixed(tmp_path, 30)
    compress_all(tmp_path)
    before = await state_of(tmp_path)
    file = tmp_path / "journal" / "00000002.jsonl.zst"
    spoilt = bytearray(file.read_bytes())
    spoilt[300:350] = bytes(50)
    spoilt[-200:] = bytes(200)  # and the redundancy is gone as well
    file.write_bytes(spoilt)
    if not has_index:
        drop_index(tmp_path)
    repaired = mend(tmp_path)
    assert set(remedies(repaired.found)) == {"recovered" if has_index else "lost"}
    assert bytes(spoilt) in quarantined(tmp_path)
    assert repaired.left is not None
    assert repaired.left.is_clean
    after = await state_of(tmp_path)
    assert after == before if has_index else len(after.records) >= len(before.records) // 2
    await write_on(tmp_path)


async def test_the_end_of_one_segment_and_the_beginning_of_the_next_are_given_up_together(
    tmp_path: Path, small_segments: None
) -> None:
    await fill_mixed(tmp_path, 30)
    drop_index(tmp_path)

    def spoil_end(data: bytearray) -> None:
        end = len(data.rstrip(b"\0"))
        data[end - 300 :] = b"?" * (len(data) - end + 300)

    change(segment(tmp_path, 1), spoil_end)
    change(segment(tmp_path, 2), lambda data: data.__setitem__(slice(0, 200), b"?" * 200))
    repaired = mend(tmp_path)
    assert remedies(repaired.found) == ["lost", "lost"]
    assert repaired.left is not None
    assert repaired.left.is_clean
    # Who follows the journal line by line comes over it too.
    cursor = Cursor(SystemDisk(), tmp_path / "journal", Position(1))
    cursor.advance()
    cursor.close()
    assert cursor.position.segment == int(journal_files(tmp_path)[-1].name[:8])
    before = await state_of(tmp_path)
    await write_on(tmp_path)
    after = await state_of(tmp_path)
    assert is_part_of(before, after)
    assert len(after.records) == len(before.records) + 1


async def test_a_dry_run_changes_nothing_and_says_what_the_repair_does(
    tmp_path: Path, indexed: object
) -> None:
    change(segment(tmp_path), lambda data: overwrite(data, b"value 20", b"VALUE"))
    change(segment(tmp_path), lambda data: data.__setitem__(5000, 0))
    before = all_bytes(tmp_path)
    async with store_at(tmp_path):  # also while it is in use
        inside = all_bytes(tmp_path)
        planned = mend(tmp_path, dry_run=True)
        assert all_bytes(tmp_path).keys() == inside.keys()
    assert planned.left is None
    assert {k: v for k, v in before.items() if "jsonl" in k} == {
        k: v for k, v in all_bytes(tmp_path).items() if "jsonl" in k
    }
    done = mend(tmp_path)
    assert done.actions == planned.actions
    assert done.found.findings == planned.found.findings


async def test_a_store_that_somebody_has_open_is_not_repaired(tmp_path: Path) -> None:
    await fill(tmp_path, 3)
    before = segment(tmp_path).read_bytes()
    async with store_at(tmp_path) as store:
        with pytest.raises(StorageUnavailable, match="open in another process") as caught:
            mend(tmp_path)
        assert "repair" in caught.value.hint
        await store.append(LOG, [b"next"])
    assert segment(tmp_path).read_bytes().startswith(before)
    assert mend(tmp_path).actions == []


async def test_who_opens_a_store_during_a_repair_waits_for_its_end(tmp_path: Path) -> None:
    await fill(tmp_path, 1)
    opened = asyncio.Event()

    async def open_it() -> None:
        async with store_at(tmp_path):
            opened.set()

    with alone(tmp_path / "journal", store_at(tmp_path)._disk, "repair"):
        task = asyncio.create_task(open_it())
        for _ in range(20):
            await asyncio.sleep(0)
        assert not opened.is_set()
    await asyncio.wait_for(task, 10)
    assert opened.is_set()
