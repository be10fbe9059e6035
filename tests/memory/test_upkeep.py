"""Export, import, merges of clones, and repair: the history is the truth."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.errors import StorageCorrupt, StorageTooNew, UsageError
from holdfast.memory import State
from holdfast.memory.entry import decode_entry, encode_entry
from holdfast.memory.events import decode_event, encode_event
from holdfast.memory.keys import id_key, live_key, log_of
from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import ANY
from tests.memory.desk import Desk


async def filled(desk: Desk) -> list[str]:
    one = (await desk.write("one", key="k", by="ann")).entry
    await desk.memories.supersede(one.id, "two")
    gone = (await desk.write("gone")).entry
    await desk.memories.forget(gone.id, why="wrong")
    await desk.write({"a": 1}, within="agent:a")
    lines: list[str] = []
    assert await desk.memories.export(lines.append) == 4
    return lines


async def test_an_export_carries_everything_to_another_store(desk: Desk, tmp_path: Path) -> None:
    lines = await filled(desk)
    async with MemoryStore(clock=desk.clock) as store:
        other = Desk(store, desk.clock, tmp_path / "other")
        done = await other.memories.take(lines)
        assert (done.added, done.advanced, done.same, done.refused) == (4, 0, 0, [])
        again: list[str] = []
        await other.memories.export(again.append)
        assert again == lines
        assert await other.memories.list(states=list(State)) == await desk.memories.list(
            states=list(State)
        )
        assert await other.found("two") == ["two"]
        assert (await other.memories.take(lines)).same == 4
        await desk.memories.forget((await desk.memories.list(key="k"))[0].entry.id)
        lines.clear()
        await desk.memories.export(lines.append)
        done = await other.memories.take(lines)
        assert (done.advanced, done.same) == (1, 3)
        assert await other.values() == [{"a": 1}]
        assert (await other.memories.repair(dry_run=True)).mended == ()


async def test_an_entry_that_is_another_one_here_is_refused_and_named(desk: Desk) -> None:
    lines = await filled(desk)
    (entry,) = [each.entry for each in await desk.memories.list(key="k")]
    line = next(each for each in lines if f'"id": "{entry.id}"' in each)
    changed = line.replace('"two"', '"2"')
    assert changed != line
    done = await desk.memories.take([lines[0], changed])
    assert done.refused == [entry.id]
    assert await desk.values(key="k") == ["two"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is no JSON"),
        ("[]", "line 2 is no JSON object"),
        ('{"id": "x", "events": []}', "or none"),
        ('{"id": "x"}', "line 2 is no entry"),
        ('{"id": "x", "events": [{"event": "written"}]}', "line 2 is no entry"),
    ],
)
async def test_a_line_that_is_no_entry_is_told(desk: Desk, line: str, message: str) -> None:
    head = json.dumps({"format": "holdfast-memory", "version": 1})
    with pytest.raises(UsageError, match=message):
        await desk.memories.take([head, line])
    with pytest.raises(UsageError, match="line 1 does not say"):
        await desk.memories.take(['{"a": 1}'])
    with pytest.raises(StorageTooNew):
        await desk.memories.take([head.replace("1}", "2}")])


async def test_what_a_newer_version_wrote_is_refused(desk: Desk) -> None:
    entry = (await desk.write("x")).entry
    value = json.loads(encode_entry(entry))
    with pytest.raises(StorageTooNew, match="format 2"):
        decode_entry(json.dumps({**value, "format": 2}).encode())
    for broken in (b"{", b"[]", b'{"format": 1}', b"\xff"):
        with pytest.raises(StorageCorrupt):
            decode_entry(broken)
        with pytest.raises(StorageCorrupt):
            decode_event(broken)


@pytest.mark.parametrize("damage", ["record", "missing", "pointer", "subject", "changed"])
async def test_a_record_that_is_not_what_the_history_says_is_mended(
    desk: Desk, damage: str
) -> None:
    entry = (await desk.write("one", key="k")).entry
    await desk.write("second")
    assert (await desk.memories.repair()).mended == ()
    key = live_key(entry)
    if damage == "record":
        await desk.store.put(key, encode_entry(replace(entry, value="wrong")), expected=ANY)
    elif damage == "missing":
        await desk.store.delete(key, expected=ANY)
    elif damage == "pointer":
        await desk.store.delete(id_key(entry.id), expected=ANY)
    elif damage == "subject":
        await desk.store.delete(("memory-key", "project", "k", entry.name), expected=ANY)
    else:
        await desk.store.put(key, encode_entry(replace(entry, tail=7)), expected=ANY)
    planned = await desk.memories.repair(dry_run=True)
    assert len(planned.mended) == 1
    assert entry.id in planned.mended[0]
    assert (await desk.memories.repair()).mended == planned.mended
    assert (await desk.memories.repair()).mended == ()
    assert (await desk.memories.get(entry.id)).entry == entry
    assert await desk.values(key="k") == ["one"]
    assert (await desk.write("two", key="k")).contradicts == (entry,)
    assert len(await desk.found("one second", limit=10)) == 2


async def test_logs_that_were_merged_from_two_clones_are_settled(desk: Desk) -> None:
    entry = (await desk.write("one", key="k")).entry
    await desk.memories.write_files()
    desk.edit(entry, "one", "here")
    await desk.memories.take_in()
    here = await desk.memories.history(entry.id)
    # In the other clone somebody edited it a little later; a union of the logs has both.
    there = replace(here[-1], at=here[-1].at + 5)
    there = replace(there, entry=replace(there.entry, value="there", updated_at=there.at))
    await desk.store.append(log_of(entry.id), [encode_event(there)])
    desk.clock.advance(60)
    assert len((await desk.memories.repair()).mended) == 1
    assert await desk.values() == ["there"]
    assert [each.entry.value for each in await desk.memories.history(entry.id)] == [
        "one",
        "here",
        "there",
    ]
    await desk.memories.supersede(entry.id, "settled")
    assert await desk.values() == ["settled"]
    ended = await desk.memories.history(entry.id)
    later = replace(there, at=ended[-1].at + 5)
    await desk.store.append(log_of(entry.id), [encode_event(later)])
    await desk.memories.repair()
    assert await desk.values() == ["settled"]


async def test_a_merge_of_the_store_is_settled_once_when_the_memory_is_opened(
    desk: Desk,
) -> None:
    entry = (await desk.write("one", key="k")).entry
    (event,) = await desk.memories.history(entry.id)
    again = replace(event, at=event.at + 5, entry=replace(entry, value="two"))
    await desk.store.append(log_of(entry.id), [encode_event(again)])
    await desk.store.append(("merged", "abc"), [b"{}"])
    async with desk.open() as memories:
        assert [each.entry.value for each in await memories.list()] == ["two"]
    await desk.store.put(live_key(entry), encode_entry(entry), expected=ANY)
    async with desk.open() as memories:
        assert [each.entry.value for each in await memories.list()] == ["one"]


async def test_an_entry_whose_history_is_gone_begins_anew(desk: Desk) -> None:
    entry = (await desk.write("one", key="k")).entry
    lost = replace(entry, id="f" * 32, name="k." + "f" * 32)
    await desk.store.put(live_key(lost), encode_entry(lost), expected=ANY)
    await desk.store.put(id_key("e" * 32), b'["project", "x"]', expected=ANY)
    mended = await desk.memories.repair()
    assert len(mended.mended) == 1
    assert "begins anew" in mended.mended[0]
    assert len(mended.lost) == 1
    assert (await desk.memories.get("f" * 32)).entry.value == "one"
    assert len(await desk.memories.history("f" * 32)) == 1
    assert (await desk.memories.repair()).mended == ()
