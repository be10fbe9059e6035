"""Whatever a tracker wrote comes back from an export to it, member by member."""

from __future__ import annotations

import asyncio
import json
import string
import tempfile
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from holdfast.storage.memory import MemoryStore
from holdfast.testing.clock import ManualClock
from tests.tasks.exchange.desk import by, desk_of, objects, tree

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NAME = TEXT.filter(bool)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
# The prefix keeps them apart from members that have a meaning: hypothesis also draws words of our code.
EXTRA = st.dictionaries(
    st.text(string.ascii_lowercase, max_size=9).map(lambda name: f"uda{name}"), VALUE, max_size=3
)
STAMP = st.datetimes().map(lambda at: at.strftime("%Y%m%dT%H%M%SZ")).filter(lambda t: len(t) == 16)
ISO = st.datetimes().map(lambda at: at.isoformat() + "Z")
OFTEN = {"max_examples": 60, "deadline": None}


def some(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


@st.composite
def taskwarrior(draw: st.DrawFn) -> list[dict[str, Any]]:
    uuids = draw(st.lists(st.uuids(version=4).map(str), min_size=1, max_size=4, unique=True))
    found: list[dict[str, Any]] = []
    for uuid in uuids:
        members: dict[str, Any] = {
            "id": draw(some(st.integers(0, 9))),
            "uuid": uuid,
            "description": draw(NAME),
            "status": draw(
                st.sampled_from(["pending", "waiting", "recurring", "completed", "deleted", "odd"])
            ),
            "entry": draw(some(STAMP)),
            "modified": draw(some(STAMP | TEXT)),
            "start": draw(some(STAMP)),
            "end": draw(some(STAMP)),
            "due": draw(some(STAMP)),
            "priority": draw(some(st.sampled_from(["H", "M", "L", "", "X"]))),
            "project": draw(some(TEXT)),
            "tags": draw(some(st.lists(TEXT, max_size=3))),
            "depends": draw(some(st.lists(st.sampled_from([*uuids, str(UUID(int=7))]), max_size=3))),
            "annotations": draw(
                some(st.lists(st.fixed_dictionaries({"entry": STAMP, "description": TEXT}), max_size=3))
            ),
            **draw(EXTRA),
        }  # fmt: skip
        found.append({name: value for name, value in members.items() if value is not None})
    return found


@st.composite
def beads(draw: st.DrawFn) -> list[dict[str, Any]]:
    count = draw(st.integers(1, 4))
    ids = [f"bd-{number}" for number in range(count)]
    kinds = ["blocks", "parent-child", "related", "discovered-from", "waits-for"]
    statuses = [
        "open",
        "in_progress",
        "blocked",
        "deferred",
        "closed",
        "tombstone",
        "pinned",
        "odd",
    ]
    found: list[dict[str, Any]] = []
    for issue in ids:
        edge = st.fixed_dictionaries(
            {
                "issue_id": st.just(issue),
                "depends_on_id": st.sampled_from([*ids, "bd-missing"]),
                "type": st.sampled_from(kinds),
            },
            optional={"created_at": ISO, "created_by": TEXT},
        )
        comment = st.fixed_dictionaries(
            {"id": st.integers(), "issue_id": st.just(issue), "text": TEXT, "created_at": ISO},
            optional={"author": TEXT},
        )
        members: dict[str, Any] = {
            "id": issue,
            "title": draw(NAME),
            "description": draw(some(TEXT)),
            "design": draw(some(TEXT)),
            "status": draw(some(st.sampled_from(statuses))),
            "priority": draw(st.integers(-1, 5) | st.none()),
            "issue_type": draw(some(st.sampled_from(["task", "bug", "epic", "odd one"]))),
            "created_at": draw(ISO),
            "updated_at": draw(some(ISO | TEXT)),
            "closed_at": draw(some(ISO)),
            "close_reason": draw(some(TEXT)),
            "labels": draw(some(st.lists(TEXT, max_size=3))),
            "dependencies": draw(some(st.lists(edge, max_size=3))),
            "comments": draw(some(st.lists(comment, max_size=3))),
            **draw(EXTRA),
        }
        found.append({name: value for name, value in members.items() if value is not None})
    return found


@st.composite
def backlog(draw: st.DrawFn) -> dict[str, str]:
    line = st.text(
        st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=20
    )
    body = st.lists(line.filter(lambda text: not text.startswith("<!--")), max_size=4).map(
        "\n".join
    )
    files: dict[str, str] = {}
    for number in range(1, draw(st.integers(1, 4)) + 1):
        task = f"TASK-{number}"
        front = [f"id: {task}", f"title: {json.dumps(draw(line.filter(bool)), ensure_ascii=False)}"]
        front.append(
            f"status: {draw(st.sampled_from(['To Do', 'In Progress', 'Done', 'Odd', '']))}"
        )
        front += draw(
            st.lists(
                st.sampled_from(
                    [
                        *("assignee: @ann", "labels: [a, 'b c']", "priority: high  # because"),
                        *("dependencies:\n  - TASK-1\n  - task-9", "parent_task_id: TASK-2"),
                        *("due_date: '2026-12-01'", "type: bug", "milestone: m-1", "# a remark"),
                        *("created_date: '2026-11-26 01:43'", "updated_date: 2026-11-27"),
                        *("references: []", "ordinal: 1.50", "weird: {a: [1, 2], b: null}"),
                    ]
                ),
                unique=True,
            )
        )
        titles = st.sampled_from(
            [*("Description", "Acceptance Criteria", "Comments", "Final Summary"), "My Section"]
        )
        parts = draw(st.lists(st.tuples(titles, body), max_size=4))
        ends = draw(st.sampled_from(["", "\n", "\n\n"]))
        text = "".join(f"\n## {title}\n{words}\n" for title, words in parts)
        end = "\r\n" if draw(st.integers(0, 9)) == 0 else "\n"
        folder = draw(st.sampled_from(["tasks", "tasks", "completed", "archive/tasks"]))
        whole = "\n".join(["---", *front, "---", ""]) + text + ends
        files[f"{folder}/{task.lower()} - x.md"] = whole.replace("\n", end)
    return files


async def through(form: str, raws: list[dict[str, Any]]) -> list[dict[str, Any]]:
    clock = ManualClock()
    with tempfile.TemporaryDirectory() as folder:
        async with MemoryStore(clock=clock) as store:
            desk = desk_of(store, clock, Path(folder))
            path = desk.write(raws)
            done = await desk.bring(form, path)
            assert done.created == done.read == len(raws), done.findings
            again = await desk.bring(form, path)
            assert (again.same, again.updated) == (len(raws), 0)
            return objects((await desk.take(form))[0])


@pytest.mark.promise("import-loses-nothing")
@settings(**OFTEN)
@given(taskwarrior())
def test_tasks_of_taskwarrior_come_back_as_they_were(raws: list[dict[str, Any]]) -> None:
    assert by("uuid", asyncio.run(through("taskwarrior", raws))) == by("uuid", raws)


@pytest.mark.promise("import-loses-nothing")
@settings(**OFTEN)
@given(beads())
def test_issues_of_beads_come_back_as_they_were(raws: list[dict[str, Any]]) -> None:
    assert by("id", asyncio.run(through("beads", raws))) == by("id", raws)


def lay_out(files: dict[str, str], folder: Path) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    (folder / "tasks").mkdir(exist_ok=True)


async def through_folder(files: dict[str, str], folder: Path) -> None:
    clock = ManualClock()
    async with MemoryStore(clock=clock) as store:
        desk = desk_of(store, clock, folder)
        done = await desk.bring("backlog", folder)
        assert done.created == len(files), done.findings
        again = await desk.bring("backlog", folder)
        assert (again.same, again.updated) == (len(files), 0)
        await desk.take("backlog", folder=folder / "out")


@pytest.mark.promise("import-loses-nothing")
@settings(**OFTEN)
@given(backlog())
def test_files_of_backlog_come_back_to_the_byte(files: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lay_out(files, folder / "backlog")
        asyncio.run(through_folder(files, folder))
        assert tree(folder / "out") == files


async def one_after_the_other(
    first: list[dict[str, Any]], second: list[dict[str, Any]], folder: Path
) -> None:
    clock = ManualClock()
    async with MemoryStore(clock=clock) as store:
        desk = desk_of(store, clock, folder)
        await desk.bring("beads", desk.write(first))
        clock.advance(60)
        done = await desk.bring("beads", desk.write(second))
        refused = {each.item for each in done.findings if each.weight == "problem"}
        out = by("id", objects((await desk.take("beads"))[0]))
        for issue, raw in by("id", second).items():
            if issue not in refused:
                assert lasting(out[issue], raw) == lasting(raw, raw)


def lasting(issue: dict[str, Any], raw: dict[str, Any]) -> dict[str, Any]:
    """A task without the time of its last change, which never goes back, and without a start that
    `raw` does not speak of: one that the first file told of is not taken back by silence.
    """
    silent = {"updated_at", *({"started_at"} - raw.keys())}
    return {name: value for name, value in issue.items() if name not in silent}


def commented(*texts: str) -> list[dict[str, Any]]:
    comments = [
        {"id": 0, "issue_id": "bd-1", "text": text, "created_at": f"2000-01-01T00:00:0{second}Z"}
        for second, text in enumerate(texts)
    ]
    return [{"id": "bd-1", "title": "0", "priority": 0, "comments": comments}]


@settings(**OFTEN)
@given(beads(), beads())
@example(commented("", "b"), commented("a", "b"))
def test_after_a_second_import_an_export_is_as_the_file_or_a_problem_says_why_not(
    first: list[dict[str, Any]], second: list[dict[str, Any]]
) -> None:
    for raw in [*first, *second]:
        raw["created_at"] = "2023-01-02T03:04:05Z"  # or they would be other issues
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(one_after_the_other(first, second, Path(folder)))
