"""Kill the process at every write there is, and see what runs again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import pytest

from holdfast.clock import SystemClock
from holdfast.engine.history import History
from holdfast.engine.seam import Inputs, Program, RunContext
from holdfast.errors import StepFailed
from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import Store
from holdfast.tasks.keys import task_log
from holdfast.tasks.state import TaskState
from holdfast.testing.stores import Crashed, CrashingStore, UnbatchedStore
from tests.engine.support import DeadToTheWorld, engine_on

Wrap = Callable[[Store], Store]


def counting_program(ran: Counter[str]) -> Program:
    """A program with a loop, parallel branches, a failing step, a sleep and a question."""

    async def effect(name: str, value: int) -> dict[str, int]:
        ran[name] += 1
        await asyncio.sleep(0)
        return {"value": value}

    async def fail(name: str) -> None:
        ran[name] += 1
        raise ValueError("as planned")

    async def branch(context: RunContext, name: str) -> int:
        total = 0
        for index in range(2):
            result = await context.step("work", effect, f"{name}/work:{index + 1}", index)
            total += cast("dict[str, int]", result)["value"]
        return total

    async def program(context: RunContext, inputs: Inputs) -> object:
        first = await context.step("first", effect, "first:1", 7)
        lanes = [branch(context.scope(name), name) for name in "ab"]
        totals = await asyncio.gather(*lanes)
        try:
            await context.step("wrong", fail, "wrong:1")
        except StepFailed as error:
            reason = str(error)
        await context.sleep("nap", 0)
        answer = await context.wait_for_input("sure", "Are you sure?")
        last = await context.step("last", effect, "last:1", 9)
        return [first, totals, reason, answer, last, dict(inputs)]

    return program


async def to_the_end(store: Store, program: Program, run_id: str | None) -> History:
    """Do what a user would: start or recover, answer when asked, until the run has ended."""
    async with engine_on(store, {"p": program}, liveness=DeadToTheWorld()) as engine:
        if run_id is None:
            run_id = await engine.start("p", {"x": 1})
        else:
            await engine.recover()
        history = await engine.settle(run_id)
        if history.state is TaskState.INPUT_REQUIRED:
            history = await engine.answer(run_id, "sure", {"yes": True})
            await engine.resume(run_id)
            history = await engine.settle(run_id)
        elif history.state is TaskState.WORKING and history.answers:
            await engine.resume(run_id)
            history = await engine.settle(run_id)
        return history


def journaled(history: History) -> set[str]:
    return {f"{path}:{visit}" for path, visit in history.steps}


async def count_writes(wrap: Wrap) -> tuple[int, object]:
    store = CrashingStore(MemoryStore(clock=SystemClock()))
    async with store:
        history = await to_the_end(wrap(store), counting_program(Counter()), None)
    return store.writes, history.result


@pytest.mark.promise(
    "finished-step-never-reruns",
    "crash-changes-nothing",
    "branches-replay",
    "acknowledged-survives",
)
@pytest.mark.parametrize("torn", [False, True], ids=["write lost", "only its answer lost"])
@pytest.mark.parametrize("wrap", [lambda s: s, UnbatchedStore], ids=["batches", "no batches"])
async def test_a_kill_at_any_write_repeats_no_journaled_step(wrap: Wrap, torn: bool) -> None:
    writes, undisturbed = await count_writes(wrap)
    assert writes > 12
    killed = 0
    for after in range(writes):
        ran: Counter[str] = Counter()
        program = counting_program(ran)
        inner = MemoryStore(clock=SystemClock())
        async with inner:
            with suppress(Crashed):
                dying = CrashingStore(inner, after=after, torn=torn)
                await to_the_end(wrap(dying), program, None)
            found = await inner.scan(("task-open",)) or await inner.scan(("task",))
            if not found or not await inner.read(task_log(found[0].key[2])):
                continue  # it died before the start was acknowledged
            run_id = found[0].key[2]
            async with engine_on(inner, {"p": program}) as looking:
                before = journaled(await looking.history(run_id))
            already = {name: ran[name] for name in before}
            history = await to_the_end(wrap(inner), program, run_id)
            killed += 1
            async with engine_on(inner, {"p": program}) as looking:
                assert await looking.recover() == []
                assert [each.state for each in await looking.list_runs(limit=9)] == ["completed"]
            assert await inner.scan(("task-open",)) == []
        assert history.state is TaskState.COMPLETED, (after, history.error)
        assert history.result == undisturbed
        assert {name: ran[name] for name in before} == already, f"repeated after write {after}"
        assert max(ran.values()) <= 2
    assert killed > 8
