"""Histories that are taken in as a whole: several at once, and what comes later."""

from __future__ import annotations

import pytest

from holdfast.errors import DependencyCycle, TaskConflict
from holdfast.ids import new_run_id
from holdfast.tasks import Relation, Tasks, TaskState
from holdfast.tasks.events import (
    BlockerEnded,
    Completed,
    Created,
    DependencyAdded,
    Event,
    Noted,
    Started,
)


def birth(task_id: str, *blockers: str, key: str = "", parent: str = "", at: int = 5) -> Created:
    edges = [{"kind": "blocks", "on": each} for each in blockers]
    return Created(
        at=at, id=task_id, owner="old", name="n", dependencies=edges, key=key, parent=parent
    )


def ended(task_id: str) -> list[Event]:
    return [birth(task_id), Started(at=6), Completed(at=7, result="ok")]


async def test_several_histories_are_taken_in_together_with_what_lies_between_them(
    tasks: Tasks,
) -> None:
    first, second, third = new_run_id(), new_run_id(), new_run_id()
    await tasks.restore_all([ended(first), [birth(second, first)], [birth(third, second)]])
    assert (await tasks.get(first)).ended_at == 7
    assert (await tasks.get(second)).is_ready
    assert (await tasks.get(third)).blockers == 1
    await tasks.complete(second, begin=True)
    assert (await tasks.get(third)).is_ready


async def test_of_several_histories_none_is_taken_in_if_one_makes_no_sense(tasks: Tasks) -> None:
    good, bad = new_run_id(), new_run_id()
    with pytest.raises(TaskConflict):
        await tasks.restore_all([[birth(good)], [birth(bad), Completed(at=9)]])
    assert (await tasks.list()).tasks == []


@pytest.mark.parametrize("kind", ["blocks", "parent"])
async def test_histories_cannot_close_a_circle(tasks: Tasks, kind: str) -> None:
    first, second = new_run_id(), new_run_id()

    def pair(one: str, other: str) -> list[Event]:
        return [birth(one, other)] if kind == "blocks" else [birth(one, parent=other)]

    with pytest.raises(DependencyCycle):
        await tasks.restore_all([pair(first, second), pair(second, first)])
    await tasks.restore(pair(first, second))
    with pytest.raises(DependencyCycle):
        await tasks.restore(pair(second, first))


async def test_a_history_that_tells_of_the_end_of_its_blocker_is_taken_as_it_is(
    tasks: Tasks,
) -> None:
    first, second = new_run_id(), new_run_id()
    await tasks.restore(ended(first))
    told = BlockerEnded(at=8, on=first, ended="completed")
    task = await tasks.restore([birth(second, first), told, Started(at=9)])
    assert task.state is TaskState.WORKING
    assert len(await tasks.history(second)) == 3


async def test_a_history_that_never_heard_of_the_end_of_its_blocker_is_told(tasks: Tasks) -> None:
    first, second = new_run_id(), new_run_id()
    await tasks.restore(ended(first))
    added = DependencyAdded(at=6, relation="blocks", on=first)
    assert (await tasks.restore([birth(second), added])).is_ready


async def test_a_key_makes_one_task_and_names_it(tasks: Tasks) -> None:
    first = new_run_id()
    assert await tasks.made_by("import:1") is None
    await tasks.restore([birth(first, key="import:1")])
    assert await tasks.made_by("import:1") == first
    with pytest.raises(TaskConflict, match="has made a task already"):
        await tasks.restore([birth(new_run_id(), key="import:1")])
    assert await tasks.acting(owner="eve").made_by("import:1") is None


async def test_more_of_a_history_is_added_with_its_own_times_or_not_at_all(tasks: Tasks) -> None:
    first, waiting = new_run_id(), new_run_id()
    await tasks.restore_all([[birth(first)], [birth(waiting, first)]])
    with pytest.raises(TaskConflict):
        await tasks.extend(first, [Noted(at=6, text="x"), Completed(at=7)])
    assert (await tasks.get(first)).notes == 0
    more = [Noted(at=6, by="bob", text="x"), Started(at=7), Completed(at=8)]
    task = await tasks.extend(first, more)
    assert (task.state, task.started_at, task.ended_at) == (TaskState.COMPLETED, 7, 8)
    assert [each.event.at for each in await tasks.history(first)] == [5, 6, 7, 8]
    assert (await tasks.get(waiting)).is_ready


async def test_more_of_a_history_cannot_close_a_circle_either(tasks: Tasks) -> None:
    first, second = new_run_id(), new_run_id()
    await tasks.restore_all([[birth(first)], [birth(second, first)]])
    with pytest.raises(DependencyCycle):
        await tasks.extend(first, [DependencyAdded(at=6, relation=Relation.BLOCKS, on=second)])
