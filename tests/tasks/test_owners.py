"""Nobody reads, lists, changes or guesses at the tasks of somebody else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import InputError, QuotaExceeded, TaskNotFound, UsageError
from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import Store
from holdfast.tasks import Changes, Limits, NewTask, Tasks
from holdfast.testing.clock import ManualClock
from holdfast.testing.stores import ForwardingStore

pytestmark = pytest.mark.anyio

NASTY = ["a", "a:b", "", "\0", "a\0", "\x01", "a\x01", "a/b", "é", "local", "x" * 256, "task"]
T = TypeVar("T")


class Counting(ForwardingStore):
    """A store that counts what it is asked for."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.calls: Counter[str] = Counter()

    async def _call(self, verb: str, action: Callable[[], Awaitable[T]]) -> T:
        self.calls[verb] += 1
        return await action()


@pytest.mark.promise("owners-are-apart")
async def test_owners_that_are_made_to_collide_see_their_own(
    store: Store, clock: ManualClock
) -> None:
    everyone = {owner: Tasks(store, clock=clock, owner=owner) for owner in NASTY}
    made: dict[str, set[str]] = {}
    for number, (owner, tasks) in enumerate(everyone.items()):
        made[owner] = {
            (await tasks.create(NewTask(name="x", session="s", key="k"))).id for _ in range(1)
        }
        made[owner] |= {
            (await tasks.create(NewTask(name="y", id=f"{number:032x}"))).id for _ in range(1)
        }
    for owner, tasks in everyone.items():
        assert {each.id for each in (await tasks.list()).tasks} == made[owner]
        assert {each.id for each in await tasks.ready()} == made[owner]
        assert (await tasks.stats()).total == 2
        foreign = set.union(*(ids for other, ids in made.items() if other != owner))
        for task_id in foreign:
            with pytest.raises(TaskNotFound):
                await tasks.get(task_id)


@pytest.mark.promise("owners-are-apart")
async def test_what_is_not_yours_is_not_there_by_the_same_words_and_the_same_work(
    clock: ManualClock,
) -> None:
    async with MemoryStore(clock=clock) as inner:
        theirs = await Tasks(inner, clock=clock, owner="ann").create(NewTask(name="secret"))
        absent = "0" * 32
        verbs: list[Callable[[Tasks, str], Awaitable[object]]] = [
            lambda tasks, task: tasks.get(task),
            lambda tasks, task: tasks.find(task),
            lambda tasks, task: tasks.find(task[:20]),
            lambda tasks, task: tasks.history(task),
            lambda tasks, task: tasks.update(task, Changes(name="mine")),
            lambda tasks, task: tasks.start(task),
            lambda tasks, task: tasks.complete(task),
            lambda tasks, task: tasks.fail(task, "x"),
            lambda tasks, task: tasks.cancel(task),
            lambda tasks, task: tasks.note(task, "x"),
            lambda tasks, task: tasks.claim(task),
            lambda tasks, task: tasks.renew(task, 1),
            lambda tasks, task: tasks.release(task, 1),
            lambda tasks, task: tasks.answer(task, "q", 1),
            lambda tasks, task: tasks.block(task, "x"),
            lambda tasks, task: tasks.progress(task, 1),
            lambda tasks, task: tasks.set_variables(task, {"x": 1}),
            lambda tasks, task: tasks.children(task),
            lambda tasks, task: tasks.dependents(task),
            lambda tasks, task: tasks.undepend(task, absent),
            lambda tasks, task: tasks.create(NewTask(name="x", blocked_by=[task])),
            lambda tasks, task: tasks.create(NewTask(name="x", parent=task)),
            lambda tasks, task: anext(tasks.watch(task)),
        ]
        for verb in verbs:
            told: list[tuple[str, str, Counter[str]]] = []
            for task_id in (theirs.id, absent):
                counting = Counting(inner)
                with pytest.raises(TaskNotFound) as caught:
                    await verb(Tasks(counting, clock=clock, owner="eve"), task_id)
                words = caught.value.message.replace(task_id, "ID").replace(task_id[:20], "ID")
                told.append((words, caught.value.hint, counting.calls))
            assert told[0] == told[1]


async def test_quotas_are_of_one_owner(clock: ManualClock) -> None:
    async with MemoryStore(clock=clock) as store:
        for owner in ("a", "a:b", ""):
            tasks = Tasks(store, clock=clock, owner=owner, limits=Limits(live=1))
            await tasks.create(NewTask(name="x"))
            with pytest.raises(QuotaExceeded):
                await tasks.create(NewTask(name="x"))


async def test_an_owner_that_fits_into_no_key_is_refused(store: Store, clock: ManualClock) -> None:
    with pytest.raises(InputError, match="more than 256 bytes"):
        Tasks(store, clock=clock, owner="é" * 200)
    with pytest.raises(UsageError, match="not valid Unicode"):
        await Tasks(store, clock=clock, owner="\ud800").create(NewTask(name="x"))


@settings(max_examples=40, deadline=None)
@given(
    owners=st.lists(st.text(alphabet="a:\0\x01/", max_size=4), min_size=2, max_size=4, unique=True)
)
async def test_any_owners_are_apart(owners: list[str]) -> None:
    clock = ManualClock()
    async with MemoryStore(clock=clock) as store:
        for owner in owners:
            tasks = Tasks(store, clock=clock, owner=owner, limits=Limits(live=1))
            await tasks.create(NewTask(name="x", session="s", key="k"))
        for owner in owners:
            tasks = Tasks(store, clock=clock, owner=owner)
            assert len((await tasks.list()).tasks) == 1
            assert len(await tasks.ready()) == 1
