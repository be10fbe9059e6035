"""What can be done with runs, through the engine's own verbs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from holdfast.engine import active
from holdfast.engine.attempts import current_step
from holdfast.engine.events import StepFinished
from holdfast.engine.records import summarise
from holdfast.engine.seam import Inputs, Progress, RunContext
from holdfast.errors import (
    RunConflict,
    RunNotFound,
)
from holdfast.ids import new_run_id
from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import ANY, Conflict, Key
from holdfast.tasks.events import encode_event
from holdfast.tasks.keys import open_key, task_key, task_log
from holdfast.tasks.record import LOCAL_OWNER
from holdfast.tasks.snapshots import decode_snapshot
from holdfast.tasks.state import TaskState
from holdfast.testing.clock import ManualClock
from tests.engine.support import Gate, YieldingStore, ask, engine_on, kill


async def test_a_run_returns_what_its_program_returns(store: MemoryStore) -> None:
    async def program(context: RunContext, inputs: Inputs) -> object:
        return {"id": context.run_id, "inputs": inputs}

    async with engine_on(store, {"p": program}) as engine:
        run_id = await engine.start("p", {"a": [1]})
        history = await engine.settle(run_id)

    assert history.state is TaskState.COMPLETED
    assert history.result == {"id": run_id, "inputs": {"a": [1]}}


@pytest.mark.promise("waiting-is-free", "acknowledged-survives")
async def test_a_waiting_run_holds_nothing_and_goes_on_when_answered(store: MemoryStore) -> None:
    async with engine_on(store, {"ask": ask}) as engine:
        run_id = await engine.start("ask", {})
        history = await engine.settle(run_id)
        assert history.state is TaskState.INPUT_REQUIRED
        assert history.holder is None
        assert engine.active_runs == ()

    async with engine_on(store, {"ask": ask}) as another:
        await another.answer(run_id, "name", "Ada", by="test")
        await another.resume(run_id)
        history = await another.settle(run_id)
    assert history.result == ["Ada", {}]


@pytest.mark.promise("answered-once")
async def test_a_second_answer_is_refused(store: MemoryStore) -> None:
    async with engine_on(store, {"ask": ask}) as engine:
        run_id = await engine.start("ask", {})
        await engine.settle(run_id)
        await engine.answer(run_id, "name", "Ada")
        with pytest.raises(RunConflict, match="answered already"):
            await engine.answer(run_id, "name", "Bob")
        with pytest.raises(RunConflict, match="never asked"):
            await engine.answer(run_id, "nome", "Bob")
        await engine.resume(run_id)
        assert (await engine.settle(run_id)).result == ["Ada", {}]


async def test_a_run_with_a_branch_under_way_is_not_unloaded_by_a_question(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(active, "QUIET_SECONDS", 0)
    gate = Gate()

    async def program(context: RunContext, inputs: Inputs) -> object:
        return await asyncio.gather(
            context.wait_for_input("name", "Who?"), context.step("gate", gate.step)
        )

    async with engine_on(store, {"p": program}) as engine:
        run_id = await engine.start("p", {})
        await gate.begun.wait()
        for _ in range(20):
            await asyncio.sleep(0)  # let the timer of the question come and go
        await engine.answer(run_id, "name", "Ada")
        gate.let_go.set()
        history = await engine.settle(run_id)
    assert history.result == ["Ada", "through"]
    assert len(history.claims) == 1
    assert gate.runs == 1


async def test_a_run_is_not_unloaded_while_another_question_is_written_down(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(active, "QUIET_SECONDS", 0)
    told: list[Progress] = []

    class SlowStore(YieldingStore):
        """Take as long for the second question as the timer of the first."""

        async def append(
            self, log: Key, entries: Sequence[bytes], *, expected: int = ANY
        ) -> int | Conflict:
            if b"Which?" in entries[-1]:
                for _ in range(20):
                    await asyncio.sleep(0)
            return await super().append(log, entries, expected=expected)

    async def program(context: RunContext, inputs: Inputs) -> object:
        return await asyncio.gather(
            context.wait_for_input("who", "Who?"), context.wait_for_input("which", "Which?")
        )

    async with engine_on(SlowStore(store), {"p": program}, observer=told.append) as engine:
        await engine.settle(await engine.start("p", {}))
    assert [each.message for each in told] == ["Who?", "Which?"]


class AnsweringStore(YieldingStore):
    """Let an answer come in just before the run is released."""

    answered = False

    async def append(
        self, log: Key, entries: Sequence[bytes], *, expected: int = ANY
    ) -> int | Conflict:
        if b'"released"' in entries[-1] and not self.answered:
            self.answered = True
            async with engine_on(self.inner, {}) as other:
                await other.answer(log[1], "name", "Ada")
        return await super().append(log, entries, expected=expected)


async def test_an_answer_that_comes_while_a_run_is_unloaded_is_acted_on(
    store: MemoryStore,
) -> None:
    async with engine_on(AnsweringStore(store), {"ask": ask}) as engine:
        run_id = await engine.start("ask", {})
        history = await engine.settle(run_id)
    assert history.result == ["Ada", {}]


async def test_a_run_that_was_taken_back_hears_of_others_as_before(store: MemoryStore) -> None:
    gate = Gate()

    async def program(context: RunContext, inputs: Inputs) -> object:
        await context.wait_for_input("name", "Who?")
        return await context.step("gate", gate.step)

    async with engine_on(AnsweringStore(store), {"p": program}) as engine:
        run_id = await engine.start("p", {})
        await gate.begun.wait()
        assert (await engine.history(run_id)).fence == 2
        assert (await engine.cancel(run_id)).state is TaskState.CANCELLED


async def test_a_wish_to_cancel_is_written_once_while_its_process_has_not_seen_it() -> None:
    clock, gate = ManualClock(), Gate()
    async with MemoryStore(clock=clock) as store:
        worker, other = (engine_on(store, {"p": gate.program}, clock=clock) for _ in range(2))
        run_id = await worker.start("p", {})
        await gate.begun.wait()
        await clock.until_sleeping()
        for _ in range(2):
            assert (await other.cancel(run_id)).state is TaskState.WORKING
        entries = await store.read(task_log(run_id))
        assert sum(b'"cancel_requested"' in each.value for each in entries) == 1
        kill(worker)


async def test_a_marker_that_a_crash_left_behind_goes_with_the_next_recovery(
    store: MemoryStore,
) -> None:
    gate = Gate()
    async with engine_on(store, {"p": gate.program}) as engine:
        run_id = await engine.start("p", {})
        await gate.begun.wait()
        key = open_key(LOCAL_OWNER, run_id)
        marker = await store.get(key)
        assert marker is not None
        gate.let_go.set()
        await engine.settle(run_id)
        assert await store.get(key) is None
    await store.put(key, marker.value, expected=ANY)
    async with engine_on(store, {"p": gate.program}) as other:
        assert await other.orphans() == [run_id]
        assert await other.recover() == []
        assert await other.orphans() == []
    assert gate.runs == 1


async def test_a_fork_begins_with_what_another_run_has_finished(store: MemoryStore) -> None:
    ran: list[str] = []
    mended = False

    async def effect(name: str) -> str:
        ran.append(name)
        step = current_step()
        assert step is not None
        step.meta["cost_msat"] = 5
        if name == "b" and not mended:
            raise ValueError("broken")
        return name

    async def program(context: RunContext, inputs: Inputs) -> object:
        answer = await context.wait_for_input("name", "Who?")
        return [answer, *[await context.step(name, effect, name) for name in "abc"]]

    async with engine_on(store, {"p": program}) as engine:
        run_id = await engine.start("p", {})
        await engine.settle(run_id)
        await engine.answer(run_id, "name", "Ada")
        await engine.resume(run_id)
        failed = await engine.settle(run_id)
        mended = True
        forked = await engine.settle(await engine.fork(run_id, keep=lambda _: True))
        anew = await engine.settle(await engine.fork(forked.birth.id, keep=lambda p: p == "name"))
        untouched = await engine.history(run_id)
    assert failed.state is TaskState.FAILED
    assert forked.result == anew.result == ["Ada", "a", "b", "c"]
    assert ran == ["a", "b", "b", "c", "a", "b", "c"]
    assert [summarise(each).cost_msat for each in (failed, forked, anew)] == [10, 10, 15]
    assert forked.birth.forked_from == run_id
    assert untouched.tail == failed.tail


@pytest.mark.promise("cancel-reaches", "terminal-never-changes")
async def test_cancelling_reaches_the_running_step(store: MemoryStore) -> None:
    gate = Gate()
    async with engine_on(store, {"p": gate.program}) as engine:
        run_id = await engine.start("p", {})
        await gate.begun.wait()
        history = await engine.cancel(run_id)
        assert history.state is TaskState.CANCELLED
        assert gate.cancelled
        with pytest.raises(RunConflict, match="cancelled"):
            await engine.resume(run_id)


@pytest.mark.promise("cancel-reaches")
@pytest.mark.parametrize("first", ["cancel", "close"])
async def test_a_wish_to_cancel_counts_though_the_process_closes_meanwhile(
    store: MemoryStore, first: str
) -> None:
    begun, stopping, never = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        begun.set()
        try:
            await never.wait()
        except asyncio.CancelledError:
            stopping.set()
            await never.wait()  # until it is called off once more

    async def program(context: RunContext, inputs: Inputs) -> object:
        return await context.step("s", stubborn)

    engine = await engine_on(store, {"p": program}).__aenter__()
    run_id = await engine.start("p", {})
    await begun.wait()
    acts = {"cancel": engine.cancel(run_id), "close": engine.__aexit__(None, None, None)}
    earlier = asyncio.ensure_future(acts.pop(first))
    await stopping.wait()
    await asyncio.gather(earlier, *acts.values())
    assert (await engine.history(run_id)).state is TaskState.CANCELLED


async def test_cancelling_reaches_into_another_process(store: MemoryStore) -> None:
    gate = Gate()
    async with engine_on(store, {"p": gate.program}) as worker, engine_on(store, {}) as other:
        run_id = await worker.start("p", {})
        await gate.begun.wait()
        await other.cancel(run_id)
        async with asyncio.timeout(5):
            history = await worker.settle(run_id)
    assert history.state is TaskState.CANCELLED
    assert gate.cancelled


async def test_a_waiting_run_is_cancelled_without_a_process(store: MemoryStore) -> None:
    async with engine_on(store, {"ask": ask}) as engine:
        run_id = await engine.start("ask", {})
        await engine.settle(run_id)
    async with engine_on(store, {}) as other:
        assert (await other.cancel(run_id)).state is TaskState.CANCELLED
        assert (await other.cancel(run_id)).state is TaskState.CANCELLED


@pytest.mark.promise("terminal-never-changes")
async def test_nothing_can_be_journaled_behind_the_end(store: MemoryStore) -> None:
    async def program(context: RunContext, inputs: Inputs) -> object:
        return 1

    async with engine_on(store, {"p": program}) as engine:
        run_id = await engine.start("p", {})
        history = await engine.settle(run_id)
        with pytest.raises(RunConflict, match="has ended"):
            history.check(StepFinished(at=0, path="late", visit=1))
        with pytest.raises(RunConflict):
            await engine.answer(run_id, "x", 1)
        with pytest.raises(RunConflict):
            await engine.cancel(run_id)


async def test_a_run_that_works_too_long_is_stopped(store: MemoryStore) -> None:
    gate = Gate()
    async with engine_on(store, {"p": gate.program}) as engine:
        history = await engine.settle(await engine.start("p", {}, timeout=0.05))
    assert history.error is not None
    assert history.error["type"] == "StepTimeout"
    assert gate.cancelled


async def test_ids_are_found_by_a_unique_beginning(store: MemoryStore) -> None:
    async with engine_on(store, {"ask": ask}) as engine:
        ids = [await engine.start("ask", {}) for _ in range(20)]
        assert await engine.find(ids[3]) == ids[3]
        assert await engine.find(ids[3][:20].upper()) == ids[3]
        with pytest.raises(RunNotFound, match="not the beginning"):
            await engine.find("xyz")
        with pytest.raises(RunNotFound, match="no run has"):
            await engine.find(new_run_id())
        firsts = [each[0] for each in ids]
        shared = max(firsts, key=firsts.count)
        with pytest.raises(RunNotFound, match="runs"):
            await engine.find(shared)


async def test_runs_are_listed_newest_first() -> None:
    clock = ManualClock()
    async with MemoryStore(clock=clock) as store, engine_on(store, {"ask": ask}, clock=clock) as e:
        ids = []
        for _ in range(7):
            clock.advance(1)
            ids.append(await e.start("ask", {}))
        assert [each.id for each in await e.list_runs(limit=3)] == ids[:-4:-1]
        assert [each.id for each in await e.list_runs(limit=100)] == ids[::-1]


async def test_the_record_is_what_the_log_adds_up_to(store: MemoryStore) -> None:
    async with engine_on(store, {"ask": ask}) as engine:
        run_id = await engine.start("ask", {})
        history = await engine.settle(run_id)
        record = await store.get(task_key(LOCAL_OWNER, run_id))
    assert record is not None
    snapshot = decode_snapshot(record.value)
    assert snapshot == history.snapshot
    assert list(snapshot.task.open_requests) == ["name"]


async def test_an_onlooker_sees_what_happens(store: MemoryStore) -> None:
    seen: list[Progress] = []
    async with engine_on(store, {"ask": ask}, observer=seen.append) as engine:
        await engine.settle(await engine.start("ask", {}))
    assert [(each.kind, each.path, each.message) for each in seen] == [
        ("input_requested", "name", "Who?")
    ]


async def test_an_event_of_a_newer_version_is_refused(store: MemoryStore) -> None:
    from holdfast.errors import StorageTooNew

    async with engine_on(store, {"ask": ask}) as engine:
        run_id = await engine.start("ask", {})
        await engine.settle(run_id)
        step = encode_event(StepFinished(at=1, path="s", visit=1), "")
        await store.append(task_log(run_id), [step.replace(b"step_finished", b"step_dreamt")])
        with pytest.raises(StorageTooNew, match="does not know"):
            await engine.history(run_id)


async def test_a_fork_asks_about_an_at_most_once_step_that_was_under_way(
    store: MemoryStore,
) -> None:
    gate = Gate()

    async def program(context: RunContext, inputs: Inputs) -> object:
        return await context.step("pay", gate.step, once=True)

    async with engine_on(store, {"p": program}) as engine:
        run_id = await engine.start("p", {})
        await gate.begun.wait()
        await engine.cancel(run_id)
        forked = await engine.settle(await engine.fork(run_id, keep=lambda _: True))
        assert list(forked.open_requests) == ["pay#1!interrupted"]
    assert gate.runs == 1
