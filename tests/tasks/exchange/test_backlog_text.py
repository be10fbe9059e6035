"""What the text of a file of Backlog.md means."""

from __future__ import annotations

from pathlib import Path

from holdfast.tasks import Changes, Filter, Task
from tests.tasks.exchange.desk import Desk, tree

FILE = """\
---
id: TASK-1
title: one
status: {status}
labels: [a, "b c"] # two
---

## Description

<!-- SECTION:DESCRIPTION:BEGIN -->
Words.

## Comments
<!-- SECTION:DESCRIPTION:END -->

## Acceptance Criteria
<!-- AC:BEGIN -->
- [ ] #1 first
<!-- AC:END -->

## Comments

<!-- COMMENTS:BEGIN -->
created: 2026-11-26 01:47
---
well
---

author: @ann
created: 2026-11-26 01:48
---
two

lines
---
<!-- COMMENTS:END -->
"""


def lay(desk: Desk, text: str) -> Path:
    folder = desk.folder / "project" / "backlog" / "tasks"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "task-1 - one.md").write_text(text)
    return folder.parent


async def bring(desk: Desk, text: str) -> Task:
    done = await desk.bring("backlog", lay(desk, text))
    assert done.problems == 0, done.findings
    [found] = (await desk.tasks.list(Filter(text="one"))).tasks
    return await desk.tasks.get(found.id)


async def test_a_heading_inside_of_a_section_is_text_of_that_section(desk: Desk) -> None:
    task = await bring(desk, FILE.format(status="To Do"))
    assert task.description == ("Words.\n\n## Comments\n\n## Acceptance Criteria\n\n- [ ] #1 first")
    assert (task.notes, task.tags) == (2, ("a", "b-c"))
    history = await desk.tasks.history(task.id)
    assert [getattr(each.event, "text", "") for each in history[1:3]] == ["well", "two\n\nlines"]
    assert getattr(history[2].event, "by", "") == "@ann"


async def test_what_was_changed_here_changes_its_piece_of_the_file_and_no_other(
    desk: Desk,
) -> None:
    text = FILE.format(status="To Do")
    task = await bring(desk, text)
    await desk.tasks.update(task.id, Changes(name="one: more", add_tags=["new"]))
    await desk.tasks.start(task.id)
    await desk.take("backlog", folder=desk.folder / "out")
    [out] = tree(desk.folder / "out").values()
    assert "title: 'one: more'\nstatus: In Progress\nlabels:\n  - a\n  - b-c\n  - new\n---" in out
    assert out.partition("---\n\n")[2] == text.partition("---\n\n")[2]


async def test_statuses_are_those_of_the_project_on_the_way_in_and_out(desk: Desk) -> None:
    folder = lay(desk, FILE.format(status="Icebox"))
    (folder / "config.yml").write_text(
        'project_name: "p"\nstatuses: ["Icebox", "Doing", "Review", "Shipped"]\n'
    )
    task = await bring(desk, FILE.format(status="Icebox"))
    assert task.state == "pending"
    await desk.tasks.complete(task.id, "made", begin=True)
    await desk.take("backlog", folder=desk.folder / "out")
    [out] = tree(desk.folder / "out").values()
    assert "\nstatus: Shipped\n" in out
    assert "## Final Summary\n\n<!-- SECTION:FINAL_SUMMARY:BEGIN -->\nmade\n" in out
    settings = (desk.folder / "out" / "config.yml").read_text()
    assert 'statuses: ["Icebox", "Doing", "Review", "Shipped"]' in settings
    assert 'project_name: "p"' in settings
