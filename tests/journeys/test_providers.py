"""Whole workflows on model servers that somebody else wrote."""

from __future__ import annotations

import asyncio

import pytest

from tests.journeys.cli import Project, stop, wait_for_line
from tests.servers.aimock import KEY, AimockServer
from tests.servers.llama import MODEL, LlamaServer

pytestmark = pytest.mark.service

SETTINGS = """
[providers.server]
base_url = "{url}"
api_key = "${{SERVER_KEY}}"
[providers.server.models."{model}"]
input_sats_per_million = 1000
output_sats_per_million = 2000
"""
JUDGE = """
name: judge
model: mock-model
state: {score: float, verdict: str}
nodes:
  judge:
    kind: model
    prompt: judge this
    returns: {type: object, fields: {score: float}}
    output: {score: score}
    retry: {attempts: 3, wait: 10ms}
  tell: {kind: model, prompt: "tell {state.score}", output: verdict, retry: {attempts: 3, wait: 10ms}}
"""
USAGE = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}


def says(text: str, content: str, **match: object) -> dict[str, object]:
    return {
        "match": {"userMessage": text, **match},
        "response": {"content": content, "usage": USAGE},
    }


def test_a_workflow_asks_a_provider_and_adds_up_what_it_cost(
    project: Project, aimock: AimockServer
) -> None:
    aimock.answer(says("judge this", '{"score": 0.5}'), says("tell 0.5", "well done"))
    project.write("holdfast.toml", SETTINGS.format(url=aimock.url, model="mock-model"))
    project.write("judge.yaml", JUDGE)

    done = project.run("run", "judge.yaml", "--json", SERVER_KEY=KEY)

    assert done.code == 0, done.out
    assert done.data["result"] == {"score": 0.5, "verdict": "well done"}
    assert done.data["cost_msat"] == 2 * (1000 * 1 + 500 * 2)
    assert [step["input_tokens"] for step in done.data["steps"]] == [1000, 1000]
    assert "server/mock-model" in project.run("show", done.data["id"]).out
    assert KEY not in done.out + done.err


def test_a_provider_that_is_overloaded_is_asked_again_and_paid_once(
    project: Project, aimock: AimockServer
) -> None:
    busy = {"error": {"message": "slow down", "type": "rate_limit_error"}, "status": 429}
    aimock.answer(
        says("judge this", '{"score": 1}'),
        {"match": {"userMessage": "tell 1", "sequenceIndex": 0}, "response": busy},
        says("tell 1", "at last"),
    )
    project.write("holdfast.toml", SETTINGS.format(url=aimock.url, model="mock-model"))
    project.write("judge.yaml", JUDGE)

    done = project.run("run", "judge.yaml", SERVER_KEY=KEY)

    assert done.code == 0, done.err
    assert "retry       tell" in done.err
    assert "at last" in done.out
    asked = [str(body) for body in aimock.requests()]
    assert sum("judge this" in body for body in asked) == 1


def test_a_cancelled_run_stops_the_model_that_is_generating(
    project: Project, llama: LlamaServer
) -> None:
    project.write("holdfast.toml", SETTINGS.format(url=llama.url, model=MODEL))
    project.write("long.yaml", f"""
name: long
model: {MODEL}
inputs: {{turns: "list[int]"}}
nodes:
  first: {{kind: model, prompt: kelp, max_tokens: 8}}
  talk: {{kind: model, map: {{over: inputs.turns, as: turn, concurrency: 1}}, prompt: kelp, returns: {{type: list, items: int}}, max_tokens: 1900}}
""")  # fmt: skip
    process = project.start("run", "long.yaml", "-i", f"turns={[*range(99)]}", SERVER_KEY="none")
    said = wait_for_line(process, "done        first")
    run_id = said.split("run ")[1][:32]
    assert project.run("cancel", run_id).code == 0
    assert process.wait(timeout=30) == 7
    stop(process)

    async def idle() -> None:
        async with asyncio.timeout(10):
            while await asyncio.to_thread(llama.busy_slots):
                pass  # each look is a request that takes a while

    asyncio.run(idle())
