"""Steps: retried, timed, remembered, never run twice."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.engine.attempts import current_step
from holdfast.engine.retry import Retry
from holdfast.engine.seam import Inputs, Progress, RunContext
from holdfast.errors import (
    NoProvider,
    ProgramError,
    ProviderRefused,
    ProviderUnavailable,
    StepFailed,
    StorageFull,
)
from holdfast.storage.memory import MemoryStore
from holdfast.tasks.state import TaskState
from holdfast.testing.clock import ManualClock
from holdfast.testing.stores import FaultyStore
from holdfast.tracing.kept import Kept
from tests.engine.support import DeadToTheWorld, Gate, engine_on, kill, nothing


async def test_a_step_is_retried_as_often_as_it_may(store: MemoryStore) -> None:
    tries: list[int] = []
    clock = ManualClock()

    async def flaky() -> str:
        info = current_step()
        assert info is not None
        tries.append(info.attempt)
        if info.attempt < 3:
            raise ProviderUnavailable("busy", retry_after=40)
        return info.idempotency_key

    async def program(context: RunContext, inputs: Inputs) -> object:
        return await context.step("s", flaky, retry=Retry(attempts=3, wait=1))

    async with (
        MemoryStore(clock=clock) as timed,
        engine_on(timed, {"p": program}, clock=clock) as e,
    ):
        run_id = await e.start("p", {})
        while e.active_runs:
            await clock.run(10)
        history = await e.settle(run_id)
    assert history.result == f"{run_id}:s:1"
    assert tries == [1, 2, 3]
    assert history.steps["s", 1].took >= 80_000


@pytest.mark.parametrize(
    "error", [ProviderRefused("no key"), ProgramError("wrong"), NoProvider("none"), SystemExit(3)]
)
async def test_what_a_retry_cannot_mend_is_not_retried(
    store: MemoryStore, error: BaseException
) -> None:
    async def fail() -> None:
        raise error

    async def program(context: RunContext, inputs: Inputs) -> object:
        return await context.step("s", fail, retry=Retry(attempts=5))

    async with engine_on(store, {"p": program}) as engine:
        history = await engine.settle(await engine.start("p", {}))
    assert history.state is TaskState.FAILED
    assert history.error is not None
    assert history.error["type"] == type(error).__name__
    assert history.error["step"] == "s"
    assert history.steps["s", 1].attempts == 1


async def test_a_step_that_takes_too_long_is_stopped(store: MemoryStore) -> None:
    gate = Gate()

    async def program(context: RunContext, inputs: Inputs) -> object:
        return await context.step("s", gate.step, timeout=0.01)

    async with engine_on(store, {"p": program}) as engine:
        history = await engine.settle(await engine.start("p", {}))
    assert history.error is not None
    assert history.error["type"] == "StepTimeout"
    assert gate.cancelled


async def test_a_timeout_of_a_step_itself_is_not_taken_for_ours(store: MemoryStore) -> None:
    async def fail() -> None:
        raise TimeoutError("the disk is slow")

    async def program(context: RunContext, inputs: Inputs) -> object:
        return await context.step("s", fail, timeout=600)

    async with engine_on(store, {"p": program}) as engine:
        history = await engine.settle(await engine.start("p", {}))
    assert history.error is not None
    assert history.error["type"] == "TimeoutError"


async def test_an_onlooker_hears_of_each_try_and_why_there_is_another(store: MemoryStore) -> None:
    heard: list[tuple[str, str]] = []
    failures = [ProviderUnavailable("busy")]

    async def flaky() -> None:
        if failures:
            raise failures.pop()

    async def program(context: RunContext, inputs: Inputs) -> object:
        return await context.step("s", flaky, retry=Retry(attempts=2, wait=0))

    def listen(progress: Progress) -> None:
        heard.append((progress.kind, progress.message))

    async with engine_on(store, {"p": program}, observer=listen) as engine:
        await engine.settle(await engine.start("p", {}))
    assert heard == [
        ("step_started", ""), ("step_retried", "busy"), ("step_started", ""), ("step_finished", ""),
    ]  # fmt: skip


@pytest.mark.promise("sleep-not-longer")
async def test_a_crash_does_not_make_a_sleep_longer() -> None:
    clock = ManualClock()

    async def program(context: RunContext, inputs: Inputs) -> object:
        await context.sleep("night", 3600)
        return "morning"

    async with MemoryStore(clock=clock) as store:
        first = engine_on(store, {"p": program}, clock=clock)
        run_id = await first.start("p", {})
        await clock.until_sleeping(2)  # the heartbeat and the run
        kill(first)
        clock.advance(3600)
        second = engine_on(store, {"p": program}, clock=clock)
        await second.resume(run_id)
        history = await second.settle(run_id)
        kill(second)
    assert history.result == "morning"
    assert history.task.updated_at - history.birth.at == 3_600_000


@pytest.mark.promise("once-asks")
@pytest.mark.parametrize(("answer", "state", "runs"), [
    ("again", TaskState.COMPLETED, 2), ("fail", TaskState.FAILED, 1),
])  # fmt: skip
async def test_an_at_most_once_step_asks_after_a_crash(
    store: MemoryStore, answer: str, state: TaskState, runs: int
) -> None:
    gate = Gate()

    async def program(context: RunContext, inputs: Inputs) -> object:
        return await context.step("pay", gate.step, once=True)

    first = engine_on(store, {"p": program})
    run_id = await first.start("p", {})
    await gate.begun.wait()
    kill(first)
    gate.let_go.set()
    async with engine_on(store, {"p": program}, liveness=DeadToTheWorld()) as second:
        await second.resume(run_id)
        history = await second.settle(run_id)
        assert history.state is TaskState.INPUT_REQUIRED
        assert gate.runs == 1
        await second.answer(run_id, "pay#1!interrupted", answer)
        await second.resume(run_id)
        history = await second.settle(run_id)
    assert history.state is state
    assert gate.runs == runs


async def test_an_at_most_once_step_may_be_come_to_again(store: MemoryStore) -> None:
    async def program(context: RunContext, inputs: Inputs) -> object:
        for _ in range(3):
            await context.step("pay", nothing, once=True)

    async with engine_on(store, {"p": program}) as engine:
        history = await engine.settle(await engine.start("p", {}))
    assert history.state is TaskState.COMPLETED
    assert list(history.steps) == [("pay", 1), ("pay", 2), ("pay", 3)]


@pytest.mark.promise("full-disk-loses-nothing")
async def test_a_failing_store_stops_the_run_and_loses_nothing(store: MemoryStore) -> None:
    ran: list[int] = []

    async def effect(number: int) -> int:
        ran.append(number)
        return number

    async def program(context: RunContext, inputs: Inputs) -> object:
        return [await context.step("s", effect, number) for number in range(4)]

    full = FaultyStore(store, {("batch", 4): StorageFull("no space is left")})
    async with engine_on(full, {"p": program}) as engine:
        run_id = await engine.start("p", {})
        with pytest.raises(StorageFull):
            await engine.settle(run_id)
        assert (await engine.history(run_id)).state is TaskState.WORKING
    async with engine_on(store, {"p": program}) as engine:
        await engine.recover()
        history = await engine.settle(run_id)
    assert history.result == [0, 1, 2, 3]
    assert ran == [0, 1, 2, 2, 3]


async def test_two_calls_of_one_name_at_once_are_refused(store: MemoryStore) -> None:
    async def program(context: RunContext, inputs: Inputs) -> object:
        return await asyncio.gather(context.step("s", nothing), context.step("s", nothing))

    async with engine_on(store, {"p": program}) as engine:
        history = await engine.settle(await engine.start("p", {}))
    assert history.error is not None
    assert "under way at once" in str(history.error["message"])


def _holding_itself() -> object:
    value: list[object] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({1, 2}, "Object of type set is not JSON serializable"),
        (_holding_itself(), "it is nested too deeply, or holds itself"),
        (float("nan"), "not JSON compliant"),
    ],
)
async def test_a_result_that_is_not_json_fails_the_step_with_its_name(
    store: MemoryStore, value: object, reason: str
) -> None:
    async def wrong() -> object:
        return value

    async def program(context: RunContext, inputs: Inputs) -> object:
        return await context.step("odd", wrong)

    async with engine_on(store, {"p": program}) as engine:
        history = await engine.settle(await engine.start("p", {}))
    assert history.error is not None
    assert "result of odd cannot be journaled" in str(history.error["message"])
    assert reason in str(history.error["message"])


async def test_a_step_gives_at_first_what_a_replay_gives(store: MemoryStore) -> None:
    async def pair() -> object:
        return (1, 2)

    async def program(context: RunContext, inputs: Inputs) -> object:
        return str(await context.step("pair", pair))

    async with engine_on(store, {"p": program}) as engine:
        history = await engine.settle(await engine.start("p", {}))
    assert history.result == "[1, 2]"


async def test_the_spans_of_a_run_lie_below_one_another(store: MemoryStore) -> None:
    async def program(context: RunContext, inputs: Inputs) -> object:
        return await context.step("s", nothing)

    kept = Kept()
    async with engine_on(store, {"p": program}, sink=kept) as engine:
        run_id = await engine.start("p", {}, name="named")
        await engine.settle(run_id)
    step, top = kept.spans
    assert (top.name, top.kind, step.name, step.kind) == ("named", "run", "s", "step")
    assert step.parent_id == top.span_id
    assert {top.trace_id, step.trace_id} == {run_id}


async def test_a_run_that_is_unloaded_while_it_waits_has_not_failed(store: MemoryStore) -> None:
    async def program(context: RunContext, inputs: Inputs) -> object:
        return await context.wait_for_input("word", "a word?")

    kept = Kept()
    async with engine_on(store, {"p": program}, sink=kept) as engine:
        run_id = await engine.start("p", {}, name="named")
        await engine.settle(run_id)
        assert (kept["named"].status, kept["named"].attributes["stopped"]) == ("ok", "unload")
        await engine.answer(run_id, "word", "kelp")
        await engine.resume(run_id)
        history = await engine.settle(run_id)
    assert history.result == "kelp", history.error
    waits = {span.span_id for span in kept.spans if span.kind == "wait"}
    assert len(waits) == 1
    wait = kept["word"]
    assert (wait.kind, wait.trace_id) == ("wait", run_id)
    request = history.requests["word"]
    assert wait.start_ns == request.at * 1_000_000
    assert wait.end_ns == request.answered_at * 1_000_000


async def test_a_remembered_failure_is_raised_like_the_first_one(store: MemoryStore) -> None:
    raised: list[StepFailed] = []

    async def fail() -> None:
        raise ValueError("no")

    async def program(context: RunContext, inputs: Inputs) -> object:
        try:
            await context.step("s", fail)
        except StepFailed as error:
            raised.append(error)
        return await context.wait_for_input("q", "?")

    async with engine_on(store, {"p": program}) as engine:
        run_id = await engine.start("p", {})
        await engine.settle(run_id)
        await engine.answer(run_id, "q", 1)
        await engine.resume(run_id)
        await engine.settle(run_id)
    assert [str(each) for each in raised] == ["s: no", "s: no"]
    assert raised[0].error == raised[1].error


async def test_no_more_steps_run_at_once_than_may_and_each_has_its_turn(store: MemoryStore) -> None:
    inside, most = 0, 0

    async def effect() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1

    async def program(context: RunContext, inputs: Inputs) -> object:
        lanes = (context.scope(str(n)).step("s", effect) for n in range(7))
        return len(await asyncio.gather(*lanes))

    async with asyncio.timeout(60), engine_on(store, {"p": program}, concurrency=2) as engine:
        history = await engine.settle(await engine.start("p", {}))
    assert (history.result, most) == (7, 2)


async def test_steps_at_once_share_an_append(store: MemoryStore) -> None:
    async def program(context: RunContext, inputs: Inputs) -> object:
        lanes = (context.scope(str(n)).step("s", nothing) for n in range(20))
        return len(await asyncio.gather(*lanes))

    counting = FaultyStore(store, {})
    async with engine_on(counting, {"p": program}) as engine:
        history = await engine.settle(await engine.start("p", {}))
    assert history.result == 20
    assert counting.calls["batch"] <= 5


async def test_a_program_that_cancels_itself_has_failed(store: MemoryStore) -> None:
    async def program(context: RunContext, inputs: Inputs) -> object:
        raise asyncio.CancelledError

    async with engine_on(store, {"p": program}) as engine:
        history = await engine.settle(await engine.start("p", {}))
    assert history.state is TaskState.FAILED
    assert history.error is not None
    assert history.error["message"] == "the program cancelled itself"
