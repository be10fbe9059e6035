"""`holdfast trace`: what a user sees of runs that went well, failed, waited or were killed."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.cli import COMMAND, Project, stop, wait_for_line

DIGEST = """
name: digest
inputs: {text: str}
state: {digest: str}
nodes:
  digest: {kind: model, model: offline/extract, prompt: "{inputs.text}", output: digest}
"""
FAIL = """
name: failing
nodes:
  read: {kind: tool, tool: read_files, arguments: {folder: nowhere}}
"""
SLOW = """
name: slow
inputs: {file: str}
state: {first: str}
nodes:
  first: {kind: model, model: offline/extract, prompt: "Kelp grips the rock.", output: first}
  second: {kind: python, call: "waiting:wait"}
edges:
  - {from: start, to: first}
  - {from: first, to: second}
"""
WAITING = """
import pathlib, time
def wait():
    pathlib.Path("reached").touch()
    while not pathlib.Path("go").exists():
        time.sleep(0.01)
    return "done"
"""
SECRET = "sk-proj-abcdefghij0123456789KLMNOP"


@pytest.fixture
def ran(project: Project) -> Project:
    """Return a project in which a workflow ran."""
    project.write("digest.yaml", DIGEST)
    done = project.run("run", "digest.yaml", "-i", "text=Kelp grips the rock. The sea moves.")
    assert done.code == 0, done.err
    return project


def trace(project: Project, *words: str) -> Any:
    done = project.run("trace", *words, "--json")
    assert done.code == 0, done.out + done.err
    return done.data


def test_without_any_run_there_is_nothing_and_nothing_is_made(project: Project) -> None:
    assert (project.run("trace", "tail", "--once").code, project.run("trace", "state").code) == (
        0,
        0,
    )
    assert "no such traces" in project.run("trace", "list").out
    assert trace(project, "list") == {"traces": [], "cursor": None}
    missing = project.run("trace", "show", "last")
    assert missing.code == 2
    assert "there are no traces yet" in missing.err
    assert not (project.folder / ".holdfast").exists()


def test_a_run_is_listed_and_shown_with_its_prompt_and_its_answer(ran: Project) -> None:
    (listed,) = trace(ran, "list")["traces"]
    assert (listed["name"], listed["status"], listed["spans"]) == ("digest", "ok", 3)
    shown = ran.run("trace", "show", listed["id"][:6])
    assert shown.code == 0
    for said in ("digest", "offline/extract", "1 model call, cost 0 sat", "all 3 spans are shown"):
        assert said in shown.out
    assert len(ran.run("trace", "show", "last", "--text").out.splitlines()) <= 40
    span = ran.run("trace", "show", "last", "--span", "offline/extract").out
    assert "Kelp grips the rock. The sea moves." in span
    assert "20 % faster" in ran.run("trace", "show", "last", "--what-if", "digest").out
    data = trace(ran, "show", "last")
    assert data["verdict"]["line"]
    assert len(data["spans"]) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "abcdef"), "there is no trace 'abcdef'"),
        (("show", "not hex"), "there is no trace"),
        (("list", "--limit", "0"), "--limit must be at least 1"),
        (("list", "--since", "soon"), "'soon' is no time"),
        (("list", "--longer-than", "much"), "no length of time"),
        (("sql", "DELETE FROM packs"), "cannot be answered"),
        (("compare", "last", "release=v1"), "one trace cannot be compared with many"),
        (("compare", "last", "last", "--fail-on", "p95>fast"), "write for instance"),
        (("tail", "abcdef"), "there is no trace 'abcdef'"),
        (("pin", ""), "there is no trace ''"),
        (("show", "last", "--lines", "9"), "--lines must be at least 10"),
        (("show", "last", "--span", ""), "has no span ''"),
        (("show", "last", "--what-if", "nothing"), "no span of this trace is called 'nothing'"),
        (("list", "--cursor", "nowhere"), "is no cursor"),
        (("forget",), "say which traces to forget"),
        (("show", "last", "--span", "nothing"), "has no span 'nothing'"),
    ],
)
def test_what_cannot_be_is_told_with_what_to_do(
    ran: Project, words: tuple[str, ...], said: str
) -> None:
    done = ran.run("trace", *words)
    assert done.code == 2
    assert said in done.err


def test_of_several_spans_of_a_name_the_others_are_named_too(ran: Project) -> None:
    shown = ran.run("trace", "show", "last", "--span", "digest")
    assert "the first of 2 spans 'digest'" in shown.err
    other = shown.err.rpartition("others: ")[2].split()[0]
    assert shown.out.startswith("digest  run")
    assert ran.run("trace", "show", "last", "--span", other).out.startswith("digest  step")


def test_a_list_is_filtered_ordered_and_gone_through_page_by_page(project: Project) -> None:
    project.write("fail.yaml", FAIL)
    project.write("digest.yaml", DIGEST)
    project.run("run", "fail.yaml", "-q")
    for word in ("Dulse", "Laver"):
        project.run("run", "digest.yaml", "-i", f"text={word} grows here.", "-q")
    last = trace(project, "list", "--limit", "1")
    rest = trace(project, "list", "--cursor", last["cursor"])
    seen = [each["id"] for each in (*last["traces"], *rest["traces"])]
    assert (len(set(seen)), rest["cursor"]) == (3, None)
    slowest = trace(project, "list", "--order", "slowest")["traces"]
    lengths = [each["duration_ms"] for each in slowest]
    assert lengths == sorted(lengths, reverse=True)
    for words, found in (
        (("--text", "Dulse"), [seen[1]]),
        (("--status", "error"), [seen[2]]),
        (("--workflow", "digest"), seen[:2]),
        (("--model", "extract", "--since", "1h"), seen[:2]),
        (("--model", "offline/extract"), seen[:2]),
        (("--model", "elsewhere/extract"), []),
        (("--span", "read"), [seen[2]]),
        (("--until", "1h"), []),
        (("--longer-than", "1h"), []),
    ):
        listed = trace(project, "list", *words)["traces"]
        assert [each["id"] for each in listed] == found, words


def test_a_failure_is_grouped_and_its_step_is_named(project: Project) -> None:
    project.write("fail.yaml", FAIL)
    for _ in range(2):
        assert project.run("run", "fail.yaml", "-q").code == 1
    (group,) = trace(project, "errors")["errors"]
    assert (group["count"], group["traces_count"]) == (2, 2)
    shown = project.run("trace", "show", "last").out
    assert "failed" in shown
    assert "read" in shown
    assert "2 x" in project.run("trace", "errors").out


@pytest.mark.promise("traces-survive-kills")
def test_a_killed_run_names_what_was_open_and_goes_on_in_the_same_trace(project: Project) -> None:
    project.write("slow.yaml", SLOW)
    project.write("waiting.py", WAITING)
    victim = subprocess.Popen(
        [*COMMAND, "run", "slow.yaml", "-i", "file=x", "-q"], cwd=project.folder,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not (project.folder / "reached").exists():
        assert victim.poll() is None
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    (killed,) = trace(project, "list")["traces"]
    assert killed["status"] == "lost"
    spans = {each["name"]: each["status"] for each in trace(project, "show", "last")["spans"]}
    assert spans == {"slow": "lost", "first": "ok", "offline/extract": "ok", "second": "lost"}
    (project.folder / "go").touch()
    assert project.run("resume", killed["id"], "-q").code == 0
    (resumed,) = trace(project, "list")["traces"]
    assert (resumed["id"], resumed["status"]) == (killed["id"], "ok")
    lives = [(each["name"], each["status"]) for each in trace(project, "show", "last")["spans"]]
    assert lives.count(("second", "lost")) == lives.count(("second", "ok")) == 1
    assert lives.count(("first", "ok")) == 1


def test_tail_prints_what_ends_and_ends_itself_when_interrupted(ran: Project) -> None:
    once = ran.run("trace", "tail", "--once").out
    assert "offline/extract" in once
    follower = subprocess.Popen(
        [*COMMAND, "trace", "tail", "--json"], cwd=ran.folder, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with follower:
        assert follower.stdout is not None
        assert follower.stderr is not None
        while ran.run("run", "digest.yaml", "-i", "text=More kelp.", "-q").code == 0:
            line = follower.stdout.readline()
            if json.loads(line)["name"] == "digest":
                break
        follower.send_signal(signal.SIGINT)
        assert follower.wait(30) == 130
        assert "Traceback" not in follower.stderr.read()


def test_tail_waits_for_the_first_trace_and_makes_nothing_meanwhile(project: Project) -> None:
    project.write("digest.yaml", "name: digest\nnodes:\n  ask: {kind: human, ask: Well?}\n")
    follower = project.start("trace", "tail")
    wait_for_line(follower, "no traces yet")
    assert not (project.folder / ".holdfast").exists()
    assert project.run("run", "digest.yaml", "-q").code == 3
    assert follower.stdout is not None
    assert "digest" in follower.stdout.readline()
    assert stop(follower, signal.SIGINT).code == 130


def test_tail_of_one_trace_finds_it_however_old_it_is(ran: Project) -> None:
    (old,) = trace(ran, "list")["traces"]
    for number in range(60):
        spans = [{"traceId": f"{number + 1:032x}", "spanId": f"{number + 1:016x}", "name": "later",
                  "startTimeUnixNano": f"{4_000_000_000 + number}000000000",
                  "endTimeUnixNano": f"{4_000_000_001 + number}000000000"}]  # fmt: skip
        line = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})
        with (ran.folder / "later.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    assert ran.run("trace", "import", "later.jsonl").code == 0
    assert "offline/extract" not in ran.run("trace", "tail", "--once").out
    assert "offline/extract" in ran.run("trace", "tail", old["id"][:8], "--once").out


def test_a_query_that_is_interrupted_says_so_and_not_that_it_took_long(ran: Project) -> None:
    endless = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT count(*) FROM n, spans"
    )
    for number in range(1, 4):
        asking = subprocess.Popen(
            [*COMMAND, "trace", "sql", endless], cwd=ran.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        _wait_for_threads(asking.pid, 2)
        asking.send_signal(signal.SIGINT)
        _, told = asking.communicate(timeout=30)
        assert (asking.returncode, "30 s" in told) == (130, False), (number, told)


def _wait_for_threads(pid: int, least: int) -> None:
    tasks = Path(f"/proc/{pid}/task")
    while len(list(tasks.iterdir())) < least:
        assert Path(f"/proc/{pid}").exists()


def test_percentiles_costs_and_sql_are_there(ran: Project) -> None:
    ran.write("holdfast.toml", '[money]\ncurrency = "EUR"\nbitcoin = { 2020-01-01 = 80000 }\n')
    for exact in ((), ("--exact",)):
        names = trace(ran, "top", *exact)["names"]
        assert {each["name"] for each in names} == {"digest", "offline/extract"}
        assert all(each["exact"] is bool(exact) for each in names)
    (row,) = trace(ran, "cost", "--by", "workflow")["costs"]
    assert (row["key"], row["calls"], row["cost_msat"]) == ("digest", 1, 0)
    rows = trace(ran, "sql", "SELECT name, kind FROM spans ORDER BY start")["rows"]
    assert rows[0] == {"name": "digest", "kind": "run"}
    for write in (
        "DROP TABLE packs",
        "UPDATE names SET name = ''",
        "ATTACH 'x.db' AS x",
        "SELECT 1; SELECT 2",
    ):
        refused = ran.run("trace", "sql", write)
        assert (refused.code, refused.out) == (2, ""), write
        assert "one SELECT" in refused.err or "one statement" in refused.err, write
    assert len(trace(ran, "list")["traces"]) == 1
    assert "NAME" in ran.run("trace", "top").out


def test_traces_are_pinned_swept_and_forgotten(ran: Project) -> None:
    assert "stays" in ran.run("trace", "pin", "last").out
    assert trace(ran, "state")["pinned"] == 1
    assert trace(ran, "sweep")["traces"] == 0
    assert "goes with its age" in ran.run("trace", "unpin", "last").out
    assert trace(ran, "forget", "--user", "local")["forgotten"] == 1
    assert trace(ran, "list")["traces"] == []


@pytest.mark.promise("secrets-never-traced")
def test_a_secret_in_a_prompt_is_nowhere_in_the_folder_of_traces(project: Project) -> None:
    project.write("digest.yaml", DIGEST)
    text = f"My key is {SECRET}. Kelp grips the rock. " + "The sea moves. " * 200
    assert project.run("run", "digest.yaml", "-i", f"text={text}", "-q").code == 0
    before = [path.read_bytes() for path in _files(project)]
    assert before
    assert not any(SECRET.encode() in data for data in before)
    whole = project.run("trace", "show", "last", "--span", "offline/extract").out
    assert "The sea moves." in whole
    assert "[redacted:key of a model provider:" in whole
    after = [path.read_bytes() for path in _files(project)]
    assert not any(SECRET.encode() in data for data in after)


def test_less_is_kept_if_the_settings_say_so(project: Project) -> None:
    project.write("holdfast.toml", '[tracing]\npayloads = "off"\n')
    project.write("digest.yaml", DIGEST)
    project.run("run", "digest.yaml", "-i", "text=Kelp grips the rock.", "-q")
    span = project.run("trace", "show", "last", "--span", "offline/extract").out
    assert "Kelp" not in span
    assert "not kept" in span


def test_traces_may_lie_elsewhere(project: Project) -> None:
    project.write("holdfast.toml", '[tracing]\nstore = "sqlite:elsewhere/t.db"\n')
    project.write("digest.yaml", DIGEST)
    project.run("run", "digest.yaml", "-i", "text=Kelp.", "-q")
    assert len(trace(project, "list")["traces"]) == 1
    assert (project.folder / "elsewhere" / "t.db").exists()
    project.write("holdfast.toml", '[tracing]\nstore = "mongodb://x"\n')
    refused = project.run("trace", "list")
    assert refused.code == 2
    assert "no address of a trace store" in refused.err


def _files(project: Project) -> list[Path]:
    folder = project.folder / ".holdfast" / "traces"
    return [path for path in folder.rglob("*") if path.is_file()]
