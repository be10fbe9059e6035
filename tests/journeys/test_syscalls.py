"""Kill the process at every write that it makes to the store, with the kernel's help."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.journeys.cli import COMMAND, Project
from tests.journeys.test_crashes import CHAIN, COUNTING, RESULT, ran

CALLS = ("pwrite64", "fdatasync")

STORES = {
    "files:.holdfast": [".holdfast/journal/00000001.jsonl"],
    "sqlite:.holdfast/holdfast.db": [".holdfast/holdfast.db", ".holdfast/holdfast.db-wal"],
}
"""Stores, and the files that hold what they acknowledge."""


def strace() -> str:
    found = shutil.which("strace")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("strace is missing; ./dev test installs it as root")
        pytest.skip("strace is missing: kills at every system call are NOT tested")
    return found


def run_under(project: Project, store: str, call: str, when: int) -> int:
    """Run the chain and kill it at its `when`-th `call` to the store; return the exit code."""
    command = [strace(), "-f", "-qq", "-e", "signal=none", "-e", f"trace={call}", "-o", os.devnull]
    for file in STORES[store]:
        command += ["-P", str(project.folder / file)]
    command += ["-e", f"inject={call}:signal=KILL:when={when}"]
    done = subprocess.run(
        [*command, *COMMAND, "run", "chain.yaml"], cwd=project.folder, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(project.folder)}, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode


def check_kills(project: Project, store: str, call: str, points: range) -> int:
    """Kill at each of these calls; return how many kills there were."""
    kills = 0
    for when in points:
        fresh = Project(project.folder / f"{call}-{when}")
        fresh.folder.mkdir()
        fresh.write("counting.py", COUNTING)
        fresh.write("chain.yaml", CHAIN)
        fresh.write("holdfast.toml", f'store = "{store}"\n')
        code = run_under(fresh, store, call, when)
        if code == 0:
            return kills
        kills += 1
        check_after_kill(fresh)
    return kills


def check_after_kill(project: Project) -> None:
    listed = project.run("list", "--json")
    assert listed.code == 0, listed.err
    if not listed.data:
        return  # it died before the start was acknowledged: nothing was promised
    run_id = listed.data[0]["id"]
    before = project.run("show", run_id, "--json").data
    at_kill = ran(project)
    if before["state"] != "completed":
        resumed = project.run("resume", run_id, "--json")
        assert resumed.code == 0, resumed.out
    assert project.run("show", run_id, "--json").data["result"] == RESULT
    finished = {name_of(step["path"]) for step in before["steps"]}
    assert {n: ran(project)[n] for n in finished} == {n: at_kill[n] for n in finished}
    assert max((ran(project) - Counter(dict.fromkeys(finished, 1))).values(), default=0) <= 2


def name_of(path: str) -> str:
    found = re.fullmatch(r"each\[(\d)\]", path)
    return f"each-{RESULT['trail'][int(found.group(1))]}" if found else path


@pytest.mark.promise("finished-step-never-reruns", "crash-changes-nothing")
@pytest.mark.parametrize(("call", "store"), list(zip(CALLS, STORES, strict=True)))
def test_a_kill_at_an_early_write_to_the_store_loses_nothing(
    tmp_path: Path, store: str, call: str
) -> None:
    assert check_kills(Project(tmp_path), store, call, range(6, 8)) == 2


@pytest.mark.torture
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("store", STORES)
def test_a_kill_at_every_write_to_the_store_loses_nothing(
    tmp_path: Path, store: str, call: str
) -> None:
    assert check_kills(Project(tmp_path), store, call, range(1, 400)) > 8
