"""What the commands say and leave behind beside their results."""

from __future__ import annotations

import json
import os
import pty
import shlex
import signal
import subprocess

import pytest

from holdfast.cli.output import count, safe
from tests.journeys.cli import COMMAND, Project, read_terminal, stop, wait_for_line

ASK = """
name: ask
inputs: {level: {type: int, default: 3}}
state: {verdict: str}
nodes:
  decide: {kind: human, ask: "Keep?", returns: {type: enum, values: [keep, drop]}, output: verdict}
output: "{state.verdict}"
"""
TWO = """
name: two
state: {one: str, other: str}
nodes:
  first: {kind: human, ask: "One?", output: one}
  second: {kind: human, ask: "Other?", output: other}
edges: [start -> first, start -> second]
"""
LOUD = """
name: loud
nodes:
  shout: {kind: python, call: "loud:shout", returns: str}
"""
LOUD_CODE = """
import subprocess
import sys
print("imported loudly")

def shout():
    print("printed by the node")
    subprocess.run([sys.executable, "-c", "print('printed by a program')"], check=True)
    return "the result"
"""
FAILING = """
name: failing
nodes:
  b: {kind: python, call: "failing:look"}
"""
DYING = """
name: dying
state: {n: int}
nodes:
  die: {kind: python, call: "dying:die", returns: int, output: n}
"""
DYING_CODE = """
import os, signal
from pathlib import Path

def die():
    if not Path("mended").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return 7
"""


@pytest.fixture
def project(project: Project) -> Project:
    project.write("ask.yaml", ASK)
    return project


def files(project: Project) -> set[str]:
    return {str(path.relative_to(project.folder)) for path in project.folder.rglob("*")}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["list"], 0, "no runs yet"),
        (["show", "abc"], 2, "no run has an id that starts with 'abc'"),
        (["cancel", "abc"], 2, "no run has an id that starts with 'abc'"),
        (["resume", "abc"], 2, "no run has an id that starts with 'abc'"),
        (["resume"], 0, "there is no interrupted run"),
        (["answer", "abc", "keep"], 2, "no run has an id that starts with 'abc'"),
        (["fork", "abc"], 2, "no run has an id that starts with 'abc'"),
        (["wallet", "balance"], 0, "there is no mint yet"),
        (["wallet", "history"], 0, "nothing was done yet"),
        (["wallet", "nodes"], 0, "no nodes are known"),
        (["wallet", "check"], 0, "there is no wallet yet"),
        (["trace", "tail", "--once"], 0, "no such spans"),
        (["trace", "sql", "SELECT 1"], 2, "there are no traces yet"),
        (["run", "ask.yaml", "-i", "level=high"], 2, "input 'level'"),
    ],
)
def test_a_command_that_finds_nothing_leaves_nothing_behind(
    project: Project, words: list[str], code: int, said: str
) -> None:
    before = files(project)
    done = project.run(*words)
    assert done.code == code
    assert said in done.out + done.err
    assert files(project) == before


def test_a_model_that_nobody_serves_is_told_before_anything_is_written(project: Project) -> None:
    project.write("model.yaml", """
name: model
state: {a: str, b: str}
nodes:
  one: {kind: model, model: offline/extract, prompt: Hello, output: a}
  two: {kind: model, model: gpt-nowhere, prompt: Hello, output: b}
""")  # fmt: skip
    before = files(project)
    done = project.run("run", "model.yaml")
    assert done.code == 5
    assert "no configured provider serves the model 'gpt-nowhere'" in done.err
    assert "run " not in done.err.replace("no run", "")
    assert files(project) == before


@pytest.mark.parametrize("limit", ["0", "-3"])
def test_a_list_of_no_runs_cannot_be_asked_for(project: Project, limit: str) -> None:
    done = project.run("list", "--limit", limit)
    assert done.code == 2
    assert "at least 1" in done.err


def test_an_edited_file_that_is_gone_is_not_replaced_by_the_stored_one(project: Project) -> None:
    run_id = project.run("run", "ask.yaml", "--json").data["id"]
    (project.folder / "ask.yaml").unlink()
    for words in (["answer", run_id, "keep"], ["resume", run_id], ["fork", run_id]):
        done = project.run(*words, "--use", "edited")
        assert done.code == 2
        assert "cannot be read" in done.err
        assert "--use stored" in done.err
    assert len(project.run("show", run_id, "--json").data["requests"]) == 1
    assert project.run("answer", run_id, "keep", "--use", "stored").out == "keep\n"


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_what_nodes_print_never_mixes_with_the_result(project: Project, options: list[str]) -> None:
    project.write("loud.yaml", LOUD)
    project.write("loud.py", LOUD_CODE)
    done = project.run("run", "loud.yaml", *options)
    assert done.code == 0
    for printed in ("imported loudly", "printed by the node", "printed by a program"):
        assert printed in done.err
        assert printed not in done.out
    if options:
        assert done.data["state"] == "completed"
        run_id = done.data["id"]
        assert project.run("show", run_id, "--json").data["id"] == run_id
        assert project.run("validate", "loud.yaml", "--json").data["valid"] is True
    else:
        assert json.loads(done.out) == {}


def test_debug_shows_the_traceback_and_leaves_with_the_same_code(project: Project) -> None:
    for words, code in ((["show", "abc"], 2), (["run", "nowhere.yaml"], 2)):
        done = subprocess.run(
            [*COMMAND, *words, "--debug", "--json"], cwd=project.folder, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code
        assert "Traceback" in done.stderr
        assert json.loads(done.stdout)["error"]["message"]


@pytest.mark.parametrize("command", ["list", "validate ask.yaml", "run ask.yaml", "show abc"])
def test_a_folder_that_was_deleted_is_told(project: Project, command: str) -> None:
    script = f"mkdir gone && cd gone && rmdir ../gone && {shlex.join(COMMAND)} {command}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=project.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "does not exist any more" in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_options_are_json_when_json_is_wanted(project: Project) -> None:
    done = project.run("list", "--json", "--nonsense")
    assert done.code == 2
    assert done.data["error"]["type"] == "UsageError"
    assert "--nonsense" in done.data["error"]["message"]
    assert "usage: holdfast" in project.run("list", "--nonsense").err


def test_suggested_commands_reach_the_store_that_was_named(project: Project) -> None:
    store = "sqlite:my store.db"
    started = project.run("run", "ask.yaml", "--store", store)
    short = started.run_id[:8]
    for command in ("answer", "show"):
        line = next(line for line in started.err.splitlines() if f"holdfast {command}" in line)
        words = shlex.split(line.partition("holdfast ")[2])
        assert words[-2:] == ["--store", store]
    shown = project.run("show", short, "--store", store)
    assert f"answer {short} ANSWER --store 'sqlite:my store.db'" in shown.out
    noted = project.run("answer", short, "keep", "--no-resume", "--store", store)
    assert noted.code == 0
    line = next(line for line in noted.err.splitlines() if "go on with" in line)
    words = shlex.split(line.partition("holdfast ")[2])
    assert project.run(*words).out == "keep\n"


def test_nothing_is_suggested_for_a_run_that_is_gone_with_its_process(project: Project) -> None:
    done = project.run("run", "ask.yaml", "--store", "memory://")
    assert done.code == 3
    assert "holdfast " not in done.err
    assert "the run is gone" in done.err


def test_a_run_that_asks_several_questions_is_answered_as_suggested(project: Project) -> None:
    project.write("two.yaml", TWO)
    started = project.run("run", "two.yaml")
    lines = [line for line in started.err.splitlines() if "answer it with" in line]
    assert len(lines) == 2
    for line in lines:
        words = shlex.split(line.partition("holdfast ")[2].replace("ANSWER", "yes"))
        done = project.run(*words)
    assert done.code == 0


def test_resuming_everything_tells_what_was_left_alone_and_why(project: Project) -> None:
    project.write("dying.yaml", DYING)
    project.write("dying.py", DYING_CODE)
    project.write("edited.yaml", DYING)
    for name in ("dying.yaml", "edited.yaml"):
        assert project.run("run", name).code == -signal.SIGKILL
    project.write("edited.yaml", DYING + "output: '{state.n}'\n")
    project.write("mended", "")
    states = {row["name"]: row["state"] for row in project.run("list", "--json").data}
    assert states == {"dying": "working"}
    assert project.run("list", "--state", "interrupted").out.count("interrupted") == 2

    done = project.run("resume")
    assert done.code == 2
    assert "completed: 1 step," in done.out
    assert "is left alone" in done.err
    assert "--use stored" in done.err
    assert "there is no interrupted run" not in done.out

    left = project.run("resume")
    assert left.code == 2
    assert "there is no interrupted run" not in left.out
    (data,) = project.run("resume", "--json").data
    assert data["left_alone"]["type"] == "WorkflowChanged"
    assert "state     interrupted" in project.run("show", data["id"]).out
    assert project.run("resume", "--use", "stored").code == 0
    assert "there is no interrupted run" in project.run("resume").out


@pytest.mark.parametrize("where", ["a file", "a terminal"])
def test_each_line_tells_its_run_when_several_are_resumed(project: Project, where: str) -> None:
    project.write("dying.yaml", DYING)
    project.write("dying.py", DYING_CODE)
    for _ in range(2):
        assert project.run("run", "dying.yaml").code == -signal.SIGKILL
    project.write("mended", "")
    ids = [row["id"] for row in project.run("list", "--json").data]
    said = project.run("resume").err if where == "a file" else on_terminal(project, "resume")
    assert len(ids) == 2
    for each in ids:
        assert f"{each[:8]}  done        die" in said


def on_terminal(project: Project, *words: str) -> str:
    """Return what a command shows whose standard error is a terminal."""
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal:
        assert project.start(*words, stderr=terminal.fileno()).wait(30) == 0
    return read_terminal(leader)


def test_resuming_everything_tells_what_the_runs_ask(project: Project) -> None:
    project.write("dying.py", DYING_CODE)
    project.write("asks.yaml", """
name: asks
state: {n: int, ok: str}
nodes:
  die: {kind: python, call: "dying:die", returns: int, output: n}
  ask: {kind: human, ask: "Is {state.n} good?", output: ok}
""")  # fmt: skip
    assert project.run("run", "asks.yaml").code == -signal.SIGKILL
    project.write("mended", "")
    done = project.run("resume")
    assert done.code == 3
    assert "waits for an answer" in done.out
    assert "it asks (ask#1): Is 7 good?" in done.err
    assert "ANSWER" in done.err


def test_an_answer_to_a_run_that_is_being_worked_on_is_noted(project: Project) -> None:
    project.write("gate.py", """
import time
from pathlib import Path

def gate():
    while not Path("open").exists():
        time.sleep(0.01)
""")  # fmt: skip
    project.write("busy.yaml", """
name: busy
state: {ok: str}
nodes:
  gate: {kind: python, call: "gate:gate"}
  ask: {kind: human, ask: "Good?", output: ok}
edges: [start -> gate, start -> ask]
output: "{state.ok}"
""")  # fmt: skip
    process = project.start("run", "busy.yaml")
    try:
        run_id = wait_for_line(process, "asks").split("run ")[1][:32]
        done = project.run("answer", run_id, "yes")
        assert done.code == 0, done.err
        assert "goes on with it" in done.err
        project.write("open", "")
        assert process.communicate(timeout=30)[0] == "yes\n"
    finally:
        if process.poll() is None:
            stop(process)


def test_an_error_of_a_function_shows_its_type(project: Project) -> None:
    project.write("failing.yaml", FAILING)
    project.write("failing.py", "def look():\n    return {}['nope']\n")
    done = project.run("run", "failing.yaml")
    assert done.code == 1
    assert "error: b: KeyError: 'nope'" in done.err
    assert "error: b: KeyError: 'nope'" in project.run("show", done.run_id).err


def test_a_run_that_was_unloaded_while_it_waited_was_not_cancelled(project: Project) -> None:
    run_id = project.run("run", "ask.yaml").run_id
    assert "waterfall" in project.run("show", run_id).out
    assert "cancelled" not in project.run("show", run_id).out


def test_validate_shows_what_inputs_are_when_they_are_not_given(project: Project) -> None:
    done = project.run("validate", "ask.yaml")
    assert "'ask', 1 node\n" in done.out
    assert "input level: int, default 3\n" in done.out


def test_the_note_about_the_extractor_comes_only_with_a_run(project: Project) -> None:
    project.write("extract.yaml", """
name: extract
inputs: {text: str}
state: {a: str}
nodes:
  one: {kind: model, prompt: "{inputs.text}", output: a}
""")  # fmt: skip
    done = project.run("run", "extract.yaml")
    assert done.code == 2
    assert "language model" not in done.err


def test_a_reader_that_goes_away_is_told_by_the_code(project: Project) -> None:
    read, write = os.pipe()
    os.close(read)
    process = subprocess.Popen(
        [*COMMAND, "schema"], cwd=project.folder, stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 141
    assert said == ""


def test_control_characters_are_made_visible() -> None:
    assert safe("a\x1b\u202eb\U000e0001") == "a\\x1b\\u202eb\\U000e0001"
    assert safe("plain é\n") == "plain é\n"


def test_one_thing_is_not_several() -> None:
    assert (count(1, "step"), count(0, "step"), count(2, "step")) == (
        "1 step",
        "0 steps",
        "2 steps",
    )
