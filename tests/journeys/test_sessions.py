"""Take work up again as people and tools do: with real commands, after real kills."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from tests.journeys.cli import COMMAND, Project, stop, wait_for_line

WRITER = """
import asyncio
from holdfast.app.stores import open_only_store
from holdfast.clock import SystemClock
from holdfast.settings import load_settings
from holdfast.tasks import Actor, NewTask, Tasks
from holdfast.tasks.sessions import Sessions, session_for
from pathlib import Path

async def main():
    clock, actor = SystemClock(), Actor(by="robot", via="test")
    async with open_only_store(load_settings(Path.cwd())) as store:
        sessions, tasks = (each(store, clock=clock, actor=actor) for each in (Sessions, Tasks))
        session = await session_for(store)
        number = 0
        while True:
            number += 1
            await sessions.note(session, f"note {number}")
            await sessions.decide(session, f"decision {number}")
            task = await tasks.create(NewTask(name=f"task {number}", session=session))
            await tasks.claim(task.id, lease_ms=1)
            await tasks.note(task.id, f"in the middle of {number}")
            print(number, flush=True)

asyncio.run(main())
"""


def ok(project: Project, *words: str) -> Any:
    """Run a command that works, and return its JSON document."""
    done = project.run(*words, "--json")
    assert done.code == 0, (words, done.out, done.err)
    return done.data


def begun(project: Project, *options: str) -> str:
    assert project.run("init").code == 0
    return str(ok(project, "session", "start", "report", *options)["id"])


@pytest.mark.promise("session-survives-its-process")
def test_after_a_kill_another_process_finds_all_that_was_acknowledged(project: Project) -> None:
    session = begun(project, "--goal", "ten pages")
    script = project.write("writer.py", textwrap.dedent(WRITER))
    process = subprocess.Popen(
        [sys.executable, str(script)], cwd=project.folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    said = 0
    while said < 5:
        said = int(process.stdout.readline())
    rest = stop(process)
    assert rest.code == -9, rest.err
    said += len(rest.out.splitlines())

    found = ok(project, "session", "resume", "--budget", "200000")
    assert found["session"]["id"] == session
    assert found["is_complete"]
    for number in range(1, said + 1):
        assert f": note {number}\n" in found["text"] + "\n"
        assert f" decision {number}\n" in found["text"]
        assert f" task {number}\n" in found["text"]
        assert f"in the middle of {number}\n" in found["text"] + "\n"
    assert "left by robot, to be taken over" in found["text"]
    assert "goal: ten pages" in found["text"]
    assert ok(project, "task", "resume", "--budget", "200000")["text"] == found["text"]
    assert project.run("store", "verify").code == 0


def test_a_session_goes_from_its_start_to_its_end(project: Project) -> None:
    session = begun(project, "--in", "text", "--out", "print", "--set", "project_type=book")
    below = Project(project.folder / "below")
    below.folder.mkdir()
    ok(below, "session", "note", "the library is shut", "--by", "ann")
    ok(below, "session", "decide", "use LaTeX", "--why", "tables", "--instead-of", "Word")
    ok(below, "session", "scope", "--in", "an index", "--why", "asked for")
    task = ok(below, "task", "create", "write", "the", "intro")
    assert task["session"] == session
    ok(below, "task", "start", task["id"])
    ok(below, "session", "context", "pages=3", "--file", "intro.tex", "--task", task["id"][:8])
    done = ok(project, "task", "create", "make a folder")
    ok(project, "task", "start", done["id"])
    ok(project, "task", "complete", done["id"])
    alone = ok(project, "session", "start", "else", "--aside")
    assert ok(project, "task", "create", "else", "--session", "else")["session"] == alone["id"]

    shown = ok(project, "session", "show")
    assert (shown["session_id"], shown["is_current"]) == (session, True)
    assert shown["current_task"]["id"] == task["id"]
    assert shown["current_task"]["status"] == "in_progress"
    assert shown["current_task"]["context"] == {
        "files_modified": ["below/intro.tex"],
        "decisions": [],
    }
    assert [each["name"] for each in shown["completed_tasks"]] == ["make a folder"]
    assert shown["memory"]["project_type"] == "book"
    assert shown["memory"]["key_decisions"] == ["use LaTeX"]
    assert shown["notes"][0]["by"] == "ann"
    assert shown["scope"] == {"includes": ["text", "an index"], "excludes": ["print"]}

    text = project.run("session", "show").out
    for wanted in ("use LaTeX", "because: tables", "instead of: Word", "the library is shut"):
        assert wanted in text
    ended = project.run("session", "end", "half of it")
    assert ended.code == 0, ended.err
    assert "left open: 1 task\n" in ended.out
    assert "write the intro" in ended.out
    listed = ok(project, "session", "list")["sessions"]
    assert {each["name"]: each["state"] for each in listed} == {"report": "ended", "else": "open"}
    assert ok(project, "session", "show", "report")["summary"] == "half of it"


def test_a_budget_holds_and_what_is_not_said_is_named(project: Project) -> None:
    begun(project)
    names = [f"task number {number}" for number in range(12)]
    made = [ok(project, "task", "create", name)["id"] for name in names]
    found = ok(project, "session", "resume", "--budget", "300")
    assert len(found["text"]) <= 300
    part = found["parts"]["next"]
    assert sorted([*part["whole"], *part["shortened"], *part["left_out"]]) == sorted(made)
    assert f"{len(part['left_out'])} of 12 left out" in found["text"]
    shown = project.run("session", "resume", "--budget", "300").out
    assert len(shown) <= 300 + 1
    command = shown.strip().rpartition("see: ")[2].split()
    assert command[:3] == ["holdfast", "task", "ready"]
    ready = project.run(*command[1:]).out
    assert all(name in ready for name in names)


def test_of_many_processes_that_write_at_once_nobody_loses_anything(project: Project) -> None:
    begun(project)
    words = [f"from {number}" for number in range(8)]
    processes = [
        subprocess.Popen(
            [*COMMAND, "session", "note", each], cwd=project.folder,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for each in words
    ]  # fmt: skip
    for process in processes:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    assert sorted(each["text"] for each in ok(project, "session", "show")["notes"]) == words


def test_what_the_project_remembers_stands_beside_the_session(project: Project) -> None:
    begun(project)
    ok(project, "memory", "write", "we test first", "--kind", "procedure")
    ok(project, "memory", "write", "MIT", "--kind", "decision")
    ok(project, "memory", "write", "a library", "--key", "project_type")
    assert ok(project, "session", "show")["memory"] == {
        "project_type": "a library",
        "key_decisions": ["MIT"],
        "learned_patterns": ["we test first"],
    }


def test_what_show_prints_can_be_taken_into_another_project(project: Project) -> None:
    session = begun(project)
    done = ok(project, "task", "create", "make a folder")["id"]
    ok(project, "task", "complete", ok(project, "task", "start", done)["id"])
    ok(project, "task", "start", ok(project, "task", "create", "write")["id"])
    other = Project(project.folder / "other")
    other.folder.mkdir()
    other.write("current.json", project.run("session", "show", "--json").out)
    other.run("init")
    ok(other, "task", "import", "current.json")
    listed = ok(other, "task", "list", "--session", session)["tasks"]
    states = {each["name"]: each["state"] for each in listed}
    assert states == {"make a folder": "completed", "write": "working"}
    refused = other.run("task", "list", "--session", "nobody")
    assert (refused.code, "no session is called 'nobody'" in refused.err) == (2, True)


ORDER = """
name: order
state: {count: int}
nodes:
  how_many: {kind: human, ask: "How many?", returns: int, output: count}
edges:
  - start -> how_many -> end
"""
SLOW = """
name: slow
nodes:
  nap: {kind: python, call: "slow:nap"}
"""


def test_runs_that_wait_or_have_lost_their_process_are_in_it_too(project: Project) -> None:
    assert project.run("init").code == 0
    project.write("order.yaml", ORDER)
    project.write("slow.yaml", SLOW)
    project.write("slow.py", "import time\ndef nap() -> None:\n    time.sleep(60)\n")
    assert project.run("run", "order.yaml", "--quiet").code == 3
    process = project.start("run", "slow.yaml")
    wait_for_line(process, "run ")
    assert "a process works on it" in project.run("task", "resume").out
    stop(process)
    text = project.run("task", "resume").out
    assert "no process works on it; to go on: holdfast resume " in text
    assert "how_many#1: How many?\n  to answer: holdfast answer " in text


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["note", "x"], "no session is the current one", "holdfast session start NAME"),
        (["end"], "no session is the current one", "--session"),
        (["switch", "nobody"], "no session is called 'nobody'", "holdfast session list"),
        (["resume", "--session", "nobody"], "no session is called 'nobody'", "session list"),
        (["resume", "--all", "--session", "x"], "exclude each other", "one of them"),
        (["resume", "--budget", "5"], "too few", "allow "),
        (["start", " "], "cannot be the name of a session", "1 to 100 characters"),
        (["list", "--limit", "0"], "--limit must be at least 1", ""),
    ],
)
def test_bad_input_is_refused_with_what_to_do(
    project: Project, words: list[str], message: str, hint: str
) -> None:
    assert project.run("init").code == 0
    done = project.run("session", *words)
    assert done.code == 2
    assert message in done.err
    assert hint in done.err
    told = json.loads(project.run("session", *words, "--json").out)["error"]
    assert message in told["message"]


def test_what_is_said_to_an_open_session_is_checked(project: Project) -> None:
    begun(project)
    for words, message in (
        (["start", "report"], "the session 'report'"),
        (["note", " "], "the note is empty"),
        (["context", "a=1", "--unset", "a"], "both set and taken out"),
        (["context", "a"], "sets nothing"),
        (["scope", "--why", "so"], "a reason alone changes nothing"),
        (["scope", "--in", "a", "--out", "a"], "both inside and outside"),
        (["note", "x", "--task", "0000"], "no task has an id"),
        (["note", "@nowhere.txt"], "cannot be read"),
    ):
        done = project.run("session", *words)
        assert (done.code, message in done.err) == (2, True), (words, done.err)
    assert ok(project, "session", "show")["notes"] == []
    assert ok(project, "session", "scope")["changes"] == []
    ok(project, "session", "end")
    assert "has ended" in project.run("session", "note", "x", "--session", "report").err


def test_records_that_are_lost_are_made_anew_from_the_history(project: Project) -> None:
    session = begun(project)
    script = """
    import asyncio
    from holdfast.clock import SystemClock
    from holdfast.storage.opening import open_store

    async def main():
        async with open_store("files:.holdfast", clock=SystemClock()) as store:
            await store.delete(("session", "local", SESSION), expected=-1)

    asyncio.run(main())
    """
    text = textwrap.dedent(script).replace("SESSION", repr(session))
    subprocess.run([sys.executable, "-c", text], cwd=project.folder, check=True, timeout=60)
    assert project.run("session", "show", session).code == 2
    assert "1 record would be made anew" in project.run("session", "repair", "--dry-run").out
    assert "1 record made anew" in project.run("session", "repair").out
    assert "1 session: nothing to mend" in project.run("session", "repair").out
    assert ok(project, "session", "show")["session_id"] == session
