"""Records and indexes are made anew from the logs."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from holdfast.errors import StorageCorrupt, TaskConflict
from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import ANY, Store
from holdfast.tasks import Limits, NewTask, Tasks
from holdfast.tasks.events import Completed, Noted, encode_event
from holdfast.tasks.fold import Fold, replay
from holdfast.tasks.keys import task_log
from holdfast.tasks.snapshots import decode_snapshot, encode_snapshot
from holdfast.testing.clock import ManualClock
from holdfast.testing.stores import Crashed, CrashingStore, UnbatchedStore

pytestmark = pytest.mark.anyio

DERIVED = (
    "task", "task-by-time", "task-ready", "task-open", "task-free", "task-session", "task-child",
    "task-dependent", "task-expiry",
)  # fmt: skip


@pytest.fixture
async def store(clock: ManualClock) -> Store:
    store = MemoryStore(clock=clock)
    await store.__aenter__()
    return store


async def dump(store: Store) -> dict[tuple[str, ...], tuple[bytes, int | None]]:
    return {
        record.key: (record.value, record.expires_at)
        for prefix in (*DERIVED, "task-quota")
        for record in await store.scan((prefix,), limit=1000)
    }


async def fill(tasks: Tasks) -> list[str]:
    a = await tasks.create(NewTask(name="a", session="s", ttl_ms=50_000))
    b = await tasks.create(NewTask(name="b", blocked_by=[a.id], parent=a.id))
    c = await tasks.create(NewTask(name="c", relates=[b.id]))
    held = await tasks.claim(c.id)
    await tasks.release(c.id, held.fence)
    d = await tasks.create(NewTask(name="d", blocked_by=[c.id]))
    await tasks.complete(c.id, "x")
    return [a.id, b.id, c.id, d.id]


@pytest.mark.promise("task-replay-exact")
async def test_all_that_is_derived_comes_back_as_it_was(tasks: Tasks, store: Store) -> None:
    await fill(tasks)
    before = await dump(store)
    for key in before:
        await store.delete(key, expected=ANY)
    looked = await tasks.repair(dry_run=True)
    assert (looked.tasks, len(looked.rewritten), await dump(store)) == (4, 4, {})
    repaired = await tasks.repair()
    assert (repaired.tasks, repaired.damaged, repaired.is_clean) == (4, {}, False)
    assert await dump(store) == before
    assert (await tasks.repair()).is_clean


async def test_any_derived_record_that_is_lost_spoiled_or_left_over_is_mended(
    tasks: Tasks, store: Store
) -> None:
    await fill(tasks)
    before = await dump(store)
    dice = random.Random(3)
    for key in before:
        await store.put(key, b"[9]" if dice.random() < 0.5 else b"not json", expected=ANY)
        if dice.random() < 0.3:
            await store.delete(key, expected=ANY)
        stray = (*key[:-1], "f" * 32)
        await store.put(stray, b"{}", expected=ANY)
        assert not (await tasks.repair()).is_clean
        assert await dump(store) == before, key


async def test_a_record_that_is_ahead_of_its_log_is_told_and_mended(
    tasks: Tasks, store: Store
) -> None:
    """A damaged store may lose the end of a log: nobody may wait for it for ever."""
    a = await tasks.create(NewTask(name="a"))
    await tasks.start(a.id)
    record = await store.get(("task", "local", a.id))
    assert record is not None
    ahead = replace(decode_snapshot(record.value), tail=7)
    await store.put(record.key, encode_snapshot(ahead), expected=record.version)
    async with asyncio.timeout(5):
        with pytest.raises(StorageCorrupt, match="ends at entry 2, and its record tells of 7"):
            await tasks.note(a.id, "x")
    assert (await tasks.repair()).rewritten == [a.id]
    await tasks.note(a.id, "x")
    assert (await tasks.repair()).is_clean


async def test_a_record_without_a_log_is_in_nobodys_way(tasks: Tasks, store: Store) -> None:
    a = await tasks.create(NewTask(name="a"))
    record = await store.get(("task", "local", a.id))
    assert record is not None
    stray = "f" * 32
    await store.put(("task", "local", stray), record.value, expected=0)
    async with asyncio.timeout(5):
        with pytest.raises(TaskConflict, match="is taken"):
            await tasks.create(NewTask(name="b", id=stray))
    assert (await tasks.repair()).strays == [("task", "local", stray)]
    await tasks.create(NewTask(name="b", id=stray))


async def test_a_clean_store_is_left_as_it_is(tasks: Tasks, store: Store) -> None:
    await fill(tasks)
    versions = {key: (await store.get(key)).version for key in await dump(store)}  # type: ignore[union-attr]
    assert (await tasks.repair()).is_clean
    assert versions == {key: (await store.get(key)).version for key in versions}  # type: ignore[union-attr]


@pytest.mark.parametrize("torn", [False, True])
async def test_a_crash_anywhere_on_a_store_that_cannot_batch_is_mended(torn: bool) -> None:
    after = 0
    while True:
        clock = ManualClock()
        async with MemoryStore(clock=clock) as inner:
            crashing = CrashingStore(UnbatchedStore(inner), after=after, torn=torn)
            crashed = False
            try:
                await fill(Tasks(crashing, clock=clock))
            except Crashed:
                crashed = True
            tasks = Tasks(inner, clock=clock)
            repaired = await tasks.repair()
            assert (repaired.damaged, repaired.altered) == ({}, {})
            looked = await tasks.repair(dry_run=True)
            assert looked.is_clean, (after, looked)
            await fill(tasks)
            if not crashed:
                return
        after += 1


async def test_a_wrong_count_is_mended(store: Store, clock: ManualClock) -> None:
    tasks = Tasks(store, clock=clock, limits=Limits(live=9))
    await tasks.create(NewTask(name="a"))
    before = await dump(store)
    await store.put(("task-quota", "local"), b"[1,5,0,0,0]", expected=ANY)
    assert (await tasks.repair()).quotas == ["local"]
    after = await dump(store)
    after.pop(("task-quota", "local"))
    before.pop(("task-quota", "local"))
    assert after == before


async def test_damage_is_told_and_left_alone(tasks: Tasks, store: Store) -> None:
    ids = await fill(tasks)
    await store.append(task_log(ids[0]), [b"nonsense"])
    await store.append(task_log(ids[1]), [b'{"event":"from_the_future","prev":"x","at":1}'])
    repaired = await tasks.repair()
    assert set(repaired.damaged) == {ids[0], ids[1]}
    assert "does not know" in repaired.damaged[ids[1]]
    assert repaired.rewritten == []


async def test_an_altered_log_is_told(tasks: Tasks, store: Store) -> None:
    task = await tasks.create(NewTask(name="a"))
    await store.append(task_log(task.id), [encode_event(Noted(at=1, text="forged"), "0" * 32)])
    assert (await tasks.repair()).altered == {task.id: [2]}


async def test_two_logs_that_were_merged_are_folded_and_told(
    tasks: Tasks, store: Store, clock: ManualClock
) -> None:
    """What `holdfast merge` leaves: entries of two clones, records of one of them."""
    a = await tasks.create(NewTask(name="a"))
    b = await tasks.create(NewTask(name="b", blocked_by=[a.id]))
    await tasks.start(a.id)
    log = [entry.value for entry in await store.read(task_log(a.id))]
    fold = Fold(a.id)
    for data in log:
        fold.take(data)
    theirs = [
        encode_event(Noted(at=clock.now_ms(), text="theirs"), fold.prev),
    ]
    theirs.append(encode_event(Completed(at=clock.now_ms(), result="theirs"), fold.prev))
    await tasks.note(a.id, "ours")
    await store.append(task_log(a.id), theirs)
    done = await tasks.get(a.id)
    assert (done.result, done.notes) == ("theirs", 2)
    assert (await tasks.get(b.id)).blockers == 1
    repaired = await tasks.repair()
    assert repaired.released == [b.id]
    assert repaired.altered == {}
    assert [each.id for each in await tasks.ready()] == [b.id]
    assert (await tasks.repair()).is_clean


async def test_entries_of_the_other_clone_may_stand_before_those_that_a_record_knows(
    tasks: Tasks, store: Store, clock: ManualClock
) -> None:
    """A merge sorts by time: the place in the log that a record names is another entry now."""
    a = await tasks.create(NewTask(name="a"))
    b = await tasks.create(NewTask(name="b", blocked_by=[a.id]))
    await tasks.start(a.id)
    shared = [entry.value for entry in await store.read(task_log(a.id))]
    theirs = Fold(a.id)
    for data in shared:
        theirs.take(data)
    other = [encode_event(Noted(at=1, text="theirs"), theirs.prev)]
    theirs.take(other[0])
    other.append(encode_event(Completed(at=2, result="theirs"), theirs.prev))
    await tasks.note(a.id, "ours")
    await tasks.set_variables(a.id, {"x": "ours"})
    ours = [entry.value for entry in await store.read(task_log(a.id))][len(shared) :]
    async with MemoryStore(clock=clock) as merged:
        for key, (value, expires_at) in (await dump(store)).items():
            await merged.put(key, value, expected=0, expires_at=expires_at)
        await merged.append(task_log(a.id), [*shared, other[0], *ours, other[1]])
        for entry in await store.read(task_log(b.id)):
            await merged.append(task_log(b.id), [entry.value])
        await merged.put(("merged", "digest"), b"{}", expected=0)
        there = Tasks(merged, clock=clock)
        whole = replay(a.id, [*shared, other[0], *ours, other[1]]).task
        assert await there.get(a.id) == whole
        assert (whole.notes, whole.variables["x"].value, whole.result) == (2, "ours", "theirs")
        report = await there.settle_merges()
        assert report is not None
        assert (report.released, report.damaged, report.altered) == ([b.id], {}, {})
        assert await there.settle_merges() is None
        assert [each.id for each in await there.ready()] == [b.id]
        assert {each.state for each in (await there.list()).tasks} == {"completed", "pending"}
        assert (await there.repair()).is_clean


async def test_what_ended_in_both_clones_keeps_the_first_end_and_notes_the_other(
    tasks: Tasks, store: Store, clock: ManualClock
) -> None:
    a = await tasks.create(NewTask(name="a"))
    await tasks.start(a.id)
    log = [entry.value for entry in await store.read(task_log(a.id))]
    fold = Fold(a.id)
    for data in log:
        fold.take(data)
    theirs = encode_event(Completed(at=clock.now_ms(), result="theirs"), fold.prev)
    await tasks.fail(a.id, "ours")
    await store.append(task_log(a.id), [theirs])
    repaired = await tasks.repair()
    assert repaired.superseded == {a.id: (4,)}
    [*_, last] = await tasks.history(a.id)
    assert (last.event.kind, last.superseded[:12]) == ("completed", "a task canno")
    assert (await tasks.get(a.id)).error == {"message": "ours"}


async def test_a_circle_that_a_merge_closed_is_told(tasks: Tasks, store: Store) -> None:
    from holdfast.tasks.events import DependencyAdded

    a = await tasks.create(NewTask(name="a"))
    b = await tasks.create(NewTask(name="b", blocked_by=[a.id]))
    [entry] = await store.read(task_log(a.id))
    fold = Fold(a.id)
    fold.take(entry.value)
    closing = encode_event(DependencyAdded(at=1, relation="blocks", on=b.id), fold.prev)
    await store.append(task_log(a.id), [closing])
    repaired = await tasks.repair()
    [circle] = repaired.circles
    assert set(circle) == {a.id, b.id}
    assert circle[0] == circle[-1]
    await tasks.undepend(a.id, b.id)
    assert (await tasks.repair()).is_clean
