"""Any sequence of verbs, by several actors, leaves everything in agreement with the logs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import CallerError, LeaseLost
from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import Store
from holdfast.tasks import (
    Actor,
    Changes,
    Limits,
    NewTask,
    Relation,
    Task,
    Tasks,
    TaskState,
)
from holdfast.tasks.fold import broken_links, replay
from holdfast.tasks.keys import task_log
from holdfast.tasks.quotas import count_anew, decode_quota
from holdfast.tasks.state import TRANSITIONS
from holdfast.testing.clock import ManualClock

pytestmark = pytest.mark.anyio

SLOTS = st.integers(0, 3)
Verb = Callable[[Tasks, list[str], int, int], Awaitable[object]]


def pick(ids: list[str], slot: int) -> str:
    return ids[slot % len(ids)]


VERBS: dict[str, Verb] = {
    "start": lambda tasks, ids, a, b: tasks.start(pick(ids, a)),
    "complete": lambda tasks, ids, a, b: tasks.complete(pick(ids, a), b),
    "fail": lambda tasks, ids, a, b: tasks.fail(pick(ids, a), "no"),
    "cancel": lambda tasks, ids, a, b: tasks.cancel(pick(ids, a), request_only=b == 0),
    "note": lambda tasks, ids, a, b: tasks.note(pick(ids, a), "n"),
    "claim": lambda tasks, ids, a, b: tasks.claim(pick(ids, a), lease_ms=1000 * (b + 1)),
    "claim_next": lambda tasks, ids, a, b: tasks.claim_next(lease_ms=1000 * (b + 1)),
    "renew": lambda tasks, ids, a, b: tasks.renew(pick(ids, a), b, lease_ms=2000),
    "release": lambda tasks, ids, a, b: tasks.release(pick(ids, a), b),
    "late": lambda tasks, ids, a, b: tasks.complete(pick(ids, a), "late", fence=b),
    "ask": lambda tasks, ids, a, b: tasks.require_input(pick(ids, a), f"q{b}", "?"),
    "answer": lambda tasks, ids, a, b: tasks.answer(pick(ids, a), f"q{b}", b),
    "update": lambda tasks, ids, a, b: tasks.update(
        pick(ids, a), Changes(priority=b, session=f"s{b}" if b else "")
    ),
    "set": lambda tasks, ids, a, b: tasks.set_variables(pick(ids, a), {f"v{b}": b or None}),
    "depend": lambda tasks, ids, a, b: tasks.depend(pick(ids, a), pick(ids, b)),
    "parent": lambda tasks, ids, a, b: tasks.depend(pick(ids, a), pick(ids, b), Relation.PARENT),
    "undepend": lambda tasks, ids, a, b: tasks.undepend(pick(ids, a), pick(ids, b)),
    "create": lambda tasks, ids, a, b: tasks.create(
        NewTask(name="x", blocked_by=[pick(ids, a)], ttl_ms=3000 if b == 0 else None)
    ),
}
STEPS = st.lists(
    st.tuples(st.sampled_from([*VERBS, "wait"]), SLOTS, SLOTS, st.sampled_from("xy")), max_size=25
)


async def check(tasks: Tasks, store: Store, before: dict[str, Task]) -> None:
    """What must hold at any time."""
    listed = {each.id: each for each in (await tasks.list(limit=1000)).tasks}
    everything = {task_id: await tasks.get(task_id) for task_id in listed}
    for task_id, task in everything.items():
        entries = [entry.value for entry in await store.read(task_log(task_id))]
        whole = replay(task_id, entries)
        assert whole.task == task
        assert (whole.superseded, broken_links(task_id, entries)) == ((), [])
        check_step(before.get(task_id), task)
        check_blockers(task, everything)
    ready = [each.id for each in await tasks.ready(1000)]
    assert ready == sorted(
        (each.id for each in everything.values() if each.is_ready),
        key=lambda each: (everything[each].priority, everything[each].created_at, each),
    )
    record = await store.get(("task-quota", tasks.owner))
    assert record is not None
    counted, quota = await count_anew(store, tasks.owner), decode_quota(record.value)
    assert quota.live >= counted.live, "what expired is counted until somebody needs the place"


def check_step(before: Task | None, after: Task) -> None:
    if before is None:
        return
    if before.has_ended:
        assert after == before
    assert after.state == before.state or after.state in reachable(before.state)
    assert after.fence >= before.fence
    assert set(before.requests) <= set(after.requests)


def reachable(state: TaskState) -> set[TaskState]:
    """What one verb may lead to: `complete` and a claim go one step of the table, others none."""
    return set(TRANSITIONS[state])


def check_blockers(task: Task, everything: dict[str, Task]) -> None:
    for each in task.dependencies:
        other = everything.get(each.on)
        if each.kind is not Relation.BLOCKS or other is None or task.has_ended:
            continue
        assert each.ended == (other.state.value if other.has_ended else "")


@settings(max_examples=60, deadline=None)
@given(STEPS)
async def test_any_sequence_of_verbs_keeps_the_promises(
    steps: list[tuple[str, int, int, str]],
) -> None:
    clock = ManualClock()
    async with MemoryStore(clock=clock) as store:
        tasks = Tasks(store, clock=clock, limits=Limits(live=8, bytes=200_000))
        ids = [(await tasks.create(NewTask(name=f"t{number}"))).id for number in range(3)]
        for verb, a, b, who in steps:
            before = {each.id: await tasks.get(each.id) for each in (await tasks.list()).tasks}
            if verb == "wait":
                clock.advance(a)
            else:
                with suppress(CallerError, LeaseLost):
                    made = await VERBS[verb](tasks.acting(actor=Actor(by=who)), ids, a, b)
                    if verb == "create":
                        assert isinstance(made, Task)
                        ids.append(made.id)
            await check(tasks, store, before)
        looked = await tasks.repair(dry_run=True)
        assert (looked.rewritten, looked.strays, looked.altered, looked.circles) == ([], [], {}, [])


@settings(max_examples=25, deadline=None)
@given(STEPS)
async def test_verbs_that_meet_leave_everything_in_agreement(
    steps: list[tuple[str, int, int, str]],
) -> None:
    clock = ManualClock()
    async with MemoryStore(clock=clock) as store, asyncio.timeout(30):
        tasks = Tasks(store, clock=clock, limits=Limits(live=8))
        ids = [(await tasks.create(NewTask(name=f"t{number}"))).id for number in range(3)]
        results = await asyncio.gather(
            *(
                VERBS[verb](tasks.acting(actor=Actor(by=who)), ids, a, b)
                for verb, a, b, who in steps
                if verb != "wait"
            ),
            return_exceptions=True,
        )
        refused = [each for each in results if isinstance(each, BaseException)]
        assert all(isinstance(each, CallerError | LeaseLost) for each in refused), refused
        await check(tasks, store, {})
        assert (await tasks.repair(dry_run=True)).is_clean
