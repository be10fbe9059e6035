"""What is written into a log: nothing more after a failure or the end, and no definition twice."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.engine.events import StepFinished
from holdfast.engine.history import History
from holdfast.engine.journal import Journal, load_history
from holdfast.errors import RunConflict, StorageFull
from holdfast.storage.memory import MemoryStore
from holdfast.tasks.keys import task_log
from holdfast.testing.stores import FaultyStore
from tests.engine.support import ask, engine_on

FULL = {("batch", 1): StorageFull("no space is left")}


def step(number: int) -> StepFinished:
    return StepFinished(at=1, path=f"s{number}", visit=1)


async def waiting_run(store: MemoryStore) -> History:
    async with engine_on(store, {"ask": ask}) as engine:
        return await engine.settle(await engine.start("ask", {}))


async def test_a_store_that_failed_is_not_asked_again(store: MemoryStore) -> None:
    faulty = FaultyStore(store, FULL)
    journal = Journal(faulty, await waiting_run(store))
    for number in range(3):
        with pytest.raises(StorageFull):
            await journal.append(step(number))
    assert faulty.calls.total() == 1


async def test_whoever_waits_in_line_behind_a_failure_is_told_of_it(store: MemoryStore) -> None:
    faulty = FaultyStore(store, FULL)
    journal = Journal(faulty, await waiting_run(store))
    async with asyncio.timeout(60):
        ends = await asyncio.gather(
            *(journal.append(step(number)) for number in range(3)), return_exceptions=True
        )
    assert [type(end) for end in ends] == [StorageFull] * 3


async def test_nothing_is_written_behind_the_end(store: MemoryStore) -> None:
    run_id = (await waiting_run(store)).birth.id
    async with engine_on(store, {}) as engine:
        ended = await engine.cancel(run_id)
    with pytest.raises(RunConflict, match="has ended"):
        await Journal(store, ended).append(step(1))
    assert (await load_history(store, run_id)).tail == ended.tail


async def test_a_definition_is_written_down_only_when_it_is_another_one(store: MemoryStore) -> None:
    async with engine_on(store, {"ask": ask}) as engine:
        run_id = await engine.start("ask", {}, definition=b"one")
        for definition, written in ((b"one", 0), (b"two", 1)):
            await engine.settle(run_id)
            await engine.resume(run_id, definition=definition)
            entries = await store.read(task_log(run_id))
            assert sum(b'"redefined"' in each.value for each in entries) == written
