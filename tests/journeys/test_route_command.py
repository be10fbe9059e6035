"""`holdfast route` and `holdfast proxy`, as somebody uses them who has just made a project."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from holdfast.testing.upstream import Act, Fault, Reply, Upstream
from tests.journeys.cli import Done, Project, stop

SETTINGS = """
model = "small"
[providers.desk]
base_url = "{desk}"
tier = "local"
[providers.desk.models."small"]
input_sats_per_million = 1000
output_sats_per_million = 2000
[providers.cloud]
base_url = "{cloud}"
api_key = "${{CLOUD_KEY}}"
tier = "frontier"
[providers.cloud.models."small"]
input_sats_per_million = 10000
output_sats_per_million = 40000
[providers.cloud.models."large"]
input_sats_per_million = 10000
output_sats_per_million = 40000
[routing.policies.private]
privacy = "named"
providers = ["desk"]
keywords = ["salary"]
"""
IMPOSSIBLE = """[routing.policies.odd]
providers = ["clowd"]
models = ["smal"]
check = "nowhere:passes"
[routing.budgets]
day_sats = 0
"""
NOWHERE = "http://127.0.0.1:9/v1"
KEY = {"CLOUD_KEY": "secret-of-the-cloud"}
NO_KEY = (
    "warning: provider 'cloud' has no key, so no request to it can succeed: "
    "set the environment variable CLOUD_KEY where Holdfast is started"
)
ASK = """
name: ask
state: {answer: str}
nodes:
  ask: {kind: model, prompt: "Why is the sky blue?", output: answer, max_tokens: 100}
"""
CHAT = {"model": "small", "messages": [{"role": "user", "content": "Why?"}], "max_tokens": 100}


@contextmanager
def upstream(default: Act | None = None) -> Iterator[Upstream]:
    """Run a provider in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    made = Upstream(default=default or Act(reply=Reply(text="Because.")))
    try:
        asyncio.run_coroutine_threadsafe(made.accept(), loop).result(10)
        yield made
    finally:
        asyncio.run_coroutine_threadsafe(made.__aexit__(None), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextmanager
def proxied(
    project: Project, command: str = "proxy"
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start the proxy on a free port; give its address."""
    process = project.start(command, "--port", "0", "--json", **KEY)
    assert process.stdout is not None
    said = ""
    while not said.endswith("}\n"):
        line = process.stdout.readline()
        assert line, process.stderr and process.stderr.read()
        said += line
    try:
        yield json.loads(said)["address"], process
    finally:
        if process.poll() is None:
            stop(process)


def ask(address: str, body: object, path: str = "/v1/chat/completions", **headers: str) -> Any:
    """Ask the proxy; return status, headers and body."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    request = urllib.request.Request(address + path, json.dumps(body).encode(), named)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


@pytest.fixture
def offline(project: Project) -> Project:
    """A project whose providers are configured, and never there."""
    project.write("holdfast.toml", SETTINGS.format(desk=NOWHERE, cloud=NOWHERE))
    return project


def both(project: Project, *words: str, code: int = 0) -> tuple[Done, Any]:
    """Run a command as text and with `--json`."""
    text, data = project.run(*words, **KEY), project.run(*words, "--json", **KEY)
    assert (text.code, data.code) == (code, code), text.err + data.err
    return text, data.data


def test_a_fresh_folder_is_told_what_to_do(project: Project) -> None:
    done = project.run("route", "check")
    assert done.code == 0
    assert "add [providers.NAME] to holdfast.toml" in done.out
    for verb in ("stats", "requests"):
        text, _ = both(project, "route", verb)
        assert text.out == "no model call was logged here yet\n"
    assert not (project.folder / ".holdfast").exists()


def test_check_names_the_variable_that_is_missing(offline: Project) -> None:
    done = offline.run("route", "check")
    assert done.code == 2
    assert (
        "providers.cloud.api_key: provider 'cloud': the variable CLOUD_KEY is not set" in done.out
    )
    text, data = both(offline, "route", "check")
    assert "everything is there" in text.out
    assert data["problems"] == []
    assert KEY["CLOUD_KEY"] not in text.out + json.dumps(data)


def test_check_knows_providers_that_have_no_address(project: Project) -> None:
    (project.folder / "holdfast.toml").write_text(
        """
[providers.far]
kind = "litellm"
prefix = "openai"
api_key = "k"
models = ["plain"]

[providers.any]
kind = "litellm"
prefix = "bedrock"
[providers.any.models."dear"]
input_sats_per_million = 1000
output_sats_per_million = 2000
"""
    )
    text, data = both(project, "route", "check")
    assert [each["prices"] for each in data["providers"]] == [
        {"plain": None},
        {"dear": "configuration"},
    ]
    assert "far  litellm  1 model, 1 without a price" in text.out
    assert "price unknown" in text.out


def test_check_tells_all_that_cannot_work_at_once_with_its_line(offline: Project) -> None:
    settings = offline.folder / "holdfast.toml"
    lines = len(settings.read_text().splitlines())
    settings.write_text(settings.read_text() + IMPOSSIBLE)
    text, data = both(offline, "route", "check", code=2)
    told = [each["problem"] for each in data["problems"]]
    assert told == [
        "policy 'odd': there is no provider 'clowd'",
        "policy 'odd': no provider has the model 'smal'",
        "allows nothing: every request that may cost something is refused",
        "module 'nowhere' cannot be imported: ModuleNotFoundError: No module named 'nowhere'",
    ]
    places = [each["place"].rpartition(":")[2] for each in data["problems"]]
    assert places == [str(lines + number) for number in (2, 3, 6, 4)]
    assert f"holdfast.toml:{lines + 6}: routing.budgets.day: allows nothing" in text.out
    assert "did you mean 'cloud'?" in text.out
    assert KEY["CLOUD_KEY"] not in text.out


def test_explain_shows_the_cheapest_first_and_why_another_is_not_asked(offline: Project) -> None:
    _, data = both(offline, "route", "explain", "small")
    assert [(each["status"], each["provider"]) for each in data["candidates"]] == [
        ("chosen", "desk"), ("next", "cloud"),
    ]  # fmt: skip
    text, data = both(offline, "route", "explain", "small", "--prompt", "What SALARY has she?")
    assert data["policy"] == "private"
    assert data["candidates"][1]["status"] == "rejected"
    assert "policy 'private' allows the providers desk only" in text.out
    _, data = both(offline, "route", "explain", "small", "--tier", "standard")
    assert data["candidates"][1]["reason"] == "is of tier frontier, above standard"


def test_explain_says_which_models_and_policies_there_are(offline: Project) -> None:
    done = offline.run("route", "explain", "smal", **KEY)
    assert done.code == 5
    assert "no configured provider serves the model 'smal'" in done.err
    assert "desk: small; cloud: small, large" in done.err
    done = offline.run("route", "explain", "small", "--policy", "secret", **KEY)
    assert done.code == 2
    assert "policies of this project: 'private'" in done.err


def test_the_extractor_is_never_the_model_that_is_chosen_where_there_is_a_model(
    offline: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    _, data = both(offline, "route", "explain", "auto")
    assert [each for each in data["candidates"] if each["provider"] == "offline"] == []
    bare = Project(tmp_path_factory.mktemp("bare"))
    _, data = both(bare, "route", "explain", "auto")
    assert data["candidates"][0]["provider"] == "offline"


def test_providers_are_listed_with_their_prices(offline: Project) -> None:
    text, data = both(offline, "route", "providers")
    assert "1000 sat in, 2000 sat out a million" in text.out
    assert [each["name"] for each in data["providers"]] == ["desk", "cloud", "offline"]


def test_what_a_run_and_a_client_asked_stands_in_one_bill(project: Project) -> None:
    with upstream() as desk, upstream() as cloud:
        project.write("holdfast.toml", SETTINGS.format(desk=desk.url, cloud=cloud.url))
        project.write("ask.yaml", ASK)
        assert project.run("run", "ask.yaml", **KEY).code == 0
        with proxied(project) as (address, process):
            status, headers, body = ask(address, CHAT, x_holdfast_owner="ann")
            assert status == 200, body
            assert headers["x-holdfast-provider"] == "desk"
            assert headers["x-holdfast-cost-msat"] == "20"
            status, _, body = ask(address, {**CHAT, "stream": True})
            *_, last, done = body.strip().split("\n\n")
            assert done == "data: [DONE]"
            assert json.loads(last.removeprefix("data: "))["holdfast"]["cost_msat"] == 20
            status, _, body = ask(address, CHAT, "/v1/messages")
            assert json.loads(body)["content"] == [{"type": "text", "text": "Because."}]
            stop(process, signal.SIGINT)

    text, data = both(project, "route", "stats")
    heading, line = text.out.splitlines()
    assert heading.split()[:3] == ["MODEL", "REQUESTS", "FAILED"]
    assert line.split()[:3] == ["small", "4", "0"]
    assert "0.08 sat" in line
    assert [(each["requests"], each["debit_msat"]) for each in data["groups"]] == [(4, 80)]
    _, data = both(project, "route", "stats", "--by", "owner")
    assert {each["group"]: each["requests"] for each in data["groups"]}["ann"] == 1
    text, data = both(project, "route", "requests", "--per-page", "3")
    assert data["total"] == 4
    assert [each["stream"] for each in data["requests"]] == [False, True, False]
    assert "page 1: 3 of 4 requests" in text.out


def test_another_provider_answers_for_one_that_fails_and_the_client_is_told(
    project: Project,
) -> None:
    with upstream(Act(fault=Fault.SERVER_ERROR, charges=False)) as desk, upstream() as cloud:
        project.write("holdfast.toml", SETTINGS.format(desk=desk.url, cloud=cloud.url))
        with proxied(project) as (address, _):
            status, headers, _ = ask(address, CHAT)
            assert status == 200
            assert headers["x-holdfast-provider"] == "cloud"
            assert headers["x-holdfast-retries"] == "1/desk"
            private = {**CHAT, "messages": [{"role": "user", "content": "my salary"}]}
            asked = len(cloud.exchanges)
            status, _, body = ask(address, private)
            assert status == 503, body
            assert len(cloud.exchanges) == asked
    text, _ = both(project, "route", "requests", "--failed")
    assert "page 1: 1 of 1 requests" in text.out


def test_a_budget_that_is_used_up_stops_runs_and_clients_before_anything_is_sent(
    project: Project,
) -> None:
    with upstream() as desk:
        settings = SETTINGS.format(desk=desk.url, cloud=NOWHERE)
        project.write("holdfast.toml", settings + "[routing.budgets]\ntotal_sats = 0.01\n")
        project.write("ask.yaml", ASK)
        done = project.run("run", "ask.yaml", **KEY)
        assert done.code == 5
        assert "the budget of 0.01 sat for everything does not allow another" in done.err
        assert "raise the budget, or ask for less" in done.err
        assert "retry" not in done.err
        with proxied(project) as (address, process):
            status, _, body = ask(address, CHAT)
            assert status == 402
            assert "for everything does not allow" in json.loads(body)["error"]["message"]
            status, _, _ = ask(address, {**CHAT, "model": "smal"})
            assert status == 404
            stop(process, signal.SIGINT)
        assert desk.exchanges == []
    text, data = both(project, "route", "requests", "--outcome", "refused", "--ascending")
    assert [each["asked_model"] for each in data["requests"]] == ["small", "small", "smal"]
    assert [each["charged_msat"] for each in data["requests"]] == [0, 0, 0]
    why = " refused  0 sat        smal: no configured provider serves the model 'smal'"
    assert why in text.out
    text, _ = both(project, "route", "stats", "--by", "outcome")
    assert text.out.splitlines()[1].split()[:4] == ["refused", "0", "0", "3"]


def test_a_port_that_is_taken_is_said_to_be(offline: Project) -> None:
    with proxied(offline) as (address, _):
        done = offline.run("proxy", "--port", address.rpartition(":")[2], **KEY)
    assert done.code == 2
    assert "is taken" in done.err
    assert "--port N, or 0 for a free one" in done.err


def test_the_models_of_two_providers_are_told_once(offline: Project) -> None:
    process = offline.start("proxy", "--port", "0", **KEY)
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(3)]
    stop(process)
    assert told[-1] == "  models: small, large\n"


@pytest.mark.parametrize("command", ["proxy", "serve"])
def test_a_server_that_lacks_a_key_says_so_when_it_starts(offline: Project, command: str) -> None:
    process = offline.start(command, "--port", "0", CLOUD_KEY="")
    assert process.stdout is not None
    process.stdout.readline()
    assert stop(process).err.splitlines()[0] == NO_KEY


def test_a_run_says_which_key_it_lacks_if_it_may_need_it(offline: Project) -> None:
    # The first provider that serves `small` never answers, and the second cannot for want of a key.
    offline.write("ask.yaml", ASK)
    done = offline.run("run", "ask.yaml", CLOUD_KEY="")
    assert (done.code, done.err.count(NO_KEY)) == (5, 1)
    offline.write("ask.yaml", ASK.replace("{kind", "{model: offline/extract, kind"))
    done = offline.run("run", "ask.yaml", CLOUD_KEY="")
    assert (done.code, done.err.count("no key")) == (0, 0)


def test_an_endpoint_is_left_alone_by_hand_until_it_is_let_decide_again(offline: Project) -> None:
    done = offline.run("route", "circuit", "desk", "open", **KEY)
    assert "desk is left alone" in done.out
    _, data = both(offline, "route", "explain", "small")
    assert [(each["status"], each["provider"]) for each in data["candidates"]] == [
        ("chosen", "cloud"), ("waits", "desk"),
    ]  # fmt: skip
    assert "desk: circuit open" in offline.run("route", "providers", **KEY).out
    both(offline, "route", "circuit", "desk", "auto")
    _, data = both(offline, "route", "explain", "small")
    assert data["candidates"][0]["provider"] == "desk"
    refused = offline.run("route", "circuit", "dekc", "open", **KEY)
    assert refused.code == 2
    assert "there is no endpoint 'dekc'" in refused.err


def test_the_log_is_reckoned_anew_under_another_policy(project: Project) -> None:
    project.write("ask.yaml", ASK)
    with upstream() as desk, upstream() as cloud:
        project.write("holdfast.toml", SETTINGS.format(desk=desk.url, cloud=cloud.url))
        assert project.run("run", "ask.yaml", **KEY).code == 0
        asked = len(desk.exchanges) + len(cloud.exchanges)
        text, same = both(project, "route", "replay", "--list")
        assert same["compared"] == 1
        assert same["moved"] == same["refused"] == 0
        assert abs(same["now_msat"] - same["was_msat"]) <= 1
        assert "1 of 1 requests compared" in text.out
        settings = project.folder / "holdfast.toml"
        dear = '[routing.policies.dear]\nproviders = ["cloud"]\n'
        settings.write_text(settings.read_text() + dear)
        _, moved = both(project, "route", "replay", "--policy", "dear")
        assert moved["moved"] == 1
        assert moved["now_msat"] > same["now_msat"]
        assert moved["was_msat"] == same["was_msat"]
        _, nobody = both(project, "route", "replay", "--model", "large", "--policy", "private")
        assert nobody["refused"] == 1
        unknown = project.run("route", "replay", "--policy", "nope", **KEY)
        assert unknown.code == 2
        assert "policies of this project: 'private', 'dear'" in unknown.err
        assert len(desk.exchanges) + len(cloud.exchanges) == asked
