"""What an erasure is to the journal: a line, a format, less to keep, and something to repair."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from holdfast.errors import StorageTooNew
from holdfast.storage.files import FilesStore, core, cursor, journal, view
from holdfast.storage.files.cursor import Position
from holdfast.storage.files.index import open_index
from holdfast.storage.files.tail import Changes, Erased, Extended, Generation
from holdfast.storage.files.upkeep.backup import backup
from holdfast.storage.files.upkeep.compaction import compact
from holdfast.storage.seam import ABSENT, Conflict, Entry
from holdfast.testing.clock import ManualClock
from tests.storage.files_damage import (
    altered,
    change,
    check,
    journal_files,
    mend,
    overwrite,
    rewrite_lines,
)
from tests.storage.files_help import LOG, drop_index, lines_of, segment, store_at
from tests.storage.files_merging import Clone


async def write_and_erase(path: Path, count: int = 2) -> None:
    async with store_at(path) as store:
        await store.append(LOG, [b"secret %d" % number for number in range(count)])
        assert await store.erase(LOG, expected=count) is None


async def require_erased(path: Path, last: int) -> None:
    """Check that the log is empty and goes on behind a number."""
    async with store_at(path) as store:
        assert list(await store.read(LOG)) == []
        assert list(await store.logs(())) == []
        assert await store.append(LOG, [b"late"], expected=last) == Conflict(0)
        assert await store.append(LOG, [b"next"], expected=ABSENT) == last + 1
        assert list(await store.read(LOG)) == [Entry(last + 1, b"next")]


async def test_an_erasure_is_one_operation_of_a_line(tmp_path: Path) -> None:
    await write_and_erase(tmp_path)
    assert [line["o"] for line in lines_of(tmp_path)][-1] == [["erase", ["log"], 2]]


async def test_to_erase_what_is_empty_writes_nothing(tmp_path: Path) -> None:
    await write_and_erase(tmp_path)
    before = segment(tmp_path).read_bytes()
    async with store_at(tmp_path) as store:
        assert await store.erase(LOG, expected=ABSENT) is None
        assert await store.erase(("never",), expected=ABSENT) is None
    assert segment(tmp_path).read_bytes() == before


@pytest.mark.parametrize("has_index", [True, False])
async def test_whoever_opens_the_store_anew_finds_the_log_erased(
    tmp_path: Path, has_index: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "FREEZE_CHANGES", 2)
    await write_and_erase(tmp_path)
    if not has_index:
        drop_index(tmp_path)
    await require_erased(tmp_path, 2)


@pytest.fixture
async def old_store(tmp_path: Path) -> Path:
    """Make a store whose journal has format 1."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "FORMAT", 1)
        async with store_at(tmp_path) as store:
            await store.append(LOG, [b"a", b"b"])
    assert lines_of(tmp_path)[0]["o"] == [["segment", {"format": 1}]]
    return tmp_path


async def test_a_store_of_format_1_stays_one_until_something_is_erased(old_store: Path) -> None:
    async with store_at(old_store) as store:
        assert await store.append(LOG, [b"c"], expected=2) == 3
    assert [each.name for each in journal_files(old_store)] == ["00000001.jsonl"]
    async with store_at(old_store) as store:
        assert await store.erase(LOG, expected=3) is None
        assert list(await store.read(LOG)) == []
    assert lines_of(old_store)[-1]["o"] == [["seal"]]
    header, erasure = (line["o"] for line in lines_of(old_store, 2))
    assert (header, erasure) == ([["segment", {"format": 2}]], [["erase", ["log"], 3]])
    assert check(old_store).is_clean
    await require_erased(old_store, 3)


@pytest.mark.promise("newer-store-refused")
async def test_an_older_holdfast_refuses_a_store_that_something_was_erased_in(
    old_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with store_at(old_store) as store:
        await store.erase(LOG, expected=2)
    monkeypatch.setattr(cursor, "FORMAT", 1)
    drop_index(old_store)
    with pytest.raises(StorageTooNew, match="it has format 2, and this one knows 1"):
        async with store_at(old_store):
            pass


async def test_a_process_of_an_older_holdfast_that_has_the_store_open_refuses_to_go_on(
    old_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with store_at(old_store) as older:
        async with store_at(old_store) as newer:
            await newer.erase(LOG, expected=2)
        monkeypatch.setattr(cursor, "FORMAT", 1)
        with pytest.raises(StorageTooNew):
            await older.read(LOG)


async def test_many_handles_of_an_old_store_erase_at_once(old_store: Path) -> None:
    async with store_at(old_store) as one, store_at(old_store) as other:
        for number in range(20):
            await one.append(("l", f"{number}"), [b"x"])
        erased = await asyncio.gather(
            *(
                (one, other)[number % 2].erase(("l", f"{number}"), expected=1)
                for number in range(20)
            )
        )
        assert erased == [None] * 20
        assert list(await one.logs(())) == list(await other.logs(())) == [LOG]
    assert check(old_store).is_clean


@pytest.mark.parametrize("has_index", [True, False])
async def test_compaction_drops_what_was_erased_and_keeps_the_number(
    tmp_path: Path, has_index: bool
) -> None:
    await write_and_erase(tmp_path, 2000)
    if not has_index:
        drop_index(tmp_path)
    before = sum(each.stat().st_size for each in journal_files(tmp_path))
    compact(tmp_path, clock=ManualClock())
    assert sum(each.stat().st_size for each in journal_files(tmp_path)) < 0.05 * before
    drop_index(tmp_path)
    assert check(tmp_path).is_clean
    counts = check(tmp_path).counts
    assert (counts["logs"], counts["entries"]) == (0, 0)
    await require_erased(tmp_path, 2000)
    compact(tmp_path, clock=ManualClock())
    drop_index(tmp_path)
    async with store_at(tmp_path) as store:
        assert list(await store.read(LOG)) == [Entry(2001, b"next")]
    assert check(tmp_path).is_clean


async def test_the_bytes_of_an_erased_log_leave_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "FREEZE_CHANGES", 2)
    await write_and_erase(tmp_path)
    compact(tmp_path, clock=ManualClock())
    assert not any(b"secret" in each.read_bytes() for each in journal_files(tmp_path))


async def test_a_backup_holds_no_erased_log(tmp_path: Path) -> None:
    store = tmp_path / "store"
    await write_and_erase(store)
    copied = backup(store, tmp_path / "backup", clock=ManualClock())
    assert copied.report.is_clean
    await require_erased(tmp_path / "backup", 2)


async def test_a_reader_who_meets_an_erasure_between_tail_and_index_sees_all_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core, "_WORTH_INDEXING", 1)

    class Overtaken(FilesStore):
        erases = False

        async def _read(self, request):
            if self.erases:
                async with store_at(tmp_path) as other:
                    assert await other.erase(LOG, expected=4) is None
            return await super()._read(request)

    async with store_at(tmp_path) as store:
        await store.append(LOG, [b"in the index"] * 2)
    async with Overtaken(tmp_path, clock=ManualClock(), ack="os") as store:
        await store.append(LOG, [b"in the tail"] * 2)
        assert len(await store.read(LOG)) == 4
        store.erases = True
        assert list(await store.read(LOG)) == []


async def _begun_again(path: Path, **options: str) -> None:
    async with store_at(path, **options) as store:
        await store.append(LOG, [b"a", b"b"])
        await store.erase(LOG, expected=2)
        for number in range(300):
            await store.append(LOG, [b"entry %d" % number])


async def test_an_erasure_that_was_damaged_is_put_together_again_from_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "FREEZE_CHANGES", 50)
    await _begun_again(tmp_path, ack="disk")
    whole = segment(tmp_path).read_bytes()
    change(
        segment(tmp_path),
        lambda data: overwrite(data, b'["erase",["log"]', b'["er\x00\x00e",["l?g"]'),
    )
    assert not check(tmp_path).is_clean
    repaired = mend(tmp_path)
    assert repaired.left is not None
    assert repaired.left.is_clean
    assert segment(tmp_path).read_bytes() == whole


async def test_an_erasure_whose_line_is_gone_is_taken_over_from_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "FREEZE_CHANGES", 50)
    await _begun_again(tmp_path, ack="disk")
    rewrite_lines(segment(tmp_path), lambda lines: [*lines[:2], *lines[3:]])
    repaired = mend(tmp_path)
    assert repaired.left is not None
    assert repaired.left.is_clean, repaired
    drop_index(tmp_path)
    async with store_at(tmp_path) as store:
        entries = await store.read(LOG)
    assert [entry.number for entry in entries] == list(range(3, 303))


async def test_an_index_that_was_erased_at_another_number_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "FREEZE_CHANGES", 50)
    await _begun_again(tmp_path)
    rewrite_lines(
        segment(tmp_path),
        lambda lines: [
            altered(each, '["erase",["log"],2]', '["erase",["log"],1]')[0]
            if b'"erase"' in each
            else each
            for each in lines
        ],
    )
    assert not check(tmp_path).is_clean


@pytest.mark.parametrize("turn", range(5))  # what is first by its hash is another each time
async def test_a_merge_that_made_an_erasure_void_is_believed_by_a_clone_that_has_it(
    tmp_path: Path, turn: int
) -> None:
    """Two of three clones met an entry that the eraser did not know; the third has the erasure."""
    one = Clone(tmp_path / "one")
    async with one.store() as store:
        await store.append(LOG, [b"a"])
        await store.append(("log", "turn"), [b"%d" % turn])
    other = one.copy_to(tmp_path / "other")
    async with one.store() as store:
        await store.erase(LOG, expected=1)
    third = one.copy_to(tmp_path / "third")
    async with other.store() as store:
        await store.append(LOG, [b"b"])
    async with third.store() as store:
        await store.append(("log", "third"), [b"c"])
    one.take(other)
    assert (await one.entries())[LOG] == [b"a", b"b"]
    again = third.copy_to(tmp_path / "again")
    third.take(one)
    one.take(again)
    for clone in (one, third):
        assert (await clone.entries())[LOG] == [b"a", b"b"]
    assert one.journal() == third.journal()


async def test_clones_of_a_store_of_format_1_settle_to_the_same_in_either_order(
    old_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("clones")
    one, other = Clone(old_store), Clone(old_store).copy_to(folder / "other")
    async with one.store() as store:
        await store.erase(LOG, expected=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "FORMAT", 1)
        async with other.store() as store:
            await store.append(("log", "other"), [b"x"])
    copied = one.copy_to(folder / "copied")
    one.take(other)
    other.take(copied)
    assert one.journal() == other.journal()
    assert one.is_clean()
    assert await one.entries() == {("log", "other"): [b"x"]}
    for number, lines in ((at, lines_of(one.path, at)) for at in range(1, len(one.journal()) + 1)):
        erases = any(each[0] == "erase" for line in lines for each in line["o"])
        assert lines[0]["o"][0][1]["format"] == 2 or not erases, number


def test_an_index_never_takes_entries_back_that_it_knows_to_be_erased(tmp_path: Path) -> None:
    """As when the lines behind a snapshot tell once more of what it is ahead of."""
    log = b"log\0"
    index = open_index(tmp_path / "index.db")
    ahead = Generation(Position(1))
    ahead.apply(Changes(1, [Erased(log, 5), Extended(log, 6, [b"x"])]))
    ahead.position = Position(1, 10, 1)
    again = Generation(ahead.position)
    again.apply(Changes(2, [Extended(log, 4, [b"old", b"old"])]))
    again.position = Position(1, 20, 2)
    try:
        index.apply(ahead, 0)
        index.apply(again, 0)
        assert index.log(log, 0, None) == ([(6, b"x")], 5)
        assert index.log_end(log) == 6
        assert index.entries(log, 0, None) == [(6, b"x")]
    finally:
        index.close()
