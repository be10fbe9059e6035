"""Lists of tasks."""

from __future__ import annotations

import random

import pytest

from holdfast.errors import UsageError
from holdfast.storage.seam import Store
from holdfast.tasks import Changes, Filter, NewTask, Relation, RunDetails, Summary, Tasks, TaskState
from holdfast.tasks.keys import derived
from holdfast.tasks.summaries import decode_summary, encode_summary, summarise
from holdfast.testing.clock import ManualClock

pytestmark = pytest.mark.anyio


async def pages(tasks: Tasks, wanted: Filter, limit: int) -> list[Summary]:
    found: list[Summary] = []
    cursor = ""
    while True:
        page = await tasks.list(wanted, limit=limit, cursor=cursor)
        found += page.tasks
        cursor = page.cursor
        if not cursor:
            return found


async def test_the_newest_come_first_whatever_the_page(tasks: Tasks, clock: ManualClock) -> None:
    for number in range(25):
        await tasks.create(NewTask(name=f"n{number}"))
        clock.advance(number % 3)  # several within one millisecond
    whole = (await tasks.list(limit=100)).tasks
    assert [each.created_at for each in whole] == sorted(
        (each.created_at for each in whole), reverse=True
    )
    for limit in (1, 2, 7, 25, 26):
        assert await pages(tasks, Filter(), limit) == list(whole)


async def test_paging_under_change_skips_and_repeats_nothing(
    tasks: Tasks, clock: ManualClock
) -> None:
    dice = random.Random(7)
    steady: list[str] = []
    passing: list[str] = []
    for number in range(40):
        task = await tasks.create(NewTask(name="steady" if number % 2 else "passing"))
        (steady if number % 2 else passing).append(task.id)
        clock.advance(dice.choice([0, 0.001]))
    seen: list[str] = []
    cursor = ""
    while True:
        page = await tasks.list(Filter(), limit=3, cursor=cursor)
        seen += [each.id for each in page.tasks]
        cursor = page.cursor
        if not cursor:
            break
        await tasks.create(NewTask(name="new", ttl_ms=1))
        await tasks.update(dice.choice(steady), Changes(priority=dice.randrange(5)))
        await tasks.cancel(dice.choice(passing))
        clock.advance(1)
    assert len(seen) == len(set(seen))
    assert sorted(each for each in seen if each in steady) == sorted(steady)


async def test_filters_go_together(tasks: Tasks, clock: ManualClock) -> None:
    start = clock.now_ms()
    a = await tasks.create(NewTask(name="Apple pie", tags=["food", "new"], session="s1"))
    clock.advance(1)
    b = await tasks.create(
        NewTask(name="b", description="with APPLES", tags=["food"], priority=0, parent=a.id)
    )
    clock.advance(1)
    c = await tasks.create(NewTask(name="c", session="s1", blocked_by=[a.id]))
    clock.advance(1)
    d = await tasks.create(NewTask(name="d", run=RunDetails(program="p", origin="f.yaml")))
    clock.advance(1)
    await tasks.start(b.id)
    cases: list[tuple[Filter, set[str]]] = [
        (Filter(), {a.id, b.id, c.id, d.id}),
        (Filter(states=frozenset({TaskState.WORKING})), {b.id}),
        (Filter(session="s1"), {a.id, c.id}),
        (Filter(session=""), {b.id, d.id}),
        (Filter(tags=frozenset({"food"})), {a.id, b.id}),
        (Filter(tags=frozenset({"food", "new"})), {a.id}),
        (Filter(kind="run"), {d.id}),
        (Filter(parent=a.id), {b.id}),
        (Filter(priority=0), {b.id}),
        (Filter(text="apple"), {a.id, b.id}),
        (Filter(text="apple", session="s1"), {a.id}),
        (Filter(standing="ready"), {a.id, d.id}),
        (Filter(standing="blocked"), {c.id}),
        (Filter(standing="blocked_by_failed"), set()),
        (Filter(created_from=start + 1000), {b.id, c.id, d.id}),
        (Filter(created_before=start + 1000), {a.id}),
        (Filter(created_from=start + 1000, created_before=start + 3000), {b.id, c.id}),
        (Filter(updated_from=start + 4000), {b.id}),
        (Filter(updated_before=start + 4000), {a.id, c.id, d.id}),
    ]
    for wanted, ids in cases:
        assert {each.id for each in await pages(tasks, wanted, 2)} == ids, wanted


async def test_moving_a_task_to_another_session_moves_it_in_the_list(tasks: Tasks) -> None:
    task = await tasks.create(NewTask(name="a", session="one"))
    await tasks.update(task.id, Changes(session="two"))
    assert (await tasks.list(Filter(session="one"))).tasks == []
    assert [each.id for each in (await tasks.list(Filter(session="two"))).tasks] == [task.id]


async def test_ready_follows_the_priority(tasks: Tasks, clock: ManualClock) -> None:
    for name, priority in [("a", 3), ("b", 1)]:
        await tasks.create(NewTask(name=name, priority=priority))
        clock.advance(1)
    assert [each.name for each in await tasks.ready()] == ["b", "a"]
    await tasks.update((await tasks.ready())[1].id, Changes(priority=0))
    assert [each.name for each in await tasks.ready(1)] == ["a"]


async def test_a_list_shows_what_the_record_says(tasks: Tasks) -> None:
    task = await tasks.create(NewTask(name="a", tags=["t"]))
    await tasks.claim(task.id)
    await tasks.progress(task.id, 1, 3)
    await tasks.require_input(task.id, "q", "?")
    [listed] = (await tasks.list()).tasks
    assert listed == summarise(await tasks.get(task.id))
    failed = await tasks.fail(task.id, "no")
    [listed] = (await tasks.list()).tasks
    assert (listed.error, listed) == ("no", summarise(failed))
    assert decode_summary(encode_summary(failed)) == summarise(failed)


async def test_a_bad_cursor_or_limit_is_refused(tasks: Tasks) -> None:
    for cursor in ("x", "%%%", "bm9uc2Vuc2U", "é"):
        with pytest.raises(UsageError, match="is no cursor"):
            await tasks.list(cursor=cursor)
    with pytest.raises(UsageError, match="limit of 0"):
        await tasks.list(limit=0)


async def test_stats_count_what_there_is(tasks: Tasks, clock: ManualClock) -> None:
    a = await tasks.create(NewTask(name="a", tags=["t"]))
    await tasks.create(NewTask(name="b", blocked_by=[a.id], priority=0, tags=["t", "u"]))
    clock.advance(2)
    done = await tasks.create(NewTask(name="c"))
    clock.advance(1)
    await tasks.complete(done.id, begin=True)
    stats = await tasks.stats()
    assert stats.by_state == {TaskState.COMPLETED: 1, TaskState.PENDING: 2}
    assert (stats.total, stats.ready, stats.blocked, stats.median_ms) == (3, 1, 1, 1000)
    assert stats.by_tag == {"t": 2, "u": 1}
    assert stats.by_priority == {0: 1, 2: 1}
    assert stats.oldest_open_at == a.created_at


async def test_what_is_derived_is_what_is_there(tasks: Tasks, store: Store) -> None:
    """Whatever happens to a task, its index records are those of its newest state."""
    parent = await tasks.create(NewTask(name="p"))
    task = await tasks.create(NewTask(name="a", session="s", parent=parent.id, priority=3))
    await tasks.update(task.id, Changes(priority=1, session="t"))
    held = await tasks.claim(task.id)
    await tasks.renew(task.id, held.fence, lease_ms=99_000)
    await tasks.release(task.id, held.fence)
    await tasks.depend(task.id, parent.id, Relation.RELATES)
    now = await tasks.get(task.id)
    record = await store.get(("task", "local", task.id))
    assert record is not None
    expected = set(derived(now, len(record.value)))
    for prefix in (
        "task-by-time",
        "task-ready",
        "task-open",
        "task-free",
        "task-session",
        "task-child",
        "task-dependent",
    ):
        found = {each.key for each in await store.scan((prefix,)) if task.id in each.key[2:]}
        found = {key for key in found if key[-1] == task.id}
        assert found == {key for key in expected if key[0] == prefix}
