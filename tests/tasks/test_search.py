"""Find tasks by their words: those of one owner, also those that ended, never those that expired."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import Store
from holdfast.tasks import Actor, Filter, NewTask, Tasks, TaskState
from holdfast.tasks.search import TaskSearch, index_of
from holdfast.testing.clock import ManualClock

pytestmark = pytest.mark.anyio


@pytest.fixture
async def search(store: Store, clock: ManualClock, tmp_path: Path) -> AsyncGenerator[TaskSearch]:
    async with TaskSearch(store, clock=clock, path=index_of(tmp_path)) as search:
        yield search


async def names(search: TaskSearch, text: str, wanted: Filter | None = None) -> list[str]:
    return [each.task.name for each in await search.find("local", text, wanted)]


async def test_a_task_is_found_by_everything_that_was_said_about_it(
    tasks: Tasks, search: TaskSearch
) -> None:
    task = await tasks.create(NewTask(name="mend the upload", description="It is flaky."))
    other = await tasks.create(NewTask(name="unrelated"))
    await tasks.note(task.id, "the proxy buffers")
    await tasks.start(task.id, "bisecting now")
    await tasks.require_input(task.id, "where", "which region?")
    await tasks.answer(task.id, "where", {"region": "Helgoland"})
    await tasks.complete(task.id, {"cause": ["a timeout of nginx"]})
    await tasks.fail(other.id, "the quota was exhausted")
    for words in (
        *("uploads", "flaky", "buffering", "bisect", "regions", "Helgoland", "nginx timeouts"),
    ):
        assert await names(search, words) == ["mend the upload"], words
    assert await names(search, "quotas exhausted") == ["unrelated"]
    assert await names(search, "nothing-like-it") == []


async def test_what_changed_is_found_as_it_is_now(tasks: Tasks, search: TaskSearch) -> None:
    task = await tasks.create(NewTask(name="one"))
    assert await names(search, "one") == ["one"]
    assert (await search.find("local", "one"))[0].task.state is TaskState.PENDING
    await tasks.start(task.id)
    found = await search.find("local", "one")
    assert [each.task.state for each in found] == [TaskState.WORKING]


async def test_filters_choose_among_what_was_found(
    tasks: Tasks, search: TaskSearch, clock: ManualClock
) -> None:
    first = await tasks.create(NewTask(name="kelp one", tags=["sea"], session="s1"))
    clock.advance(10)
    begin = clock.now_ms()
    second = await tasks.create(NewTask(name="kelp two", blocked_by=[first.id], priority=0))
    third = await tasks.create(NewTask(name="kelp three"))
    await tasks.cancel(third.id)
    for wanted, expected in (
        (Filter(tags=frozenset({"sea"})), {"kelp one"}),
        (Filter(session="s1"), {"kelp one"}),
        (Filter(priority=0), {"kelp two"}),
        (Filter(standing="blocked"), {"kelp two"}),
        (Filter(standing="ready"), {"kelp one"}),
        (Filter(states=frozenset({TaskState.CANCELLED})), {"kelp three"}),
        (Filter(created_from=begin), {"kelp two", "kelp three"}),
        (Filter(created_before=begin), {"kelp one"}),
    ):
        assert set(await names(search, "kelp", wanted)) == expected, wanted
    assert second.blockers == 1


async def test_a_filter_that_the_index_does_not_know_still_fills_the_page(
    tasks: Tasks, search: TaskSearch
) -> None:
    for number in range(60):
        await tasks.create(
            NewTask(name=f"kelp {number}", tags=["rare"] if number % 20 == 0 else [])
        )
    found = await search.find("local", "kelp", Filter(tags=frozenset({"rare"})), limit=3)
    assert len(found) == 3


async def test_expired_tasks_are_not_found_from_that_millisecond_on(
    tasks: Tasks, search: TaskSearch, clock: ManualClock
) -> None:
    await tasks.create(NewTask(name="fleeting kelp", ttl_ms=1000))
    clock.advance(0.999)
    assert await names(search, "kelp") == ["fleeting kelp"]
    clock.advance(0.001)
    assert await names(search, "kelp") == []


@pytest.mark.parametrize("damage", ["missing", "corrupt", "of another store"])
async def test_an_index_that_is_of_no_use_is_made_anew(
    tasks: Tasks, store: Store, clock: ManualClock, tmp_path: Path, damage: str
) -> None:
    await tasks.create(NewTask(name="kelp"))
    path = index_of(tmp_path)
    if damage == "of another store":
        async with MemoryStore(clock=clock) as elsewhere:
            await Tasks(elsewhere, clock=clock).create(NewTask(name="kelp elsewhere"))
            async with TaskSearch(elsewhere, clock=clock, path=path) as search:
                assert await names(search, "kelp") == ["kelp elsewhere"]
    elif damage == "corrupt":
        path.parent.mkdir(parents=True)
        path.write_bytes(b"no database at all" * 500)
    async with TaskSearch(store, clock=clock, path=path) as search:
        assert await names(search, "kelp") == ["kelp"]


OWNERS = st.lists(
    st.sampled_from(["local", "loca", "local/x", "a", "A", "ä"]), min_size=1, max_size=8
)


@given(owners=OWNERS)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_nobody_finds_the_task_of_another_owner(
    owners: list[str], clock: ManualClock
) -> None:
    async with MemoryStore(clock=clock) as store:
        for number, owner in enumerate(owners):
            tasks = Tasks(store, clock=clock, owner=owner, actor=Actor(by=owner))
            await tasks.create(NewTask(name=f"kelp {number}"))
        async with TaskSearch(store, clock=clock) as search:
            for owner in set(owners):
                found = {each.task.name for each in await search.find(owner, "kelp")}
                mine = {f"kelp {at}" for at, each in enumerate(owners) if each == owner}
                assert found == mine
