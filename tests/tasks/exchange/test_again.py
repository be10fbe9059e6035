"""A second import changes what changed, and nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast.tasks import Changes, Filter, Limits, NewTask, Relation, Task, Tasks, TaskState
from holdfast.tasks.exchange.formats import format_named
from holdfast.tasks.exchange.importing import import_tasks
from tests.tasks.exchange.desk import T0, Desk, by, objects


def issue(name: str = "bd-1", **more: Any) -> dict[str, Any]:
    return {"id": name, "title": name, "created_at": T0, "updated_at": T0, "priority": 2, **more}


def edge(issue_id: str, on: str, kind: str = "blocks") -> dict[str, str]:
    return {"issue_id": issue_id, "depends_on_id": on, "type": kind, "created_at": T0}


async def named(desk: Desk, name: str) -> Task:
    page = await desk.tasks.list(Filter(text=name))
    return await desk.tasks.get(page.tasks[0].id)


async def bring(desk: Desk, *raws: dict[str, Any], **options: Any) -> Any:
    return await desk.bring("beads", desk.write(raws), **options)


async def take(desk: Desk) -> dict[str, dict[str, Any]]:
    return by("id", objects((await desk.take("beads"))[0]))


async def test_importing_twice_makes_nothing_new_and_writes_nothing(desk: Desk) -> None:
    raws = [issue("bd-1"), issue("bd-2", dependencies=[edge("bd-2", "bd-1")])]
    assert (await bring(desk, *raws)).created == 2
    task = await named(desk, "bd-2")
    before = await desk.tasks.history(task.id)
    again = await bring(desk, *raws)
    assert (again.created, again.updated, again.same) == (0, 0, 2)
    assert await desk.tasks.history(task.id) == before


async def test_states_times_authors_and_relations_are_taken_as_they_are(desk: Desk) -> None:
    comment = {"id": 1, "issue_id": "bd-1", "author": "bob", "text": "hm", "created_at": T0}
    await bring(
        desk,
        issue("bd-1", status="in_progress", created_by="eve", comments=[comment]),
        issue("bd-2", status="closed", closed_at="2023-02-01T00:00:00Z", close_reason="did it"),
        issue("bd-3", priority=0, dependencies=[edge("bd-3", "bd-1"), edge("bd-3", "bd-2")]),
        issue("bd-4", status="deferred", dependencies=[edge("bd-4", "bd-3", "parent-child")]),
    )
    first, done = await named(desk, "bd-1"), await named(desk, "bd-2")
    waiting, part = await named(desk, "bd-3"), await named(desk, "bd-4")
    assert (first.state, first.created_at, first.notes) == (TaskState.WORKING, 1672628645000, 1)
    history = await desk.tasks.history(first.id)
    assert [getattr(each.event, "by", "") for each in history][:2] == ["eve", "bob"]
    assert all(getattr(each.event, "via", "") == "import beads" for each in history)
    assert (done.state, done.result, done.ended_at) == ("completed", "did it", 1675209600000)
    assert (waiting.blockers, waiting.priority) == (1, 0)
    assert (part.parent, part.state) == (waiting.id, TaskState.INPUT_REQUIRED)
    assert "deferred" in next(iter(part.open_requests.values())).prompt


async def test_what_the_file_changed_is_taken_and_what_was_changed_here_stays(desk: Desk) -> None:
    await bring(desk, issue(labels=["a", "b"], design="old"), issue("bd-2"), issue("bd-3"))
    task, other = await named(desk, "bd-1"), await named(desk, "bd-3")
    await desk.tasks.update(
        task.id, Changes(description="ours", remove_tags=["b"], add_tags=["mine"])
    )
    await desk.tasks.depend(task.id, other.id)
    comment = {"id": 1, "issue_id": "bd-1", "text": "later", "created_at": "2023-03-01T00:00:00Z"}
    changed = issue(
        title="bd-1 renamed", labels=["a", "b", "c"], design="new", priority=1,
        comments=[comment], dependencies=[edge("bd-1", "bd-2")],
    )  # fmt: skip
    done = await bring(desk, changed, issue("bd-2"), issue("bd-3"))
    assert (done.updated, done.same, done.findings) == (1, 2, [])
    task = await desk.tasks.get(task.id)
    assert (task.name, task.description, task.priority) == ("bd-1 renamed", "ours", 1)
    assert task.tags == ("a", "mine", "c")
    assert (task.notes, task.blockers) == (1, 2)
    out = (await take(desk))["bd-1"]
    assert out["design"] == "new"
    assert out["description"] == "ours"
    assert sorted(out["labels"]) == ["a", "c", "mine"]
    assert out["comments"] == [comment]
    assert {each["depends_on_id"] for each in out["dependencies"]} == {"bd-2", "bd-3"}
    assert edge("bd-1", "bd-2") in out["dependencies"]


async def test_where_both_changed_one_thing_the_file_wins_and_a_remark_says_so(desk: Desk) -> None:
    await bring(desk, issue())
    task = await named(desk, "bd-1")
    await desk.tasks.update(task.id, Changes(name="ours"))
    done = await bring(desk, issue(title="theirs"))
    assert (await desk.tasks.get(task.id)).name == "theirs"
    assert [each.weight for each in done.findings] == ["remark"]
    assert "'ours'" in done.findings[0].what
    assert done.problems == 0


async def test_a_state_that_the_file_changed_is_taken_with_its_time(desk: Desk) -> None:
    await bring(desk, issue("bd-1"), issue("bd-2", status="in_progress"), issue("bd-3"))
    ended = "2023-04-01T00:00:00Z"
    closed = issue("bd-1", status="closed", closed_at=ended, close_reason="ok", updated_at=ended)
    done = await bring(desk, closed, issue("bd-2", status="open"), issue("bd-3", status="deferred"))
    assert (done.updated, done.problems) == (3, 0)
    first, second, third = [await named(desk, f"bd-{number}") for number in (1, 2, 3)]
    assert (first.state, first.ended_at, first.result) == ("completed", 1680307200000, "ok")
    assert (second.state, second.lease) == (TaskState.WORKING, None)
    assert await desk.tasks.claim_next() is not None
    assert third.state is TaskState.INPUT_REQUIRED
    assert (await take(desk))["bd-1"] == closed


async def test_a_state_that_goes_there_and_back_ends_where_the_file_is(desk: Desk) -> None:
    for status, state in (
        ("deferred", "input_required"),
        ("in_progress", "working"),
        ("open", "working"),
        ("deferred", "input_required"),
        ("in_progress", "working"),
        ("closed", "completed"),
    ):
        done = await bring(desk, issue(status=status))
        assert done.problems == 0, done.findings
        assert (await named(desk, "bd-1")).state == state
        assert (await take(desk))["bd-1"]["status"] == status


async def test_what_has_ended_here_stays_and_the_change_in_the_file_is_reported(
    desk: Desk,
) -> None:
    await bring(desk, issue())
    task = await named(desk, "bd-1")
    await desk.tasks.complete(task.id, begin=True)
    done = await bring(desk, issue(title="other", status="in_progress"))
    assert (done.updated, done.problems) == (0, 1)
    assert "name, state" in done.findings[0].what
    assert (await desk.tasks.get(task.id)).name == "bd-1"


async def test_the_state_of_a_task_that_somebody_works_on_is_not_taken(desk: Desk) -> None:
    await bring(desk, issue())
    task = await named(desk, "bd-1")
    await desk.tasks.claim(task.id, holder="agent", lease_ms=10**15)
    done = await bring(desk, issue(status="closed", priority=1))
    assert "'agent' works on it here" in done.findings[0].what
    task = await desk.tasks.get(task.id)
    assert (task.state, task.priority) == (TaskState.WORKING, 1)


async def test_ids_that_mean_another_task_in_another_project_are_told_apart(desk: Desk) -> None:
    await bring(desk, issue())
    other = issue(title="elsewhere", created_at="2024-01-01T00:00:00Z")
    done = await bring(desk, other)
    assert (done.created, done.updated, done.problems) == (0, 0, 1)
    assert "--namespace" in done.findings[0].remedy
    assert (await bring(desk, other, space="b")).created == 1
    assert (await bring(desk, other, space="b")).same == 1
    text, exported = await desk.take("beads")
    assert len(by("id", objects(text))) == 2
    assert exported.left_out["ids that another exported task has too"] == 1


async def test_a_blocker_that_comes_with_a_later_file_is_found(desk: Desk) -> None:
    waiting = issue("bd-2", dependencies=[edge("bd-2", "bd-1")])
    first = await bring(desk, waiting)
    assert "bd-1, which is neither in the file nor here" in first.findings[0].what
    assert (await bring(desk, waiting, issue("bd-1"))).updated == 1
    assert (await named(desk, "bd-2")).blockers == 1
    assert (await bring(desk, waiting)).findings == []


async def test_a_dry_run_says_what_would_be_done_and_does_nothing(desk: Desk) -> None:
    await bring(desk, issue("bd-1"))
    done = await bring(desk, issue("bd-1", title="x"), issue("bd-2"), dry_run=True)
    assert (done.created, done.updated) == (1, 1)
    assert [each.name for each in (await desk.tasks.list()).tasks] == ["bd-1"]


async def test_a_task_that_went_out_under_its_own_id_is_known_when_it_comes_back(
    desk: Desk,
) -> None:
    task = await desk.tasks.create(NewTask(name="ours", description="long", tags=["x"]))
    child = await desk.tasks.create(NewTask(name="part", blocked_by=[task.id]))
    await desk.tasks.note(task.id, "said\nhere")
    text, _ = await desk.take("taskwarrior")
    path = desk.folder / "out.json"
    path.write_text(text)
    assert (await desk.bring("taskwarrior", path)).created == 0
    raws = objects(text)
    desk.clock.advance(3600)
    for raw in raws:
        raw["tags"] = ["y"]
        raw["modified"] = "20991231T000000Z"
    done = await desk.bring("taskwarrior", desk.write(raws))
    assert (done.updated, done.problems) == (2, 0), done.findings
    task = await desk.tasks.get(task.id)
    assert (task.tags, task.description, task.notes) == (("y",), "long", 1)
    assert [each.kind for each in (await desk.tasks.get(child.id)).dependencies] == [
        Relation.BLOCKS
    ]


async def test_who_imported_stands_beside_what_nobody_else_is_known_to_have_done(
    desk: Desk,
) -> None:
    await bring(desk, issue(status="in_progress", created_by="eve"))
    await bring(desk, issue(status="closed", created_by="eve"))
    history = await desk.tasks.history((await named(desk, "bd-1")).id)
    assert [(each.event.kind, getattr(each.event, "by", "")) for each in history] == [
        ("created", "eve"), ("started", "ann"), ("updated", "ann"), ("completed", "ann"),
    ]  # fmt: skip


async def test_two_imports_of_one_file_at_once_make_each_task_once(desk: Desk) -> None:
    path = desk.write([issue(f"bd-{number}") for number in range(120)])
    first, second = await asyncio.gather(desk.bring("beads", path), desk.bring("beads", path))
    assert first.created + second.created == 120
    assert len((await desk.tasks.list(limit=500)).tasks) == 120
    assert (await desk.bring("beads", path)).same == 120


@pytest.mark.parametrize("store", ["memory", "files"], indirect=True)  # limits need batches
async def test_what_goes_over_a_quota_is_told_and_the_rest_is_there(desk: Desk) -> None:
    tasks = Tasks(desk.tasks.store, clock=desk.clock, limits=Limits(live=2))
    path = desk.write([issue(f"bd-{number}") for number in range(4)])
    done = await import_tasks(tasks, format_named("beads"), path, now=desk.clock.now_ms())
    assert (done.created, done.problems) == (2, 2)
    assert "2 are allowed; it was left out" in done.findings[0].what
    page = await tasks.list()
    await tasks.complete(page.tasks[0].id, begin=True)
    again = await import_tasks(tasks, format_named("beads"), path, now=desk.clock.now_ms())
    assert (again.created, again.same) == (1, 2)


async def test_what_only_the_tracker_knows_stays_beside_what_was_changed_here(
    desk: Desk,
) -> None:
    odd = {"issue_id": "bd-1", "depends_on_id": "bd-2", "type": "waits-for"}
    part = {**edge("bd-1", "bd-2"), "created_by": "eve"}
    await bring(desk, issue(dependencies=[odd, part], labels=["a b", "c"]), issue("bd-2"))
    task, other = await named(desk, "bd-1"), await named(desk, "bd-2")
    await desk.tasks.depend(task.id, other.id, Relation.RELATES)
    await desk.tasks.update(task.id, Changes(remove_tags=["c"]))
    out = (await take(desk))["bd-1"]
    assert out["dependencies"][:2] == [odd, part]
    assert out["dependencies"][2]["type"] == "related"
    assert out["labels"] == ["a b"]
    await desk.tasks.undepend(task.id, other.id)
    assert [each["type"] for each in (await take(desk))["bd-1"]["dependencies"]] == [
        *("waits-for", "related"),
    ]


async def test_a_blocker_that_left_the_file_with_its_dependency_blocks_no_more(
    desk: Desk,
) -> None:
    await bring(desk, issue("bd-1", dependencies=[edge("bd-1", "bd-2")]), issue("bd-2"))
    assert (await bring(desk, issue("bd-1"))).updated == 1
    task = await named(desk, "bd-1")
    assert (task.blockers, task.dependencies) == (0, ())
    assert (await take(desk))["bd-1"] == issue("bd-1")
