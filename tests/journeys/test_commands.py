"""Each command as a new user meets it, right and wrong."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
from binascii import crc32
from pathlib import Path

import pytest

from tests.journeys.cli import COMMAND, Project

DIGEST = """
name: digest
inputs: {text: str, loud: {type: bool, default: false}}
state: {summary: str, verdict: str}
nodes:
  summarise: {kind: model, prompt: "{inputs.text}", output: summary}
  decide: {kind: human, ask: "Keep {state.summary}", returns: {type: enum, values: [keep, drop]}, output: verdict}
output: {verdict: "{state.verdict}", summary: "{state.summary}", loud: "{inputs.loud}"}
"""
TEXT = "The kelp grips the rock with its holdfast. Waves move the kelp. The holdfast does not move."


@pytest.fixture
def project(project: Project) -> Project:
    project.write("digest.yaml", DIGEST)
    return project


def asked(project: Project) -> str:
    """Start a run that waits for an answer; return its id."""
    done = project.run("run", "digest.yaml", "--input", f"text={TEXT}", "--json")
    assert done.code == 3, done.err
    return done.data["id"]


@pytest.mark.promise("extractor-is-labelled")
def test_a_run_asks_is_answered_and_ends(project: Project) -> None:
    started = project.run("run", "digest.yaml", "-i", f"text={TEXT}", "-i", "loud=true")
    assert started.code == 3
    assert "it is not a language model" in started.err
    assert "extractive, 0 sat" in started.err
    run_id = started.run_id
    assert f"holdfast answer {run_id[:8]} ANSWER" in started.err
    assert "one of keep, drop" in started.err

    wrong = project.run("answer", run_id[:8], "maybe")
    assert wrong.code == 2
    assert "keep" in wrong.err

    answered = project.run("answer", run_id[:8], "keep", "--json")
    assert answered.code == 0
    assert answered.data["result"] == {"verdict": "keep", "summary": TEXT, "loud": True}

    again = project.run("answer", run_id[:8], "drop")
    assert again.code == 2
    assert "asks for nothing" in again.err


def test_show_tells_everything_about_a_run(project: Project) -> None:
    run_id = asked(project)
    shown = project.run("show", run_id[:10])
    assert shown.code == 0
    for part in (
        run_id, "waiting", "inputs", "variables", "steps", "offline/extract", "waterfall",
        "summarise", "decide#1", f"holdfast answer {run_id[:8]} ANSWER", "cost",
    ):  # fmt: skip
        assert part in shown.out, part
    data = project.run("show", run_id, "--json").data
    assert data["variables"] == {"summary": TEXT}
    assert data["cost_msat"] == 0
    assert [each["path"] for each in data["steps"]] == ["summarise"]
    assert data["steps"][0]["extractive"] is True
    assert {span["trace_id"] for span in data["spans"]} == {run_id}


def test_inputs_come_from_a_file_standard_input_and_options(project: Project) -> None:
    given = {"text": TEXT, "loud": False}
    project.write("inputs.json", json.dumps(given))
    project.write("text.txt", TEXT)
    for words, stdin in (
        (["--inputs", "inputs.json"], None),
        (["--inputs", "-"], json.dumps(given)),
        (["--input", "text=@text.txt"], None),
        (["--inputs", "inputs.json", "--input", "text=@text.txt"], None),
    ):
        done = project.run("run", "digest.yaml", "--json", *words, stdin=stdin)
        assert done.code == 3, done.out
        assert done.data["inputs"] == given


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "digest.yaml"], "input 'text' is missing"),
        (["run", "digest.yaml", "-i", "txet=a"], "did you mean 'text'"),
        (["run", "digest.yaml", "-i", "text"], "is not NAME=VALUE"),
        (["run", "digest.yaml", "-i", "text=a", "-i", "loud=perhaps"], "input 'loud'"),
        (["run", "digest.yaml", "--inputs", "nowhere.json"], "cannot read the inputs"),
        (["run", "digest.yaml", "--inputs", "digest.yaml"], "are not JSON"),
        (["run", "digest.yaml", "-i", "text=@nowhere"], "cannot read 'nowhere'"),
        (["run", "nowhere.yaml"], "there is no file 'nowhere.yaml'"),
        (["validate", "."], "is a folder"),
        (["show", "abc"], "no run has an id that starts with 'abc'"),
        (["show", "xyz"], "is not the beginning of a run id"),
        (["resume", "abc"], "no run has an id"),
        (["cancel", "abc"], "no run has an id"),
        (["answer", "abc", "x"], "no run has an id"),
        (["list", "--store", "mongo:x"], "mongo"),
        (["nonsense"], "invalid choice"),
        (["run"], "required: FILE"),
    ],
)
def test_a_mistake_is_told_with_exit_code_two(
    project: Project, words: list[str], said: str
) -> None:
    done = project.run(*words)
    assert done.code == 2
    assert said in done.err


def test_errors_are_json_when_json_is_wanted(project: Project) -> None:
    done = project.run("show", "abc", "--json")
    assert done.code == 2
    assert done.data["error"]["type"] == "RunNotFound"
    assert done.data["error"]["hint"]


@pytest.mark.promise("checked-before-run")
def test_all_mistakes_of_a_file_are_told_at_once_and_nothing_runs(project: Project) -> None:
    project.write(
        "bad.yaml", "name: bad\nnodes:\n  a: {kind: modle, prompt: x}\n  b: {kind: tool}\n"
    )
    done = project.run("run", "bad.yaml")
    assert done.code == 2
    assert "bad.yaml:3:" in done.err
    assert "did you mean 'model'" in done.err
    assert "bad.yaml:4:" in done.err
    assert project.run("list", "--json").data == []
    problems = project.run("validate", "bad.yaml", "--json")
    assert problems.code == 2
    assert [each["line"] for each in problems.data["problems"]] == [3, 4]


@pytest.mark.promise("edited-refused", "running-never-sees-edit")
def test_a_run_whose_file_was_edited_is_resumed_only_as_told(project: Project) -> None:
    project.write("edited.yaml", DIGEST)
    ids = []
    for _ in range(2):
        done = project.run("run", "edited.yaml", "--json", "-i", f"text={TEXT}")
        ids.append(done.data["id"])
    project.write(
        "edited.yaml", DIGEST.replace('verdict: "{state.verdict}"', 'decided: "{state.verdict}"')
    )
    for run_id in ids:
        refused = project.run("answer", run_id, "keep")
        assert refused.code == 2
        assert "was edited since run" in refused.err
        assert "--use stored" in refused.err
        assert len(project.run("show", run_id, "--json").data["requests"]) == 1
    stored = project.run("answer", ids[0], "keep", "--use", "stored", "--json")
    assert stored.code == 0
    assert stored.data["result"]["verdict"] == "keep"
    noted = project.run("answer", ids[1], "keep", "--no-resume")
    assert noted.code == 0
    assert "the answer is noted" in noted.err
    assert f"holdfast resume {ids[1][:8]}" in noted.err
    edited = project.run("resume", ids[1], "--use", "edited", "--json")
    assert edited.data["result"]["decided"] == "keep"


@pytest.mark.promise("running-never-sees-edit")
def test_a_run_whose_file_is_gone_goes_on_with_what_it_was_started_with(project: Project) -> None:
    run_id = asked(project)
    (project.folder / "digest.yaml").unlink()
    assert project.run("answer", run_id, "drop", "--json").data["result"]["verdict"] == "drop"


def test_a_failed_run_is_gone_on_with_in_a_fork(project: Project) -> None:
    project.write("steps.py", """
from pathlib import Path
def note(name):
    with open("ran.txt", "a") as file: file.write(name + " ")
    if name == "two" and not Path("mended").exists(): raise ValueError("not yet")
    return name
""")  # fmt: skip
    nodes = "".join(
        f'  {name}: {{kind: python, call: "steps:note", arguments: {{name: {name}}}}}\n'
        for name in ("one", "two", "three")
    )
    project.write("steps.yaml", f"name: steps\nnodes:\n{nodes}")
    failed = project.run("run", "steps.yaml")
    assert failed.code == 1
    assert "two: ValueError: not yet" in failed.err
    assert f"holdfast fork {failed.run_id[:8]}" in failed.err
    assert "holdfast fork" in project.run("resume", failed.run_id).err
    project.write("mended", "")
    assert project.run("fork", failed.run_id).code == 0
    assert (project.folder / "ran.txt").read_text() == "one two two three "
    again = project.run("fork", failed.run_id, "--from", "one", "--json")
    assert again.data["forked_from"] == failed.run_id
    assert (project.folder / "ran.txt").read_text() == "one two two three one two three "
    assert "has no node 'four'" in project.run("fork", failed.run_id, "--from", "four").err


def test_a_run_is_cancelled_once(project: Project) -> None:
    run_id = asked(project)
    assert "is cancelled" in project.run("cancel", run_id).out
    assert project.run("cancel", run_id).code == 0
    assert project.run("resume", run_id).code == 2
    assert project.run("list", "--state", "cancelled", "--json").data[0]["id"] == run_id


def test_init_makes_a_project_whose_workflow_runs(project: Project) -> None:
    made = project.run("init", "new")
    assert made.code == 0
    inner = Project(project.folder / "new")
    assert inner.run("validate", "workflow.yaml").code == 0
    done = inner.run("run", "workflow.yaml", "--input", f"text={TEXT}", "--json")
    assert done.code == 3, done.out
    assert inner.run("answer", done.data["id"], "keep").code == 0
    assert "holdfast" in (inner.folder / "digest.md").read_text()
    before = (inner.folder / "workflow.yaml").read_text()
    inner.write("workflow.yaml", before + "# mine\n")
    assert "everything is there already" in inner.run("init").out
    assert (inner.folder / "workflow.yaml").read_text().endswith("# mine\n")


def test_the_schema_describes_workflow_files(project: Project) -> None:
    schema = project.run("schema").data
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert "nodes" in schema["properties"]


@pytest.mark.promise("newer-store-refused")
def test_a_store_of_a_newer_version_is_refused_and_left_alone(project: Project) -> None:
    asked(project)
    path = project.folder / ".holdfast/journal/00000001.jsonl"
    header, rest = path.read_bytes().split(b"\n", 1)
    body = header[: header.rindex(b',"c":')]
    body = re.sub(rb'"format":\d+', b'"format":99', body)
    path.write_bytes(b'%b,"c":"%08x"}\n%b' % (body, crc32(body), rest))
    before = path.read_bytes()
    refused = project.run("list")
    assert refused.code == 4
    assert "newer" in refused.err
    assert path.read_bytes() == before


@pytest.mark.promise("newer-store-refused")
def test_a_database_of_a_newer_version_is_refused_and_left_alone(project: Project) -> None:
    project.write("holdfast.toml", 'store = "sqlite:holdfast.db"\n')
    asked(project)
    path = project.folder / "holdfast.db"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    before = path.read_bytes()
    refused = project.run("list")
    assert refused.code == 4
    assert "newer" in refused.err
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("store", "file"),
    [("files:.holdfast", ".holdfast/journal/00000001.jsonl"), ("sqlite:my.db", "my.db")],
)
def test_a_store_that_is_no_store_is_refused_and_left_alone(
    project: Project, store: str, file: str
) -> None:
    text = "this is no store, whatever it is called\n" * 200
    project.write(file, text)
    refused = project.run("list", "--store", store)
    assert refused.code == 4
    assert Path(file).parts[0] in refused.err
    assert (project.folder / file).read_text() == text


@pytest.mark.promise("full-disk-loses-nothing")
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root: NOT tested")
def test_a_full_disk_stops_the_run_and_loses_nothing(project: Project) -> None:
    disk = project.folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)], check=True)
    try:
        project.write("big.py", "def big(n):\n    return 'x' * n\ndef small():\n    return 'ok'\n")
        project.write("big.yaml", """
name: big
state: {first: str, second: str}
nodes:
  one: {kind: python, call: "big:small", returns: str, output: first}
  two: {kind: python, call: "big:big", arguments: {n: 900000}, returns: str, output: second}
output: "{state.first}"
""")  # fmt: skip
        store = f"sqlite:{disk}/holdfast.db"
        full = project.run("run", "big.yaml", "--store", store)
        assert full.code == 4, full.err
        assert "space" in full.err or "full" in full.err
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        resumed = project.run("resume", "--store", store, "--json")
        assert resumed.code == 0, resumed.out
        assert resumed.data[0]["result"] == "ok"
        assert [step["path"] for step in resumed.data[0]["steps"]] == ["one", "two"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.promise("keys-never-shown")
def test_a_provider_that_is_down_and_a_missing_key_are_told(project: Project) -> None:
    project.write("holdfast.toml", """
model = "m"
[providers.down]
base_url = "http://127.0.0.1:9/v1"
api_key = "${DOWN_KEY}"
models = ["m"]
""")  # fmt: skip
    project.write("ask.yaml", """
name: ask
state: {reply: str}
nodes:
  ask: {kind: model, prompt: Hello, output: reply, retry: {attempts: 1}}
""")  # fmt: skip
    missing = project.run("run", "ask.yaml")
    assert missing.code == 5
    assert "DOWN_KEY" in missing.err
    down = project.run("run", "ask.yaml", DOWN_KEY="sk-very-secret")
    assert down.code == 5
    assert "127.0.0.1:9" in down.err or "down" in down.err
    assert "sk-very-secret" not in down.out + down.err
    files = [each for each in (project.folder / ".holdfast").rglob("*") if each.is_file()]
    assert files
    stored = b"".join(each.read_bytes() for each in files)
    assert b"sk-very-secret" not in stored


def test_settings_with_mistakes_are_told_all_at_once(project: Project) -> None:
    project.write("holdfast.toml", 'stoer = "x"\n[engine]\nlease_seconds = -1\n')
    done = project.run("list")
    assert done.code == 2
    assert "stoer" in done.err
    assert "did you mean 'store'" in done.err
    assert "lease_seconds" in done.err


def test_a_reader_that_goes_away_is_no_error(project: Project) -> None:
    asked(project)
    command = " ".join([*COMMAND, "show", "--full", asked(project), "|", "head", "-1"])
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], cwd=project.folder, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_folder_that_cannot_be_written_is_told(project: Project, tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    done = project.run("list", "--store", f"sqlite:{blocker}/holdfast.db")
    assert done.code == 4
    assert "file" in done.err


def test_a_terminal_cannot_be_driven_by_what_a_run_says(project: Project) -> None:
    done = project.run("run", "digest.yaml", "--input", "text=\x1b]0;owned\x07 Evil text here now.")
    assert "\x1b" not in done.err + done.out
    assert "\x1b" not in project.run("show", done.run_id).out
