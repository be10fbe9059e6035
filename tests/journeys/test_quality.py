"""A cheaper model earns its place under a floor, as somebody sees it who runs workflows and the proxy."""

from __future__ import annotations

import json
import signal

import pytest

from holdfast.testing.upstream import Act, Fault, Reply, Upstream
from tests.journeys.cli import Project, stop
from tests.journeys.test_route_command import ask, both, proxied, upstream

SETTINGS = """
model = "auto"
[providers.desk]
base_url = "{desk}"
tier = "local"
[providers.desk.models."tiny"]
input_sats_per_million = 1000
output_sats_per_million = 1000
[providers.cloud]
base_url = "{cloud}"
tier = "frontier"
[providers.cloud.models."huge"]
input_sats_per_million = 100000
output_sats_per_million = 100000
[routing.quality]
alpha = 0.2
prove_share = 1
check_share = 1
judge = "agreement"
chooser = "complexity"
min_quality = 0.5
"""
FLOW = """
name: count
state: {total: int}
nodes:
  count:
    kind: model
    prompt: "How many bones has a hand? Please count them with care."
    returns: int
    output: total
"""
ASKED = {
    "model": "auto",
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
    "max_tokens": 50,
}
SEVEN = Act(reply=Reply(text='{"total": 27}'))


@pytest.fixture
def floored(project: Project):
    with upstream(SEVEN) as tiny, upstream(SEVEN) as huge:
        project.write("holdfast.toml", SETTINGS.format(desk=tiny.url, cloud=huge.url))
        yield project, tiny, huge


def test_a_workflow_is_served_by_the_cheap_model_once_it_is_shown(
    floored: tuple[Project, Upstream, Upstream],
) -> None:
    project, tiny, huge = floored
    project.write("count.yaml", FLOW)
    models: list[str] = []
    while "tiny" not in models and len(models) < 12:
        done = project.run("run", "count.yaml", "--json")
        assert done.code == 0, done.err
        assert done.data["result"] == {"total": 27}
        models.append(done.data["steps"][0]["model"])
    assert models[0] == "huge"
    assert models[-1] == "tiny"
    assert len(tiny.exchanges) == len(models)  # each run of the other was checked before it ended

    text, data = both(project, "route", "quality")
    assert "tiny for huge" in text.out
    assert data["comparisons"][0]["standing"] == "shown"
    _, data = both(project, "route", "stats", "--by", "class")
    assert {each["group"] for each in data["groups"]} == {"structured", "check"}
    text, _ = both(project, "route", "explain", "auto", "--prompt", "Count the bones of a foot.")
    assert "tiny" in text.out.splitlines()[0]
    both(project, "route", "quality", "--forget", "tiny")
    assert project.run("route", "quality").out == "nothing was compared yet\n"
    text, _ = both(project, "route", "explain", "auto", "--prompt", "Count the bones of a foot.")
    assert "(n=0 of " in text.out
    assert len(huge.exchanges) == len(models)


def test_who_does_not_wait_for_a_check_has_the_result_all_the_same(
    floored: tuple[Project, Upstream, Upstream],
) -> None:
    project, tiny, _ = floored
    tiny.default = Act(fault=Fault.HANG)
    project.write("count.yaml", FLOW)
    process = project.start("run", "count.yaml", "--json")
    assert process.stderr is not None
    assert any("being compared (1)" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(said)["result"] == {"total": 27}
    _, data = both(project, "route", "quality")
    assert data["comparisons"] == []


def test_evidence_outlives_a_kill_and_users_may_correct_it(
    floored: tuple[Project, Upstream, Upstream],
) -> None:
    project, _, _ = floored
    with proxied(project) as (address, process):
        status, headers, _ = ask(address, ASKED)
        assert (status, headers["x-holdfast-model"]) == (200, "huge")
        request = headers["x-holdfast-request-id"]
        while "n=1 of" not in headers["x-holdfast-quality"]:
            status, headers, _ = ask(address, ASKED | {"max_tokens": 49})
            if "n=0" not in headers["x-holdfast-quality"]:
                break
        stop(process, signal.SIGKILL)
    _, data = both(project, "route", "quality")
    assert data["comparisons"][0]["both_good"] >= 1
    before = data["comparisons"][0]
    _, told = both(project, "route", "feedback", request[:8], "bad")
    assert told == {"request_id": request, "model": "huge", "good": False, "corrected": True}
    after = both(project, "route", "quality")[1]["comparisons"][0]
    assert after["candidate_only"] == before["candidate_only"] + 1
    assert after["both_good"] == before["both_good"] - 1
    for wrong in (("zzzz", "good"), ("0" * 32, "bad")):
        done = project.run("route", "feedback", *wrong)
        assert done.code == 2
        assert "request" in done.err


def test_a_folder_without_evidence_says_how_it_comes(project: Project) -> None:
    text, data = both(project, "route", "quality")
    assert "under a policy with min_quality" in text.out
    assert data == {"comparisons": []}
    done = project.run("route", "feedback", "0" * 32, "good")
    assert done.code == 2
    assert "under a policy with min_quality" in done.err
