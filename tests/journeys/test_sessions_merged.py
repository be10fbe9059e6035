"""Sessions of two clones of a project that git merges."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.cli import Project


def git(project: Project, *words: str) -> None:
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    for who in ("AUTHOR", "COMMITTER"):
        environ |= {f"GIT_{who}_NAME": "t", f"GIT_{who}_EMAIL": "t@example.invalid"}
    done = subprocess.run(
        ["git", *words],
        cwd=project.folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def commit(project: Project) -> None:
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "work")


def ok(project: Project, *words: str) -> Any:
    done = project.run(*words, "--json")
    assert done.code == 0, (words, done.out, done.err)
    return done.data


@pytest.mark.promise("session-survives-its-process")
def test_what_two_clones_said_in_one_session_is_there_after_a_merge(
    project: Project, tmp_path: Path
) -> None:
    git(project, "init", "-q", "-b", "main")
    project.run("init")
    session = ok(project, "session", "start", "report")["id"]
    ok(project, "merge", "--install")
    commit(project)
    git(project, "clone", "-q", ".", str(tmp_path / "other"))
    other = Project(tmp_path / "other")
    ok(other, "merge", "--install")

    ok(other, "session", "decide", "theirs")
    ok(other, "session", "start", "another")
    ok(other, "session", "end", "over", "--session", "report")
    ok(other, "session", "start", "report")
    commit(other)
    ok(project, "session", "decide", "mine")
    ok(project, "session", "note", "mine too")
    commit(project)
    git(project, "pull", "-q", "--no-rebase", "--no-edit", str(other.folder), "main")

    shown = ok(project, "session", "show", session)
    assert {each["text"] for each in shown["decisions"]} == {"theirs", "mine"}
    assert [each["text"] for each in shown["notes"]] == ["mine too"]
    assert (shown["state"], shown["summary"]) == ("ended", "over")
    listed = ok(project, "session", "list")["sessions"]
    counts = {(each["name"], each["state"]): each["decisions"] for each in listed}
    assert counts == {("report", "ended"): 2, ("another", "open"): 0, ("report", "open"): 0}
    assert ok(project, "session", "show", "report")["session_id"] != session  # the open one
    ok(project, "session", "repair")
    assert ok(project, "session", "repair")["is_clean"]
    assert {each["text"] for each in ok(project, "session", "show", session)["decisions"]} == {
        "theirs", "mine",
    }  # fmt: skip
    assert project.run("store", "verify").code == 0
