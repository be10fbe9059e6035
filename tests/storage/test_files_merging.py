"""Two clones of a store merge to one: nothing lost, and the same whoever merges."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.storage.files import journal
from holdfast.storage.files.lines import START, Line, read_line, write_line
from holdfast.storage.files.merging.joining import join
from holdfast.storage.seam import ABSENT, ANY, Append, Put
from tests.storage.files_merging import Clone

LOG = ("log",)


async def put(clone: Clone, key: str, value: bytes, **options: int) -> int:
    clone.clock.advance(0.001)
    async with clone.store() as store:
        version = await store.put(("k", key), value, expected=ANY, **options)
    assert isinstance(version, int)
    return version


async def add(clone: Clone, *entries: bytes) -> None:
    clone.clock.advance(0.001)
    async with clone.store() as store:
        await store.append(LOG, entries)


async def fork(tmp_path: Path) -> tuple[Clone, Clone]:
    """Return two clones with a common past."""
    one = Clone(tmp_path / "one")
    await put(one, "common", b"before")
    await add(one, b"first", b"second")
    other = one.copy_to(tmp_path / "other")
    other.clock.advance(1)
    one.clock.advance(1)
    return one, other


async def test_entries_of_both_clones_are_in_the_log_once_each(tmp_path: Path) -> None:
    one, other = await fork(tmp_path)
    await add(one, b"a1")
    await add(other, b"b1", b"b2")
    await add(one, b"a2")
    other_before = other.journal()
    one.take(other)
    assert other.journal() == other_before
    assert sorted((await one.entries())[LOG][2:]) == [b"a1", b"a2", b"b1", b"b2"]
    assert (await one.entries())[LOG][:2] == [b"first", b"second"]
    assert one.is_clean()


async def test_either_order_gives_the_same_bytes(tmp_path: Path) -> None:
    one, other = await fork(tmp_path)
    await put(one, "common", b"one")
    await put(other, "common", b"other")
    await add(other, b"b")
    third = one.copy_to(tmp_path / "third")
    one.take(other)
    other.take(third)
    assert one.journal() == other.journal()


async def test_merging_again_changes_nothing(tmp_path: Path) -> None:
    one, other = await fork(tmp_path)
    await put(one, "x", b"one")
    await put(other, "y", b"other")
    one.take(other)
    merged = one.journal()
    assert one.take(other).new_there == 0
    assert one.journal() == merged
    other.take(one)
    assert other.journal() == merged


async def test_the_later_write_of_a_record_wins_and_the_other_value_is_kept(tmp_path: Path) -> None:
    one, other = await fork(tmp_path)
    seen = [await put(one, "common", b"early")]
    other.clock.advance(5)
    seen.append(await put(other, "common", b"late"))
    one.take(other)
    value, version = (await one.records())["k", "common"]
    assert value == b"late"
    assert version > max(seen) - 1
    assert version > seen[0]
    assert await one.lost() == {("k", "common"): [b"early"]}
    assert await one.touched() == [("record", ("k", "common"))]


async def test_the_same_write_on_both_sides_loses_nothing(tmp_path: Path) -> None:
    one, other = await fork(tmp_path)
    await put(one, "common", b"same")
    await put(other, "common", b"same")
    one.take(other)
    assert await one.lost() == {}
    assert (await one.records())["k", "common"][0] == b"same"


async def test_a_record_that_one_side_deleted_and_the_other_changed_is_not_gone_for_good(
    tmp_path: Path,
) -> None:
    one, other = await fork(tmp_path)
    await put(one, "common", b"changed")
    other.clock.advance(5)
    async with other.store() as store:
        await store.delete(("k", "common"), expected=ANY)
    one.take(other)
    assert await one.records() == {}
    assert await one.lost() == {("k", "common"): [b"changed"]}


async def test_times_of_records_are_kept(tmp_path: Path) -> None:
    one, other = await fork(tmp_path)
    end = one.clock.now_ms() + 60_000
    await put(one, "x", b"expires", expires_at=end)
    await put(other, "x2", b"is due", due_at=5)
    other.take(one)
    async with other.store() as store:
        expiring, due = await store.get(("k", "x")), await store.get(("k", "x2"))
    assert expiring is not None
    assert expiring.expires_at == end
    assert due is not None
    assert due.due_at == 5
    other.clock.advance(100)
    assert ("k", "x") not in await other.records()


async def test_a_batch_stays_one(tmp_path: Path) -> None:
    one, other = await fork(tmp_path)
    await add(one, b"between")
    other.clock.advance(1)
    async with other.store() as store:
        await store.batch(
            [
                Put(key=("k", "b1"), value=b"1", expected=ABSENT),
                Append(log=LOG, entries=[b"2"]),
                Put(key=("k", "b3"), value=b"\xff3", expected=ABSENT),
            ]
        )
    one.take(other)
    together = [
        line for data in one.journal().values() for line in data.splitlines() if b'"b1"' in line
    ]
    assert len(together) == 1
    assert b'"b3"' in together[0]
    assert (await one.records())["k", "b3"][0] == b"\xff3"


async def test_a_clone_that_is_only_behind_takes_the_other_as_it_is(tmp_path: Path) -> None:
    one, other = await fork(tmp_path)
    await add(other, b"b")
    done = one.take(other)
    assert one.journal() == other.journal()
    assert done.new_there == 1


async def test_stores_that_have_nothing_in_common_merge_too(tmp_path: Path) -> None:
    one, other = Clone(tmp_path / "one"), Clone(tmp_path / "other")
    await add(one, b"a")
    await add(other, b"b")
    backup = one.copy_to(tmp_path / "backup")
    one.take(other)
    other.take(backup)
    assert one.journal() == other.journal()
    assert sorted((await one.entries())[LOG]) == [b"a", b"b"]
    assert one.is_clean()


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 1500)


async def test_clones_that_filled_several_segments_merge(
    tmp_path: Path, small_segments: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = await fork(tmp_path)
    for number in range(20):
        await add(one, b"a%d" % number)
        await put(one, "x", b"a%d" % number)
    for number in range(5):
        await add(other, b"b%d" % number)
    third = one.copy_to(tmp_path / "third")
    one.take(other)
    other.take(third)
    assert len(one.journal()) > 3
    assert one.journal() == other.journal()
    entries = (await one.entries())[LOG]
    assert len(entries) == len(set(entries)) == 27
    assert one.is_clean()


def written(operations: str, *, version: int, at: int, before: Line | None = None) -> Line:
    data, _ = write_line(
        before.number + 1 if before else 1,
        operations,
        synced=0,
        version=version,
        written_at=at,
        previous=before.hash if before else START,
    )
    return read_line(data)


def test_a_version_that_a_clone_has_seen_never_stands_for_another_value() -> None:
    header = written('["segment",{"format":1}]', version=0, at=0)
    # A repair may have left versions out.
    jumped = written('["put",["k"],50,"theirs"]', version=50, at=5, before=header)
    ours = written('["put",["x"],1,"ours"]', version=1, at=2, before=header)
    joined = join([header, ours], [header, jumped], longest=None)
    puts = [each for line in joined.lines for each in line.operations if each[0] == "put"]
    assert [each[1:3] for each in puts[:2]] == [[["x"], 1], [["k"], 50]]
    assert joined.lines[-1].version > 50


def test_what_a_clone_wrote_stays_behind_what_it_had_seen_whatever_its_clock_says() -> None:
    header = written('["segment",{"format":1}]', version=0, at=0)
    late = written('["append",["l"],1,["seen"]]', version=0, at=900, before=header)
    set_back = written('["append",["l"],2,["after"]]', version=0, at=100, before=late)
    other = written('["append",["l"],1,["other"]]', version=0, at=500, before=header)
    joined = join([header, late, set_back], [header, other], longest=None)
    appends = [each for line in joined.lines for each in line.operations if each[1] == ["l"]]
    assert [(each[2], *each[3]) for each in appends] == [(1, "other"), (2, "seen"), (3, "after")]
