"""Workflows that ask models and people, and that are killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast.agents.replay import variables_of
from holdfast.agents.run import WorkflowProgram
from holdfast.clock import SystemClock
from holdfast.engine.records import summarise
from holdfast.errors import ProviderUnavailable
from holdfast.routing.seam import Price
from holdfast.storage.memory import MemoryStore
from holdfast.tasks.state import TaskState
from holdfast.testing.providers import ScriptedProvider
from tests.agents.bench import Bench, result_of
from tests.engine.support import engine_on


@pytest.mark.promise("prompts-as-written")
async def test_a_prompt_is_sent_exactly_as_written(bench: Bench) -> None:
    seen: list[Any] = []

    def reply(request: Any) -> str:
        seen.append(request)
        return "fine"

    bench.ask(ScriptedProvider(reply))
    await bench.run("""
name: exact
inputs: {x: str}
state: {out: str}
nodes:
  ask: {kind: model, system: 'Be {"brief": true}', prompt: "  {inputs.x} {{inputs.x}}\\n", output: out}
""", x="{state.out}")  # fmt: skip
    (request,) = seen
    assert [(m.role, m.content) for m in request.messages] == [
        ("system", 'Be {"brief": true}'),
        ("user", "  {state.out} {inputs.x}\n"),
    ]
    assert request.output is None


async def test_a_structured_reply_is_parsed_and_picked_apart(bench: Bench) -> None:
    bench.ask(ScriptedProvider(['{"score": 0.5, "notes": ["a"]}']))
    history = await bench.run("""
name: structured
state: {score: float, notes: "list[str]"}
nodes:
  judge:
    kind: model
    prompt: Judge.
    returns: {type: object, fields: {score: float, notes: "list[str]"}}
    output: {score: score, notes: notes}
""")
    assert result_of(history) == {"score": 0.5, "notes": ["a"]}


async def test_a_reply_that_does_not_fit_is_asked_for_again(bench: Bench) -> None:
    model = ScriptedProvider(['{"score": "high"}', "nonsense", '{"score": 1}'])
    bench.ask(model)
    history = await bench.run("""
name: again
state: {score: object}
nodes:
  judge: {kind: model, prompt: Judge., returns: {type: object, fields: {score: float}}, output: score}
""")
    assert result_of(history) == {"score": {"score": 1}}
    assert len(model.requests) == 3
    assert "does not fit" in model.requests[1].messages[-1].content
    assert "not JSON" in model.requests[2].messages[-1].content


async def test_a_list_reply_travels_in_an_object(bench: Bench) -> None:
    bench.ask(ScriptedProvider(['{"topics": ["a", "b"]}']))
    history = await bench.run("""
name: listed
state: {topics: "list[str]"}
nodes:
  ask: {kind: model, prompt: Topics?, returns: "list[str]", output: topics}
""")
    assert result_of(history) == {"topics": ["a", "b"]}


async def test_a_person_is_asked_and_their_answer_routes(bench: Bench) -> None:
    text = """
name: gate
inputs: {draft: str}
state: {verdict: str, out: {type: str, default: dropped}}
nodes:
  approve: {kind: human, ask: "Publish {inputs.draft}?", returns: {type: enum, values: [yes, no]}, output: verdict}
  publish: {kind: python, call: "flow_functions:say", arguments: {text: published}, returns: str, output: out}
edges:
  - start -> approve
  - {from: approve, to: publish, when: "state.verdict == 'yes'"}
  - {from: approve, to: end, otherwise: true}
output: "{state.out}"
"""
    history = await bench.run(text, draft="it")
    assert history.state is TaskState.INPUT_REQUIRED
    ((key, request),) = history.open_requests.items()
    assert (key, request.prompt) == ("approve#1", "Publish it?")
    assert request.schema["enum"] == ["yes", "no"]
    async with bench.engine() as engine:
        run_id = history.birth.id
        await engine.answer(run_id, "approve#1", "yes")
        await engine.resume(run_id)
        assert result_of(await engine.settle(run_id)) == "published"


async def test_the_variables_of_a_waiting_run_are_told_from_its_journal(bench: Bench) -> None:
    text = """
name: seen
state: {n: {type: int, default: 1}, later: int, verdict: str}
nodes:
  inc: {kind: python, call: "flow_functions:inc", arguments: {n: "{state.n}"}, returns: int, output: n}
  ask: {kind: human, ask: "Go on?", output: verdict}
  more: {kind: python, call: "flow_functions:inc", arguments: {n: "{state.n}"}, returns: int, output: later}
"""
    history = await bench.run(text)
    known = await variables_of(bench.load(text), history, bench.services)
    assert known == {"n": 2}


async def test_what_a_failed_step_would_have_written_is_not_among_the_variables(
    bench: Bench,
) -> None:
    text = """
name: half
state: {n: {type: int, default: 1}, lost: any}
nodes:
  inc: {kind: python, call: "flow_functions:inc", arguments: {n: "{state.n}"}, returns: int, output: n}
  boom: {kind: python, call: "flow_functions:boom", output: lost}
"""
    history = await bench.run(text)
    assert history.state is TaskState.FAILED
    assert await variables_of(bench.load(text), history, bench.services) == {"n": 2}


@pytest.mark.promise("branches-replay", "finished-step-never-reruns")
async def test_a_workflow_killed_at_any_write_ends_as_undisturbed(
    bench: Bench, tmp_path: Path
) -> None:
    from contextlib import suppress

    from holdfast.testing.stores import Crashed, CrashingStore
    from tests.engine.support import DeadToTheWorld

    text = """
name: storm
state:
  n: {type: int, default: 0}
  seen: {type: "list[int]", reducer: append, default: []}
  mapped: {type: "list[int]", reducer: append, default: []}
nodes:
  inc: {kind: python, call: "flow_functions:inc", arguments: {n: "{state.n}"}, returns: int, output: n}
  left: {kind: python, call: "flow_functions:add", arguments: {a: "{state.n}", b: 10}, returns: int, output: seen}
  right: {kind: python, call: "flow_functions:add", arguments: {a: "{state.n}", b: 20}, returns: int, output: seen}
  each: {kind: python, call: "flow_functions:add", map: {over: state.seen, as: item, concurrency: 2}, arguments: {a: "{item}", b: 100}, returns: int, output: mapped}
edges:
  - start -> inc
  - {from: inc, to: [left, right]}
  - left -> each
  - right -> each
  - {from: each, to: inc, when: "state.n < 2", limit: 5}
  - {from: each, to: end, otherwise: true}
"""
    program: Callable[[], dict[str, Any]] = lambda: {  # noqa: E731
        "workflow": WorkflowProgram(bench.services, bench.load)
    }
    undisturbed = result_of(await bench.run(text))
    after, killed = 0, 0
    while True:
        async with MemoryStore(clock=SystemClock()) as inner:
            dying = CrashingStore(inner, after=after)
            with suppress(Crashed):
                async with engine_on(dying, program()) as engine:
                    run_id = await engine.start("workflow", {}, definition=text.encode(),
                                                origin=str(tmp_path / "flow.yaml"))  # fmt: skip
                    await engine.settle(run_id)
            open_runs = await inner.scan(("task-open",))
            if open_runs:
                killed += 1
                run_id = open_runs[0].key[2]
                async with engine_on(inner, program(), liveness=DeadToTheWorld()) as engine:
                    before = set((await engine.history(run_id)).steps)
                    await engine.recover()
                    history = await engine.settle(run_id)
                assert result_of(history) == undisturbed
                assert before <= set(history.steps)
            if not dying.crashed:
                break
        after += 1
    assert killed >= 8


@pytest.mark.promise("paid-once", "unknown-cost-is-unknown")
async def test_a_reply_that_was_journaled_is_never_paid_for_again(bench: Bench) -> None:
    price = Price(input_msat_per_million=1_000_000, output_msat_per_million=2_000_000)
    model = ScriptedProvider(["first", ProviderUnavailable("down"), "second"], price=price)
    bench.ask(model)
    text = """
name: paid
state: {a: str, b: str, go: str}
nodes:
  one: {kind: model, prompt: one, output: a}
  ask: {kind: human, ask: "Go on?", output: go}
  two: {kind: model, prompt: two, output: b, retry: {attempts: 2, wait: 0}}
"""
    history = await bench.run(text)
    run_id = history.birth.id
    async with bench.engine() as engine:
        await engine.answer(run_id, "ask#1", "yes")
        await engine.resume(run_id)
        history = await engine.settle(run_id)
    assert result_of(history) == {"a": "first", "b": "second", "go": "yes"}
    assert [request.messages[-1].content for request in model.requests] == ["one", "two", "two"]
    summary = summarise(history)
    assert (summary.cost_msat, summary.cost_known) == (2 * (10 * 1 + 5 * 2), True)

    bench.ask(ScriptedProvider(["free?", "free?"]))
    unpriced = await bench.run(text)
    assert summarise(unpriced).cost_known is False
