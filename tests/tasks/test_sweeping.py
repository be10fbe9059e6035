"""What is left of a task when its time is over and the sweeper has been there: nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from holdfast.errors import TaskNotFound
from holdfast.storage.files import FilesStore
from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import ABSENT, Conflict, Key, Listing, Store
from holdfast.storage.sqlite import SqliteStore
from holdfast.tasks import NewTask, Tasks, TaskState
from holdfast.tasks.keys import task_log
from holdfast.tasks.search import TaskSearch
from holdfast.testing.clock import ManualClock
from holdfast.testing.stores import Crashed, CrashingStore, FaultyStore, UnbatchedStore
from tests.tasks.test_expiry import left

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "files", "sqlite"])
async def store(
    request: pytest.FixtureRequest, clock: ManualClock, tmp_path: Path
) -> AsyncGenerator[Store]:
    """Give stores that can erase logs."""
    opened: dict[str, Store] = {
        "memory": MemoryStore(clock=clock),
        "files": FilesStore(tmp_path / "store", clock=clock, ack="os"),
        "sqlite": SqliteStore(tmp_path / "store.db", clock=clock, ack="os"),
    }
    async with opened[request.param] as store:
        yield store


async def logs_of_tasks(store: Store) -> list[Key]:
    assert isinstance(store, Listing)
    return [name for name in await store.logs(("task",), limit=1000) if len(name) == 2]


@pytest.mark.promise("expired-leaves-nothing")
async def test_the_sweeper_erases_the_history_of_what_has_expired_and_of_nothing_else(
    tasks: Tasks, clock: ManualClock, store: Store
) -> None:
    gone = await tasks.create(NewTask(name="x", ttl_ms=1000, session="s"))
    await tasks.note(gone.id, "a secret")
    lives = await tasks.create(NewTask(name="y", ttl_ms=5000))
    stays = await tasks.create(NewTask(name="z"))
    clock.advance(1)
    assert (await tasks.sweep()).removed == 1
    assert await store.read(task_log(gone.id)) == []
    assert sorted(await logs_of_tasks(store)) == sorted([task_log(lives.id), task_log(stays.id)])
    assert len(await tasks.history(lives.id)) == len(await tasks.history(stays.id)) == 1
    with pytest.raises(TaskNotFound):
        await tasks.history(gone.id)
    assert (await tasks.repair(dry_run=True)).is_clean


async def test_a_key_of_the_sweeper_that_names_a_living_task_removes_nothing(
    tasks: Tasks, clock: ManualClock, store: Store
) -> None:
    task = await tasks.create(NewTask(name="x", ttl_ms=5000))
    await store.put(
        ("task-expiry", f"{clock.now_ms():015d}", "local", task.id), b"", expected=ABSENT
    )
    clock.advance(1)
    await tasks.sweep()
    assert (await tasks.get(task.id)).name == "x"
    assert len(await tasks.history(task.id)) == 1
    assert (await tasks.repair(dry_run=True)).is_clean


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("batching", [True, False])
async def test_a_sweep_that_dies_anywhere_is_finished_by_the_next_one(
    clock: ManualClock, *, torn: bool, batching: bool
) -> None:
    after, died = 0, True
    while died:
        async with MemoryStore(clock=clock) as inner:
            tasks = Tasks(inner, clock=clock)
            for name in "ab":
                await tasks.create(NewTask(name=name, ttl_ms=1000))
            waits = await tasks.create(
                NewTask(name="c", blocked_by=[each.id for each in (await tasks.list()).tasks])
            )
            clock.advance(1)
            base = inner if batching else _ErasingOneByOne(inner)
            dying = CrashingStore(base, after=after, torn=torn)
            try:
                await Tasks(dying, clock=clock).sweep()
                died = False
            except* Crashed:
                pass
            assert (await tasks.get(waits.id)).name == "c"
            await Tasks(base, clock=clock).sweep()
            assert await logs_of_tasks(inner) == [task_log(waits.id)]
            assert {key[-1] for key in await left(inner) if key[0] != "task-dependent"} == {
                waits.id
            }
            if not batching:
                await tasks.repair()  # for the halves of what should have been one write
            assert [each.id for each in await tasks.ready()] == [waits.id]
        after += 1
    assert after > 4


class _ErasingOneByOne(UnbatchedStore):
    """The six verbs, and the ability to erase."""

    async def erase(self, log: Key, *, expected: int) -> Conflict | None:
        assert isinstance(self.inner, MemoryStore)
        return await self.inner.erase(log, expected=expected)


async def test_a_log_that_an_earlier_sweep_left_behind_is_erased_by_a_repair(
    tasks: Tasks, clock: ManualClock, store: Store
) -> None:
    gone = await tasks.create(NewTask(name="x", ttl_ms=1000))
    stays = await tasks.create(NewTask(name="y"))
    clock.advance(1)
    await Tasks(UnbatchedStore(store), clock=clock).sweep()
    assert len(await logs_of_tasks(store)) == 2
    report = await tasks.repair(dry_run=True)
    assert (report.erased, report.is_clean) == ([gone.id], False)
    assert len(await logs_of_tasks(store)) == 2
    assert (await tasks.repair()).erased == [gone.id]
    assert await logs_of_tasks(store) == [task_log(stays.id)]
    assert (await tasks.repair()).is_clean


async def test_what_a_sweep_has_yet_to_do_is_left_to_it_by_a_repair(
    tasks: Tasks, clock: ManualClock, store: Store
) -> None:
    await tasks.create(NewTask(name="x", ttl_ms=1000))
    clock.advance(1)
    assert (await tasks.repair()).erased == []
    assert (await tasks.sweep()).removed == 1
    assert await logs_of_tasks(store) == []


async def test_the_id_of_an_erased_task_may_be_used_again(
    tasks: Tasks, clock: ManualClock, store: Store
) -> None:
    first = await tasks.create(NewTask(name="x", ttl_ms=1000))
    await tasks.note(first.id, "old")
    clock.advance(1)
    await tasks.sweep()
    again = await tasks.create(NewTask(name="y", id=first.id))
    for number in range(3):
        await tasks.note(again.id, f"{number}")
    done = await tasks.complete(again.id, "z", begin=True)
    assert (done.name, done.state) == ("y", TaskState.COMPLETED)
    told = [each.event.kind for each in await tasks.history(again.id)]
    assert told == ["created", "noted", "noted", "noted", "started", "completed"]
    assert (await tasks.repair()).is_clean


async def test_a_change_that_meets_an_erased_task_finds_none(
    clock: ManualClock, tasks: Tasks, store: Store
) -> None:
    """A task that expires between being read and being written is not taken for a damaged one."""

    class SweptBeforeTheWrite(FaultyStore):
        async def _call(self, verb, action):
            if verb == "batch":
                clock.advance(2)
                await tasks.sweep()
            return await super()._call(verb, action)

    task = await tasks.create(NewTask(name="x", ttl_ms=1000))
    with pytest.raises(TaskNotFound):
        await Tasks(SweptBeforeTheWrite(store, {}), clock=clock).note(task.id, "late")
    assert await store.read(task_log(task.id)) == []


async def test_an_erased_task_is_found_by_no_search(
    tasks: Tasks, clock: ManualClock, store: Store, tmp_path: Path
) -> None:
    gone = await tasks.create(NewTask(name="needle one", ttl_ms=1000))
    stays = await tasks.create(NewTask(name="needle two"))
    async with TaskSearch(store, clock=clock, path=tmp_path / "a.db") as before:
        assert len(await before.find(gone.owner, "needle")) == 2
        clock.advance(1)
        await tasks.sweep()
        found = await before.find(gone.owner, "needle")
        assert [each.task.id for each in found] == [stays.id]
    async with TaskSearch(store, clock=clock, path=tmp_path / "b.db") as anew:
        assert [each.task.id for each in await anew.find(gone.owner, "needle")] == [stays.id]
