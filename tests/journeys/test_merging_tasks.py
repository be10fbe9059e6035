"""Two people work on the tasks of one project, each in a clone, and git merges what they did."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.cli import Project


@dataclass
class Clone(Project):
    """A clone of the project."""

    def git(self, *words: str) -> None:
        environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        for who in ("AUTHOR", "COMMITTER"):
            environ |= {f"GIT_{who}_NAME": "t", f"GIT_{who}_EMAIL": "t@example.invalid"}
        done = subprocess.run(
            ["git", *words], cwd=self.folder, env=environ, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def task(self, *words: str) -> Any:
        done = self.run("task", *words, "--json")
        assert done.code == 0, done.err
        return done.data

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "work")

    def pull(self, other: Clone) -> None:
        self.git("fetch", "-q", str(other.folder), "HEAD")
        self.git("merge", "-q", "-m", "merge", "FETCH_HEAD")

    def tasks(self) -> dict[str, Any]:
        listed = self.task("list", "--all")
        return {each["name"]: each for each in listed["tasks"]}


@pytest.mark.timeout(180)
@pytest.mark.promise("clones-merge")
def test_what_two_clones_did_to_one_task_is_all_there_and_the_lists_are_right(
    tmp_path: Path,
) -> None:
    (tmp_path / "one").mkdir()
    one = Clone(tmp_path / "one")
    one.git("init", "-q")
    first = one.task("create", "first")["id"]
    one.task("create", "second", "--blocked-by", first)
    assert one.run("merge", "--install").code == 0
    one.commit()
    one.git("clone", "-q", str(one.folder), str(tmp_path / "other"))
    other = Clone(tmp_path / "other")
    assert other.run("merge", "--install").code == 0

    other.task("note", first, "seen by the other")
    one.task("start", first)
    one.task("complete", first)
    other.task("update", first, "--priority", "0")
    other.task("create", "third")
    one.commit()
    other.commit()
    one.pull(other)
    one.commit()
    other.pull(one)

    for clone in (one, other):
        assert clone.tasks().keys() == {"first", "second", "third"}
        ready = clone.task("ready")
        assert {each["name"] for each in ready["tasks"]} == {"second", "third"}
        shown = clone.task("show", first)
        assert (shown["state"], shown["notes"]) == ("completed", 1)
        told = [each["event"] for each in clone.task("history", first)["events"]]
        assert sorted(told) == ["completed", "created", "noted", "started", "updated"]
        assert clone.run("store", "verify").code == 0
