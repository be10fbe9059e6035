"""Tasks move in and out by the command line, with exit codes that scripts can go by."""

from __future__ import annotations

import json
import os
import pty
import subprocess

import pytest

from tests.journeys.cli import COMMAND, Project, read_terminal

ISSUES = [
    {"id": "bd-1", "title": "Lay the keel", "status": "closed", "priority": 1, "design": "oak",
     "created_at": "2025-01-09T12:00:00Z", "closed_at": "2025-01-10T12:00:00Z"},
    {"id": "bd-2", "title": "Caulk the seams", "status": "open", "priority": 2,
     "created_at": "2025-01-11T12:00:00Z",
     "dependencies": [{"issue_id": "bd-2", "depends_on_id": "bd-1", "type": "blocks"}]},
]  # fmt: skip


def lines(issues: list[dict[str, object]]) -> str:
    return "".join(json.dumps(each) + "\n" for each in issues)


@pytest.mark.promise("import-loses-nothing")
def test_issues_come_in_are_worked_on_and_go_out_with_all_that_they_had(project: Project) -> None:
    path = project.write(".beads/issues.jsonl", lines(ISSUES))
    tried = project.run("task", "import", ".", "--dry-run")
    assert tried.code == 0
    assert "2 would be created" in tried.out
    assert project.run("task", "list", "--json").data["tasks"] == []
    done = project.run("task", "import", ".", "--json")
    assert done.code == 0
    assert done.data == {
        "format": "beads", "dry_run": False, "read": 2, "created": 2, "updated": 0, "same": 0,
        "findings": [],
    }  # fmt: skip
    assert "2 the same" in project.run("task", "import", str(path)).out
    out = project.run("task", "export", "--format", "beads")
    assert [json.loads(line) for line in out.out.splitlines()] == ISSUES
    assert out.err == ""
    [ready] = project.run("task", "ready", "--json").data["tasks"]
    assert project.run("task", "start", ready["id"][:8]).code == 0
    assert project.run("task", "complete", ready["id"][:8]).code == 0
    changed = project.run("task", "export", "--format", "beads", "--open")
    assert changed.out == ""


def test_what_is_broken_is_told_and_makes_the_exit_code_two(project: Project) -> None:
    project.write("in.jsonl", lines(ISSUES) + '{"id": "bd-3", "tit\n')
    done = project.run("task", "import", "in.jsonl")
    assert done.code == 2
    assert "problem: in.jsonl, line 3: this cannot be read as JSON" in done.out
    assert "2 created" in done.out
    found = project.run("task", "import", "in.jsonl", "--json")
    assert (found.code, found.data["same"]) == (2, 2)
    assert found.data["findings"][0]["line"] == 3
    for words in (["missing.json"], ["in.jsonl", "--format", "odd"]):
        assert project.run("task", "import", *words).code == 2


def test_an_export_says_what_it_left_out_and_replaces_no_file(project: Project) -> None:
    project.run("task", "create", "Paint", "--description", "red")
    done = project.run(
        "task", "export", "--format", "taskwarrior", "--output", "out.json", "--json"
    )
    assert done.code == 0
    assert done.data["tasks"] == 1
    assert done.data["left_out"]["description"] == 1
    before = (project.folder / "out.json").read_text()
    again = project.run("task", "export", "--format", "taskwarrior", "--output", "out.json")
    assert again.code == 2
    assert "is there already" in again.err
    assert (project.folder / "out.json").read_text() == before
    told = project.run("task", "export", "--format", "taskwarrior")
    assert json.loads(told.out)[0]["description"] == "Paint"
    assert "1 x description" in told.err


def test_whole_histories_move_to_another_project(project: Project) -> None:
    made = project.run("task", "create", "Paint", "--json").data
    project.run("task", "note", made["id"], "red or blue?")
    assert project.run("task", "export", "--output", "all.jsonl").code == 0
    elsewhere = Project(project.folder / "elsewhere")
    elsewhere.folder.mkdir()
    done = elsewhere.run("task", "import", "../all.jsonl", "--store", "files:other")
    assert (done.code, "1 created" in done.out) == (0, True)
    history = elsewhere.run("task", "history", made["id"], "--store", "files:other")
    assert "red or blue?" in history.out


def test_a_terminal_shows_how_far_an_import_has_come(project: Project) -> None:
    path = project.write("in.jsonl", lines([{**ISSUES[0], "id": f"bd-{n}"} for n in range(120)]))
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "task", "import", str(path)], cwd=project.folder, stderr=follower,
        stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        out, _ = process.communicate(timeout=60)
    os.close(follower)
    shown = read_terminal(leader)
    assert b"120 created" in out
    assert "imported 100 of 120" in shown


def test_show_tells_what_came_along_and_not_what_only_an_import_needs(project: Project) -> None:
    project.write("in.jsonl", lines(ISSUES))
    project.run("task", "import", "in.jsonl")
    [ready] = project.run("task", "ready", "--json").data["tasks"]
    [keel] = [each for each in project.run("task", "list", "--json").data["tasks"] if each != ready]
    shown = project.run("task", "show", keel["id"])
    assert '"id": "bd-1", "design": "oak"' in shown.out
    assert "digest" not in shown.out
    assert "digest" in project.run("task", "show", keel["id"], "--json").out
