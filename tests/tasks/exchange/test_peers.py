"""The real trackers: what they wrote comes back to them, and they take what is ours."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import Store
from holdfast.tasks import Filter, NewTask, TaskState
from holdfast.testing.clock import ManualClock
from tests.servers.trackers import Program, backlog, taskwarrior
from tests.tasks.exchange.desk import Desk, by, tree

pytestmark = pytest.mark.service


@pytest.fixture
async def store(clock: ManualClock) -> AsyncGenerator[Store]:
    async with MemoryStore(clock=clock) as store:
        yield store


def stable(task: Program) -> dict[str, dict[str, Any]]:
    """What Taskwarrior holds, without what it makes up when it is asked."""
    found = by("uuid", json.loads(task.run("export")))
    for raw in found.values():
        raw.pop("id")
        raw.pop("urgency")
    return found


def fill_taskwarrior(task: Program) -> None:
    task.run(
        *(
            "add",
            "Write the report: 'é' \"x\"",
            "project:home.docs",
            "+work",
            "+next",
            "priority:H",
        ),
        *("due:2031-12-01", "wait:2031-11-30", "until:2032-01-01", "scheduled:2031-11-29"),
        *("estimate:3.5", "reviewer:Ann"),
    )
    task.run("add", "second", "depends:1", "priority:L")
    task.run("add", "third", "depends:1,2")
    task.run("add", "every week", "recur:weekly", "due:2031-12-01")
    task.run("add", "gone")
    task.run("add", "made")
    task.run("1", "annotate", "first note é")
    task.run("2", "start")
    task.run("/gone/", "delete")
    task.run("/made/", "done")
    task.run("list")


@pytest.mark.promise("import-loses-nothing")
async def test_tasks_of_taskwarrior_go_through_holdfast_into_another_taskwarrior(
    desk: Desk, tmp_path: Path
) -> None:
    theirs, other = taskwarrior(tmp_path / "one"), taskwarrior(tmp_path / "two")
    fill_taskwarrior(theirs)
    path = desk.folder / "tasks.json"
    path.write_text(theirs.run("export"))
    done = await desk.bring("taskwarrior", path)
    assert done.created == done.read == len(stable(theirs)) >= 6
    assert done.problems == 0
    out = desk.folder / "out.json"
    out.write_text((await desk.take("taskwarrior"))[0])
    other.run("import", str(out))
    assert stable(other) == stable(theirs)
    assert (await desk.bring("taskwarrior", out)).same == done.read


async def test_what_was_done_here_and_there_is_done_in_both(desk: Desk, tmp_path: Path) -> None:
    task = taskwarrior(tmp_path / "one")
    ours = await desk.tasks.create(NewTask(name="ours", priority=1, tags=["a", "type:bug"]))
    await desk.tasks.create(NewTask(name="waits", blocked_by=[ours.id]))
    await desk.tasks.note(ours.id, "said here")
    out = desk.folder / "out.json"

    async def to_taskwarrior() -> None:
        out.write_text((await desk.take("taskwarrior"))[0])
        task.run("import", str(out))

    await to_taskwarrior()
    task.run("/ours/", "annotate", "said there")
    task.run("/ours/", "done")
    out.write_text(task.run("export"))
    done = await desk.bring("taskwarrior", out)
    assert done.problems == 0, done.findings
    known = await desk.tasks.get(ours.id)
    assert (known.state, known.notes, known.tags) == (TaskState.COMPLETED, 2, ("a", "type:bug"))
    [waiting] = await desk.tasks.ready()
    await desk.tasks.complete(waiting.id, begin=True)
    await to_taskwarrior()
    assert {raw["status"] for raw in stable(task).values()} == {"completed"}


def fill_backlog(tool: Program) -> None:
    tool.run(
        *("task", "create", 'Write: the report\'s "x" é', "-d", "Some *text*\n\n## Not a section"),
        *("-a", "@ann,@bob", "-l", "work,next", "--priority", "high", "--ac", "one", "--ac", "two"),
        *("--dod", "reviewed", "--plan", "do it", "--notes", "noted", "-s", "In Progress"),
        *("--due-date", "2031-12-01", "--ref", "a/b.md", "--ordinal", "1000"),
    )
    tool.run("task", "create", "second", "--dep", "task-1", "--type", "bug")
    tool.run("task", "create", "child", "-p", "task-1")
    tool.run(
        "task", "edit", "1", "--check-ac", "1", "--comment", "fine", "--comment-author", "@ann"
    )
    tool.run("task", "edit", "1", "--comment", "two\nlines")
    tool.run("task", "edit", "1.1", "-s", "Done", "--final-summary", "all good")
    tool.run("task", "complete", "1.1")
    tool.run("draft", "create", "a draft")
    tool.run("task", "create", "old")
    tool.run("task", "archive", "3")


def shown(tool: Program) -> str:
    listed = [tool.run("task", "list", "--plain"), tool.run("task", "1", "--plain")]
    return "\n".join(listed).replace(str(tool.folder), "")


@pytest.mark.promise("import-loses-nothing")
async def test_a_project_of_backlog_goes_through_holdfast_to_the_byte(
    desk: Desk, tmp_path: Path
) -> None:
    tool = backlog(tmp_path / "project")
    fill_backlog(tool)
    done = await desk.bring("backlog", tool.folder)
    assert (done.created, done.problems) == (5, 0), done.findings
    first = (await desk.tasks.list(Filter(text="report"))).tasks[0]
    task = await desk.tasks.get(first.id)
    assert (task.state, task.notes, task.priority) == (TaskState.WORKING, 2, 1)
    assert "## Acceptance Criteria\n\n- [x] #1 one\n- [ ] #2 two" in task.description
    copy = tmp_path / "copy"
    await desk.take("backlog", folder=copy / "backlog")
    assert tree(copy / "backlog") == tree(tool.folder / "backlog")
    other = Program(program=tool.program, folder=copy)
    assert shown(other) == shown(tool)


async def test_backlog_takes_tasks_of_ours_and_gives_back_what_it_changed(
    desk: Desk, tmp_path: Path
) -> None:
    tool = backlog(tmp_path / "project")
    first = await desk.tasks.create(
        NewTask(name="first: 'one'", description="Text.\n\n## Plan\n\ngo", tags=["a"], priority=1)
    )
    desk.clock.advance(1)
    await desk.tasks.create(NewTask(name="second", blocked_by=[first.id], parent=first.id))
    await desk.tasks.note(first.id, "a note\n---\nof ours")
    shutil.rmtree(tool.folder / "backlog")
    await desk.take("backlog", folder=tool.folder / "backlog")
    told = tool.run("task", "1", "--plain")
    for words in ("first: 'one'", "Text.", "Priority: High", "Labels: a", "of ours"):
        assert words in told
    assert "TASK-1" in tool.run("task", "2", "--plain")
    done = await desk.bring("backlog", tool.folder)
    assert (done.created, done.problems) == (2, 0)
    tool.run("task", "edit", "1", "-s", "Done", "--final-summary", "made", "--comment", "well")
    done = await desk.bring("backlog", tool.folder)
    assert (done.updated, done.same, done.problems) == (1, 1, 0), done.findings
    [ended] = (await desk.tasks.list(Filter(states=frozenset({TaskState.COMPLETED})))).tasks
    task = await desk.tasks.get(ended.id)
    assert (task.result, task.notes) == ("made", 2)
