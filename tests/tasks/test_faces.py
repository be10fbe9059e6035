"""A readable file for each open task: what people write into it is taken in, or kept and reported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.storage.faces import MarkdownCodec
from holdfast.storage.faces.report import Outcome
from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import Store
from holdfast.tasks import Actor, Changes, NewTask, Tasks, TaskState
from holdfast.tasks.faces import PRIORITIES, TaskFaces
from holdfast.testing.clock import ManualClock

pytestmark = pytest.mark.anyio
CODEC = MarkdownCodec(body="description", first=())


@pytest.fixture
def faces(store: Store, clock: ManualClock, tmp_path: Path) -> TaskFaces:
    return TaskFaces(store, tmp_path / "tasks", clock=clock)


def edit(faces: TaskFaces, task_id: str, **fields: object) -> None:
    path = faces.path_of(task_id)
    before = CODEC.parse(path.read_text(encoding="utf-8"))
    path.write_text(CODEC.render({**before, **fields}), encoding="utf-8")


@pytest.mark.promise("hand-edit-kept")
async def test_an_edit_becomes_events_of_the_task_in_one_change(
    tasks: Tasks, faces: TaskFaces
) -> None:
    task = await tasks.create(NewTask(name="mend it", tags=["a"]))
    await faces.write()
    edit(
        faces, task.id, name="mend it well", description="Slowly.", priority="urgent",
        tags=["a", "b"], status_message="waiting for parts", note="the pump is loud",
    )  # fmt: skip
    report = await faces.take_in()
    assert [each.outcome for each in report.findings] == [Outcome.APPLIED]
    after = await tasks.get(task.id)
    assert (after.name, after.description, after.priority) == ("mend it well", "Slowly.", 0)
    assert (after.tags, after.status_message, after.notes) == (("a", "b"), "waiting for parts", 1)
    events = [each.event for each in await tasks.history(task.id, after=1)]
    assert [each.kind for each in events] == ["updated", "noted"]
    assert {(getattr(each, "by", ""), getattr(each, "via", "")) for each in events} == {
        ("hand edit", "face")
    }
    assert CODEC.parse(faces.path_of(task.id).read_text(encoding="utf-8"))["note"] == ""
    assert not (await faces.take_in()).findings


@pytest.mark.parametrize(
    ("state", "expected"),
    [("working", TaskState.WORKING), ("completed", TaskState.COMPLETED), ("cancelled", TaskState.CANCELLED)],
)  # fmt: skip
async def test_a_task_can_be_begun_and_ended_in_its_file(
    tasks: Tasks, faces: TaskFaces, state: str, expected: TaskState
) -> None:
    task = await tasks.create(NewTask(name="mend it"))
    await faces.write()
    edit(faces, task.id, state=state)
    await faces.take_in()
    assert (await tasks.get(task.id)).state is expected
    assert faces.path_of(task.id).exists() == (expected is TaskState.WORKING)


@pytest.mark.promise("hand-edit-kept")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("id", "x"), ("created_at", "yesterday"), ("variables", {"a": 1}), ("colour", "red")),
        *(("priority", "very"), ("tags", "a b"), ("tags", [1]), ("name", ""), ("name", 7)),
        *(("state", "asleep"), ("state", "failed"), ("state", "input_required")),
    ],
)
async def test_what_cannot_be_edited_is_refused_and_kept_with_the_reason(
    tasks: Tasks, faces: TaskFaces, name: str, value: object
) -> None:
    task = await tasks.create(NewTask(name="mend it"))
    await faces.write()
    edit(faces, task.id, **{name: value, "description": "not to be lost"})
    (finding,) = (await faces.take_in()).findings
    assert finding.outcome is Outcome.REFUSED
    assert await tasks.get(task.id) == task
    assert finding.kept is not None
    assert "not to be lost" in finding.kept.read_text(encoding="utf-8")
    why = json.loads(finding.kept.with_name(f"{finding.kept.name}.why").read_text(encoding="utf-8"))
    assert why["why"]
    assert faces.path_of(task.id).exists()


async def test_a_file_that_does_not_parse_is_kept_and_says_where_it_breaks(
    tasks: Tasks, faces: TaskFaces, clock: ManualClock
) -> None:
    task = await tasks.create(NewTask(name="mend it"))
    await faces.write()
    path = faces.path_of(task.id)
    path.write_text(path.read_text(encoding="utf-8").replace("state: ", "state "), encoding="utf-8")
    clock.advance(10**9)  # so that it counts as saved, whatever time the file system keeps
    (finding,) = (await faces.take_in()).findings
    assert (finding.outcome, finding.line) == (Outcome.QUARANTINED, 3)
    assert await tasks.get(task.id) == task


async def test_files_follow_the_tasks_and_go_away_when_they_end(
    tasks: Tasks, faces: TaskFaces
) -> None:
    first = await tasks.create(NewTask(name="one"))
    await faces.write()
    second = await tasks.create(NewTask(name="two"))
    await tasks.update(first.id, Changes(name="first"))
    assert await faces.catch_up() == 2
    assert 'name: "first"' in faces.path_of(first.id).read_text(encoding="utf-8")
    assert faces.path_of(second.id).exists()
    await tasks.cancel(first.id)
    await faces.catch_up()
    assert not faces.path_of(first.id).exists()
    assert await faces.catch_up() == 0


async def test_a_change_of_another_field_meanwhile_is_merged_and_of_the_same_one_reported(
    tasks: Tasks, faces: TaskFaces
) -> None:
    task = await tasks.create(NewTask(name="one", description="old"))
    await faces.write()
    edit(faces, task.id, description="by hand")
    await tasks.update(task.id, Changes(name="by ann"))
    (merged,) = (await faces.take_in()).findings
    assert merged.outcome is Outcome.MERGED
    after = await tasks.get(task.id)
    assert (after.name, after.description) == ("by ann", "by hand")
    edit(faces, task.id, description="again by hand")
    await tasks.update(task.id, Changes(description="by ann"))
    (clash,) = (await faces.take_in()).findings
    assert clash.outcome is Outcome.CONFLICT
    assert (await tasks.get(task.id)).description == "by ann"


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30)
EDITS = st.fixed_dictionaries(
    {},
    optional={
        "name": TEXT, "description": TEXT, "status_message": TEXT, "note": TEXT,
        "priority": st.sampled_from([*PRIORITIES, "none"]),
        "tags": st.lists(st.sampled_from(["a", "b", "ä ö", ""]), max_size=3, unique=True),
        "state": st.sampled_from(["pending", "working", "completed", "cancelled", "failed", ""]),
        "id": st.just("forged"), "session": st.sampled_from(["", "s"]),
    },
)  # fmt: skip


@pytest.mark.promise("hand-edit-kept")
@given(edits=st.lists(EDITS, min_size=1, max_size=3))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_whatever_is_edited_is_taken_or_kept_and_the_history_still_adds_up(
    edits: list[dict[str, object]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    clock = ManualClock()
    folder = tmp_path_factory.mktemp("faces") / "tasks"
    async with MemoryStore(clock=clock) as store:
        tasks = Tasks(store, clock=clock, actor=Actor(by="ann"))
        faces = TaskFaces(store, folder, clock=clock)
        task = await tasks.create(NewTask(name="one"))
        await faces.write()
        for fields in edits:
            if not faces.path_of(task.id).exists():
                break
            before = await tasks.get(task.id)
            edit(faces, task.id, **fields)
            report = await faces.take_in()
            after = await tasks.get(task.id)
            for finding in report.findings:
                if finding.outcome is Outcome.APPLIED:
                    assert_taken(after, fields)
                else:
                    assert after == before
                    assert finding.kept is not None
        assert (await tasks.repair(dry_run=True)).is_clean


def assert_taken(task: object, fields: dict[str, object]) -> None:
    for name in ("name", "description", "status_message", "session", "state"):
        if name in fields:
            assert str(getattr(task, name)) == fields[name]
    if "tags" in fields:
        assert list(getattr(task, "tags")) == fields["tags"]  # noqa: B009 - of any record
