"""An export says what it could not say, and replaces nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from holdfast.errors import UsageError
from holdfast.tasks import Changes, Filter, NewTask, Task, TaskState
from holdfast.tasks.exchange.formats import NAMES, detect_format
from holdfast.tasks.requests import RunDetails
from tests.tasks.exchange.desk import Desk, desk_of, objects, tree


async def rich(desk: Desk) -> Task:
    """A task that has what only Holdfast knows of, and the tasks around it."""
    parent = await desk.tasks.create(NewTask(name="parent"))
    blocker = await desk.tasks.create(NewTask(name="blocker", priority=0))
    desk.clock.advance(1.5)
    task = await desk.tasks.create(
        NewTask(
            name="rich",
            description="Some text.\n\n## Plan\n\n1. go",
            parent=parent.id,
            blocked_by=[blocker.id],
            tags=["a", "b:c"],
            priority=4,
            variables={"x": 1},
            ttl_ms=10**11,
            metadata={"own": 1},
        )
    )
    await desk.tasks.note(task.id, "a note\nof two lines")
    await desk.tasks.complete(blocker.id, {"made": 1}, begin=True)
    await desk.tasks.start(task.id)
    desk.clock.advance(2)
    await desk.tasks.progress(task.id, 1, 2)
    await desk.tasks.block(task.id, "help")
    failed = await desk.tasks.create(NewTask(name="failed"))
    await desk.tasks.fail(failed.id, {"message": "no", "code": 7})
    await desk.tasks.create(NewTask(name="run", run=RunDetails(program="p")))
    return await desk.tasks.get(task.id)


ALWAYS = {
    *("variables", "questions and answers", "progress", "time-to-live", "details of errors"),
    *("history of changes", "metadata: own", "runs of the engine", "results that are not text"),
}


@pytest.mark.parametrize(
    ("form", "besides"),
    [
        (
            "taskwarrior",
            {"description", "parent", "priority", "tags", "texts of notes", "state", "error"},
        ),
        ("beads", {"state", "error"}),
        ("backlog", {"priority", "state", "error"}),
    ],
)
async def test_what_a_format_has_no_place_for_is_counted_by_its_name(
    desk: Desk, form: str, besides: set[str]
) -> None:
    await rich(desk)
    _, exported = await desk.take(form, folder=desk.folder / "out")
    assert exported.tasks == 4
    assert set(exported.left_out) >= ALWAYS | besides
    assert exported.left_out["variables"] == 1


async def test_our_own_format_leaves_out_nothing_but_runs(desk: Desk, tmp_path: Any) -> None:
    from holdfast.storage.memory import MemoryStore

    task = await rich(desk)
    text, exported = await desk.take("holdfast")
    assert dict(exported.left_out) == {"runs of the engine": 1}
    path = desk.folder / "all.jsonl"
    path.write_text(text)
    assert detect_format(path).name == "holdfast"
    async with MemoryStore(clock=desk.clock) as store:
        other = desk_of(store, desk.clock, tmp_path)
        assert (await other.bring("holdfast", path)).created == 4
        assert await other.tasks.get(task.id) == task
        assert (await other.take("holdfast"))[0] == text
        assert (await other.bring("holdfast", path)).same == 4
        await desk.tasks.answer(task.id, "blocked-1", "there")
        await other.bring("holdfast", desk.write(objects((await desk.take("holdfast"))[0])))
        assert (await other.tasks.get(task.id)).state is TaskState.WORKING


async def test_histories_that_part_are_told_and_ours_stays(desk: Desk, tmp_path: Any) -> None:
    from holdfast.storage.memory import MemoryStore

    task = await desk.tasks.create(NewTask(name="x"))
    path = desk.write(objects((await desk.take("holdfast"))[0]))
    async with MemoryStore(clock=desk.clock) as store:
        other = desk_of(store, desk.clock, tmp_path)
        await other.bring("holdfast", path)
        await other.tasks.note(task.id, "theirs")
        await desk.tasks.note(task.id, "ours")
        theirs = other.write(objects((await other.take("holdfast"))[0]))
    done = await desk.bring("holdfast", theirs)
    assert (done.updated, done.problems) == (0, 1)
    assert "holdfast merge" in done.findings[0].remedy


@pytest.mark.parametrize(
    "change",
    [
        {"priority": 9},
        {"name": ""},
        {"at": "now"},
        {"tags": "abc"},
        {"tags": ["with space"]},
        {"metadata": []},
        {"event": "unheard_of"},
        {"id": "0" * 31 + "g"},
        {"run": {"program": "p"}},
        {"unknown": 1},
        {"dependencies": [{"kind": "odd", "on": "x"}]},
    ],
)
async def test_a_history_that_makes_no_sense_never_reaches_the_log(
    desk: Desk, change: dict[str, Any]
) -> None:
    good = await desk.tasks.create(NewTask(name="x"))
    head, raw, tail = objects((await desk.take("holdfast"))[0])
    bad = {**raw, "id": "f" * 32}
    bad["events"] = [{**raw["events"][0], "id": "f" * 32, **change}]
    if "id" in change:
        bad["id"] = change["id"]
    done = await desk.bring("holdfast", desk.write([head, bad, raw, {**tail, "end": {"tasks": 2}}]))
    assert (done.created, done.same) == (0, 1), done
    assert done.problems >= 1
    assert [each.id for each in (await desk.tasks.list()).tasks] == [good.id]


async def test_a_file_of_ours_that_was_cut_is_told_and_its_tasks_are_taken(desk: Desk) -> None:
    await desk.tasks.create(NewTask(name="x"))
    raws = objects((await desk.take("holdfast"))[0])
    done = await desk.bring("holdfast", desk.write(raws[:-1]))
    assert (done.same, done.problems) == (1, 1)
    newer = [{**raws[0], "version": 2}, *raws[1:]]
    assert "upgrade" in (await desk.bring("holdfast", desk.write(newer))).findings[0].remedy


async def test_only_the_tasks_that_fit_go_out_and_what_they_name_besides_is_counted(
    desk: Desk,
) -> None:
    first = await desk.tasks.create(NewTask(name="first"))
    await desk.tasks.create(NewTask(name="second", blocked_by=[first.id], tags=["x"]))
    text, exported = await desk.take("taskwarrior", Filter(tags=frozenset({"x"})))
    assert [each["description"] for each in objects(text)] == ["second"]
    assert dict(exported.left_out) == {
        "dependencies on tasks that are not exported": 1,
        "who made it": 1,
    }


async def test_a_folder_of_backlog_is_not_written_over(desk: Desk) -> None:
    await desk.tasks.create(NewTask(name="../../etc/passwd"))
    out = desk.folder / "out"
    await desk.take("backlog", folder=out)
    before = tree(out)
    assert list(before) == ["tasks/task-1 - etc-passwd.md"]
    with pytest.raises(UsageError, match="is there already"):
        await desk.take("backlog", folder=out)
    assert tree(out) == before
    with pytest.raises(UsageError, match="in a folder"):
        await desk.take("backlog")


async def test_a_path_that_leads_out_of_the_folder_is_never_written(desk: Desk) -> None:
    task = await desk.tasks.create(NewTask(name="x"))
    kept = {"as": {"path": ["../../evil.md", "tasks/task-1 - x.md"]}}
    luggage = {"id": "TASK-1", "kept": kept}
    await desk.tasks.update(task.id, Changes(metadata={"backlog": luggage}))
    await desk.take("backlog", folder=desk.folder / "a" / "b" / "out")
    assert list(tree(desk.folder)) == ["a/b/out/tasks/evil.md"]


SESSION = {
    "session_id": "5c9e2a0e-4d3e-4f0e-9a44-6f4a5c1f0b11",
    "started_at": "2024-01-20T10:00:00Z",
    "current_task": {
        "id": "7d444840-9dc0-41d1-b245-5ffdce74fad2",
        "name": "Implement feature X",
        "status": "in_progress",
        "started_at": "2024-01-20T10:30:00Z",
        "context": {"files_modified": ["src/main.rs"], "decisions": ["Use async pattern"]},
    },
    "completed_tasks": [
        {
            "id": "task-uuid-1",
            "name": "Setup project",
            "completed_at": "2024-01-20T10:15:00Z",
            "duration_seconds": 300,
        }
    ],
    "memory": {"project_type": "cli_tool", "key_decisions": [], "learned_patterns": ["x"]},
}


@pytest.mark.promise("import-loses-nothing")
@pytest.mark.parametrize("lacks", ["", "current_task", "completed_tasks"])
async def test_the_file_of_a_session_comes_back_as_it_was(desk: Desk, lacks: str) -> None:
    empty: dict[str, Any] = {"current_task": None, "completed_tasks": []}
    session = {**SESSION, **({lacks: empty[lacks]} if lacks else {})}
    path = desk.folder / "current.json"
    path.write_text(json.dumps(session, indent=2))
    assert detect_format(path).name == "seed"
    done = await desk.bring("seed", path)
    assert (done.created, done.findings) == (1 if lacks else 2, [])
    assert (await desk.bring("seed", path)).same == done.created
    text, exported = await desk.take("seed")
    assert json.loads(text) == session
    assert dict(exported.left_out) == {}
    if not lacks:
        [summary] = (await desk.tasks.list(Filter(text="Setup"))).tasks
        assert (summary.ended_at or 0) - (summary.started_at or 0) == 300_000


async def test_a_session_has_one_current_task_and_the_others_are_counted(desk: Desk) -> None:
    for number in range(3):
        task = await desk.tasks.create(NewTask(name=f"open {number}"))
        desk.clock.advance(1)
        if number:
            await desk.tasks.start(task.id)
    text, exported = await desk.take("seed")
    assert json.loads(text)["current_task"]["name"] == "open 2"
    assert exported.left_out["tasks that are pending and not the current one"] == 1
    assert exported.left_out["tasks that are in_progress and not the current one"] == 1


async def test_an_empty_store_exports_to_something_that_can_be_imported(desk: Desk) -> None:
    for form in NAMES:
        text, exported = await desk.take(form, folder=desk.folder / form)
        assert (exported.tasks, dict(exported.left_out)) == (0, {})
        if form != "backlog":
            path = desk.folder / f"{form}.json"
            path.write_text(text)
            assert (await desk.bring(form, path)).created == 0
