"""Suites of scenarios: the real workflow, recorded answers or a budget, an identity of their own."""

from __future__ import annotations

import pytest

from tests.journeys.cli import Project
from tests.journeys.test_providers import SETTINGS
from tests.servers.aimock import KEY, AimockServer

JUDGE = """
name: judge
model: mock-model
inputs: {text: str}
state: {score: float, verdict: str}
nodes:
  judge:
    kind: model
    prompt: "judge {inputs.text}"
    returns: {type: object, fields: {score: float}}
    output: {score: score}
  approve: {kind: human, ask: "publish {state.score}?", output: verdict}
edges:
  - {from: start, to: judge}
  - {from: judge, to: approve}
"""
SUITE = """
suite: nightly
workflow: judge.yaml
scenarios:
  - name: publishes
    inputs: {text: this}
    answers: {approve: yes}
    expect: ['state.score == 0.5', 'result.verdict == "yes"', "steps == 1", "cost_msat == 0"]
    within: 60s
  - name: rejects
    inputs: {text: this}
    answers: {"approve#1": no}
    expect: ['state.verdict == "yes"']
"""
OFFLINE = """
name: digest
inputs: {text: str}
state: {digest: str}
nodes:
  digest: {kind: model, model: offline/extract, prompt: "{inputs.text}", output: digest}
"""


@pytest.mark.service
@pytest.mark.promise("suite-spends-within-budget")
def test_answers_are_recorded_within_a_budget_and_given_again_for_nothing(
    project: Project, aimock: AimockServer
) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
    reply = {"content": '{"score": 0.5}', "usage": usage}
    aimock.answer({"match": {"userMessage": "judge this"}, "response": reply})
    project.write("holdfast.toml", SETTINGS.format(url=aimock.url, model="mock-model"))
    project.write("judge.yaml", JUDGE)
    project.write("nightly.yaml", SUITE)

    refused = project.run("suite", "run", "nightly.yaml", "--record", SERVER_KEY=KEY)
    assert refused.code == 2
    assert "within a budget only" in refused.err

    words = ("suite", "run", "nightly.yaml", "--live", "--json")
    broke = project.run(*words, "--budget-sats", "1", SERVER_KEY=KEY)
    assert broke.code == 1
    assert broke.data["spent_msat"] == 2000  # one call was allowed, because 1 sat was left
    assert "the budget of 1 sat is spent" in broke.data["scenarios"][1]["reasons"][0]
    assert len(aimock.requests()) == 1

    recorded = project.run(
        "suite", "run", "nightly.yaml", "--record", "--budget-sats", "10", SERVER_KEY=KEY
    )
    assert "spent 4 sat" in recorded.err
    asked = len(aimock.requests())

    played = project.run("suite", "run", "nightly.yaml", "--json")
    assert len(aimock.requests()) == asked
    first, second = played.data["scenarios"]
    assert (first["passed"], first["cost_msat"], played.data["spent_msat"]) == (True, 0, 0)
    assert second["reasons"] == ['expected state.verdict == "yes" (state.verdict is "no")']
    assert played.code == 1

    assert project.run("list", "--json").data == []
    assert KEY not in (project.folder / "nightly.answers.jsonl").read_text()


def test_a_question_that_was_never_recorded_fails_the_scenario_and_says_what_to_do(
    project: Project,
) -> None:
    project.write("judge.yaml", JUDGE)
    project.write("nightly.yaml", SUITE)
    done = project.run("suite", "run", "nightly.yaml", "--scenario", "publishes")
    assert done.code == 1
    assert "FAIL  publishes" in done.out
    assert "no answer of 'mock-model' is recorded for 'judge this'" in done.out


def test_a_suite_is_checked_against_its_workflow_without_running_it(project: Project) -> None:
    project.write("judge.yaml", JUDGE)
    wrong = (
        SUITE.replace("{text: this}", "{texxt: this}", 1)
        .replace("approve: yes", "aprove: yes")
        .replace("state.verdict ==", "state.verdicts ==")
    )
    project.write("nightly.yaml", wrong)
    done = project.run("suite", "validate", "nightly.yaml")
    assert done.code == 2
    for said in (
        "publishes: unknown input 'texxt' (did you mean 'text'?)",
        "publishes: no node asks a person as 'aprove' (did you mean 'approve'?)",
        "rejects: there is nothing in 'state' called 'verdicts' (did you mean 'verdict'?)",
    ):
        assert said in done.err
    project.write("nightly.yaml", SUITE)
    assert project.run("suite", "validate", "nightly.yaml").code == 0
    (project.folder / "judge.yaml").unlink()
    assert "cannot read the workflow" in project.run("suite", "validate", "nightly.yaml").err
    project.write("nightly.yaml", "")
    empty = project.run("suite", "validate", "nightly.yaml").err
    assert "the file is empty (a suite has at least a workflow and scenarios)" in empty


def test_a_suite_on_the_extractor_needs_no_recording(project: Project) -> None:
    project.write("digest.yaml", OFFLINE)
    project.write(
        "tries.yaml",
        "workflow: digest.yaml\nscenarios:\n  - name: short\n    inputs: {text: Kelp grips.}\n"
        "    expect: ['\"Kelp\" in result.digest']\n",
    )
    done = project.run("suite", "run", "tries.yaml")
    assert (done.code, done.err.strip()) == (0, "tries: 1 passed, 0 failed")
    assert "pass  short" in done.out
    assert "digest" in done.out


def test_all_mistakes_of_a_suite_are_told_at_once_and_nothing_runs(project: Project) -> None:
    project.write(
        "bad.yaml",
        "suit: x\nworkflow: w.yaml\nscenarios:\n  - name: a\n    witin: 3s\n"
        "    expect: ['stps == 1', 'result =']\n    ends: done\n  - name: a\n    within: soon\n  - 3\n",
    )
    done = project.run("suite", "validate", "bad.yaml")
    assert done.code == 2
    for said in (
        "bad.yaml:1:1: unknown field 'suit' (did you mean 'suite'?)",
        "bad.yaml:5:5: unknown field 'witin' (did you mean 'within'?)",
        "there is no 'stps' to expect of (did you mean 'steps'?)",
        "not an expression",
        "'ends' must be one of completed, failed, cancelled",
        "a second scenario is 'a'",
        "'within' must be a time",
        "must be names with values",
    ):
        assert said in done.err, said


def test_a_scenario_that_is_asked_what_it_has_no_answer_to_says_so(project: Project) -> None:
    project.write(
        "ask.yaml",
        "name: ask\nstate: {word: str}\nnodes:\n  ask: {kind: human, ask: a word?, output: word}\n",
    )
    project.write("tries.yaml", "workflow: ask.yaml\nscenarios:\n  - name: silent\n")
    done = project.run("suite", "run", "tries.yaml", "--json")
    (scenario,) = done.data["scenarios"]
    assert done.code == 1
    assert "it asks 'ask#1'" in scenario["reasons"][0]
    assert scenario["state"] == "cancelled"


def test_damaged_answers_and_unknown_scenarios_are_told_by_name(project: Project) -> None:
    project.write("digest.yaml", OFFLINE)
    project.write("tries.yaml", "workflow: digest.yaml\nscenarios:\n  - name: one\n")
    unknown = project.run("suite", "run", "tries.yaml", "--scenario", "two")
    assert unknown.code == 2
    assert "the suite has no scenario 'two'" in unknown.err
    project.write("tries.answers.jsonl", '{"key": "x"}\n')
    damaged = project.run("suite", "run", "tries.yaml")
    assert damaged.code == 2
    assert "tries.answers.jsonl:1: is no recorded answer" in damaged.err
