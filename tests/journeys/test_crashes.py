"""Real processes, really killed."""

from __future__ import annotations

import random
import signal
from collections import Counter

import pytest

from tests.journeys.cli import Project, stop, wait_for_line

COUNTING = '''
import os, time
from pathlib import Path

def note(name, wait=0.0):
    """Write down that this ran, durably, then take a while."""
    with open("ran.txt", "a") as file:
        file.write(name + "\\n")
        file.flush()
        os.fsync(file.fileno())
    if wait:
        time.sleep(wait)
    return name

def gate(name):
    """Return as soon as somebody has made the file named `name`."""
    note(name)
    while not Path(name).exists():
        time.sleep(0.01)
    return name
'''

CHAIN = """
name: chain
state: {trail: {type: "list[str]", reducer: append, default: []}, mapped: {type: "list[str]", reducer: append, default: []}}
nodes:
  one: {kind: python, call: "counting:note", arguments: {name: one}, returns: str, output: trail}
  two: {kind: python, call: "counting:note", arguments: {name: two}, returns: str, output: trail}
  left: {kind: python, call: "counting:note", arguments: {name: left}, returns: str, output: trail}
  right: {kind: python, call: "counting:note", arguments: {name: right}, returns: str, output: trail}
  each: {kind: python, call: "counting:note", map: {over: state.trail, as: item, concurrency: 2}, arguments: {name: "each-{item}"}, returns: str, output: mapped}
  last: {kind: python, call: "counting:note", arguments: {name: last}, returns: str, output: trail}
edges:
  - start -> one -> two
  - {from: two, to: [left, right]}
  - left -> each -> last
  - right -> each
output: {trail: "{state.trail}", mapped: "{state.mapped}"}
"""
RESULT = {
    "trail": ["one", "two", "left", "right", "last"],
    "mapped": ["each-one", "each-two", "each-left", "each-right"],
}

GATED = """
name: gated
state: {trail: {type: "list[str]", reducer: append, default: []}}
nodes:
  one: {kind: python, call: "counting:note", arguments: {name: one}, returns: str, output: trail}
  wait: {kind: python, call: "counting:gate", arguments: {name: open-sesame}, returns: str, output: trail}
  last: {kind: python, call: "counting:note", arguments: {name: last}, returns: str, output: trail}
output: "{state.trail}"
"""


@pytest.fixture
def project(project: Project) -> Project:
    project.write("counting.py", COUNTING)
    project.write("chain.yaml", CHAIN)
    project.write("gated.yaml", GATED)
    return project


def ran(project: Project) -> Counter[str]:
    path = project.folder / "ran.txt"
    return Counter(path.read_text().split()) if path.exists() else Counter()


@pytest.mark.promise("finished-step-never-reruns", "dead-noticed", "acknowledged-survives")
def test_a_killed_run_is_resumed_at_once_and_repeats_nothing_finished(project: Project) -> None:
    process = project.start("run", "gated.yaml")
    said = wait_for_line(process, "done        one")
    stop(process)
    listed = project.run("list", "--json").data
    assert [each["state"] for each in listed] == ["working"]
    assert listed[0]["held"] is False
    assert "interrupted" in project.run("list").out
    assert listed[0]["id"] in said
    project.write("open-sesame", "")

    resumed = project.run("resume", listed[0]["id"][:6], "--json")

    assert resumed.code == 0
    assert resumed.data["result"] == ["one", "open-sesame", "last"]
    assert resumed.data["claims"] == 2
    assert ran(project)["one"] == 1
    assert ran(project)["last"] == 1


@pytest.mark.promise("one-worker")
def test_a_run_that_a_live_process_holds_cannot_be_resumed(project: Project) -> None:
    process = project.start("run", "gated.yaml")
    said = wait_for_line(process, "done        one")
    run_id = said.split("run ")[1][:32]
    busy = project.run("resume", run_id)
    assert busy.code == 2
    assert "another process works on run" in busy.err
    assert "there is no interrupted run" in project.run("resume").out
    project.write("open-sesame", "")
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "open-sesame" in out


@pytest.mark.promise("cancel-reaches")
def test_a_run_is_cancelled_from_another_process(project: Project) -> None:
    project.write("gated.yaml", GATED.replace("counting:gate", "counting_async:gate"))
    project.write(
        "counting_async.py",
        "import asyncio\nasync def gate(name):\n    await asyncio.Event().wait()\n",
    )
    process = project.start("run", "gated.yaml")
    said = wait_for_line(process, "done        one")
    run_id = said.split("run ")[1][:32]
    cancelled = project.run("cancel", run_id)
    assert cancelled.code == 0
    assert "is cancelled" in cancelled.out
    process.communicate(timeout=30)
    assert process.returncode == 7


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("where", ["counting", "counting_async"])
def test_an_interrupted_run_says_how_to_go_on(
    project: Project, how: signal.Signals, where: str
) -> None:
    project.write("gated.yaml", GATED.replace("counting:gate", f"{where}:gate"))
    project.write(
        "counting_async.py",
        "import asyncio\nfrom pathlib import Path\nasync def gate(name):\n"
        "    while not Path(name).exists():\n        await asyncio.sleep(0.01)\n    return name\n",
    )
    process = project.start("run", "gated.yaml")
    wait_for_line(process, "done        one")
    stopped = stop(process, how)
    assert stopped.code == 130
    assert "go on with: holdfast resume" in stopped.err
    assert "Traceback" not in stopped.err
    project.write("open-sesame", "")
    assert project.run("resume").code == 0
    counted = ran(project)
    counted.pop("open-sesame", None)  # it was under way, and is done again
    assert counted == {"one": 1, "last": 1}


def kill_somewhere(project: Project, chance: random.Random) -> None:
    """Run the chain, kill it after a random number of progress lines, resume until it ends."""
    (project.folder / "ran.txt").unlink(missing_ok=True)
    process = project.start("run", "chain.yaml")
    assert process.stderr is not None
    for _ in range(chance.randint(1, 9)):
        process.stderr.readline()
    stop(process)
    finished = project.run("list", "--json", "--limit", "1").data[0]
    before = [step["path"] for step in project.run("show", finished["id"], "--json").data["steps"]]
    at_kill = ran(project)
    if finished["state"] == "working":
        resumed = project.run("resume", finished["id"], "--json")
        assert resumed.code == 0, resumed.out
    shown = project.run("show", finished["id"], "--json").data
    assert shown["result"] == RESULT
    trail = ["one", "two", "left", "right"]
    names = {f"each[{index}]": f"each-{name}" for index, name in enumerate(trail)}
    for path in before:
        name = names.get(path, path)
        assert ran(project)[name] == at_kill[name] == 1, f"{path} ran again"


@pytest.mark.promise("crash-changes-nothing", "finished-step-never-reruns")
def test_kills_at_random_moments_change_nothing(project: Project) -> None:
    for seed in range(4):
        kill_somewhere(project, random.Random(seed))


@pytest.mark.torture
def test_a_hundred_kills_at_random_moments_change_nothing(project: Project) -> None:
    for seed in range(100, 200):
        kill_somewhere(project, random.Random(seed))
