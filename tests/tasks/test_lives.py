"""The life of a task, from creation to its end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.errors import InputError, TaskConflict, TaskNotFound, UsageError
from holdfast.storage.seam import Store
from holdfast.tasks import Actor, Changes, NewTask, Progress, Tasks, TaskState
from holdfast.tasks.events import Created
from holdfast.tasks.fold import broken_links, replay
from holdfast.tasks.keys import task_log
from holdfast.testing.clock import ManualClock

pytestmark = pytest.mark.anyio


async def test_a_task_is_what_it_was_created_as(tasks: Tasks, clock: ManualClock) -> None:
    task = await tasks.create(
        NewTask(
            name="write the report",
            description="ten pages",
            priority=1,
            tags=["b", "a", "b"],
            session="s1",
            variables={"pages": 10},
            metadata={"from": "mail"},
        )
    )
    assert (task.state, task.priority, task.tags) == (TaskState.PENDING, 1, ("b", "a"))
    assert task.variables["pages"].value == 10
    assert (task.created_at, task.owner, task.session) == (clock.now_ms(), "local", "s1")
    assert await tasks.get(task.id) == task


async def test_a_task_is_begun_and_completed_with_a_result(
    tasks: Tasks, clock: ManualClock
) -> None:
    task = await tasks.create(NewTask(name="work"))
    await tasks.start(task.id, "on it")
    clock.advance(2)
    await tasks.progress(task.id, 1, 2, "half")
    clock.advance(1)
    done = await tasks.complete(task.id, {"answer": 42})
    assert (done.state, done.result, done.error) == (TaskState.COMPLETED, {"answer": 42}, None)
    assert done.progress == Progress(done=1, total=2, message="half")
    assert (done.worked_ms, done.ended_at) == (3000, clock.now_ms())
    assert done.status_message == "on it"


async def test_what_is_returned_is_what_will_be_read(tasks: Tasks) -> None:
    task = await tasks.create(
        NewTask(name="a", variables={"v": {1: ("x", {2: "y"})}}, metadata={"m": (1, 2)})
    )
    assert task == await tasks.get(task.id)
    assert task.variables["v"].value == {"1": ["x", {"2": "y"}]}
    await tasks.start(task.id)
    assert await tasks.complete(task.id, (1, {"a": (2,)})) == await tasks.get(task.id)


async def test_a_long_message_is_shown_by_its_beginning(tasks: Tasks) -> None:
    task = await tasks.create(NewTask(name="a"))
    message = "x" * 5000
    await tasks.fail(task.id, message)
    [listed] = (await tasks.list()).tasks
    assert listed.error == "x" * 199 + "…"
    assert (await tasks.get(task.id)).error == {"message": message}
    other = await tasks.create(NewTask(name="b"))
    with pytest.raises(InputError, match="5000 characters; 2000 are allowed"):
        await tasks.start(other.id, message)


async def test_a_failed_task_keeps_its_error_apart_from_a_result(tasks: Tasks) -> None:
    task = await tasks.create(NewTask(name="work"))
    failed = await tasks.fail(task.id, {"message": "no paper", "hint": "buy some"})
    assert failed.error == {"message": "no paper", "hint": "buy some"}
    assert failed.result is None
    with pytest.raises(InputError, match="message"):
        await tasks.fail(task.id, {"hint": "none"})


async def test_a_refusal_says_from_to_and_what_is_allowed(tasks: Tasks) -> None:
    task = await tasks.create(NewTask(name="work"))
    with pytest.raises(
        TaskConflict,
        match="cannot go from pending to completed; allowed: cancelled, failed, working",
    ):
        await tasks.complete(task.id)
    assert (await tasks.complete(task.id, begin=True)).state is TaskState.COMPLETED


@pytest.mark.promise("task-terminal-never-changes")
@pytest.mark.parametrize("how", ["complete", "fail", "cancel"])
async def test_what_has_ended_never_changes(tasks: Tasks, store: Store, how: str) -> None:
    other = await tasks.create(NewTask(name="other"))
    task = await tasks.create(NewTask(name="work", variables={"x": 1}, blocked_by=[]))
    await tasks.start(task.id)
    await tasks.require_input(task.id, "q", "what?")
    ends = {
        "complete": lambda: tasks.complete(task.id, 1),
        "fail": lambda: tasks.fail(task.id, "no"),
        "cancel": lambda: tasks.cancel(task.id, reason="no need"),
    }
    ended = await ends[how]()
    before = await store.get(("task", "local", task.id))
    attempts = [
        lambda: tasks.update(task.id, Changes(name="new")),
        lambda: tasks.update(task.id, Changes(name="work")),
        lambda: tasks.start(task.id),
        lambda: tasks.complete(task.id),
        lambda: tasks.fail(task.id, "x"),
        lambda: tasks.note(task.id, "text"),
        lambda: tasks.progress(task.id, 1),
        lambda: tasks.set_variables(task.id, {"x": 2}),
        lambda: tasks.set_variables(task.id, {}, schemas={"x": {}}),
        lambda: tasks.depend(task.id, other.id),
        lambda: tasks.undepend(task.id, other.id),
        lambda: tasks.claim(task.id),
        lambda: tasks.answer(task.id, "q", 1),
        lambda: tasks.require_input(task.id, "q2", "what?"),
        lambda: tasks.block(task.id, "why"),
        lambda: tasks.cancel(task.id, request_only=True),
        lambda: tasks.cancel(task.id),
    ]
    refused = 0
    for attempt in attempts:
        try:
            await attempt()
        except TaskConflict:
            refused += 1
    # Cancelling what is cancelled is what is wanted already, and writes nothing.
    assert refused == len(attempts) - (2 if how == "cancel" else 0)
    assert await tasks.get(task.id) == ended
    assert await store.get(("task", "local", task.id)) == before


async def test_an_input_is_asked_once_and_answered_once(tasks: Tasks) -> None:
    task = await tasks.create(NewTask(name="work"))
    await tasks.start(task.id)
    await tasks.require_input(task.id, "colour", "which?", {"enum": ["red", "blue"]})
    asked = await tasks.require_input(task.id, "size", "how large?")
    assert asked.state is TaskState.INPUT_REQUIRED
    with pytest.raises(InputError, match=r"colour.*does not fit.*green"):
        await tasks.answer(task.id, "colour", "green")
    assert (await tasks.answer(task.id, "colour", "red")).state is TaskState.INPUT_REQUIRED
    with pytest.raises(TaskConflict, match="answered already; it waits for 'size'"):
        await tasks.answer(task.id, "colour", "blue")
    answered = await tasks.answer(task.id, "size", None)
    assert answered.state is TaskState.WORKING
    assert answered.requests["colour"].answer == "red"
    assert answered.requests["colour"].answered_by == "ann"
    with pytest.raises(TaskConflict, match="used before"):
        await tasks.require_input(task.id, "size", "again?")


async def test_a_blocked_task_says_what_it_waits_for(tasks: Tasks) -> None:
    task = await tasks.create(NewTask(name="work"))
    await tasks.start(task.id)
    await tasks.block(task.id, "no paper")
    blocked = await tasks.block(task.id, "no ink")
    assert {key: ask.prompt for key, ask in blocked.open_requests.items()} == {
        "blocked-1": "no paper",
        "blocked-2": "no ink",
    }
    [listed] = (await tasks.list()).tasks
    assert listed.waiting_for == ("blocked-1", "blocked-2")


async def test_a_pending_task_asks_for_nothing(tasks: Tasks) -> None:
    task = await tasks.create(NewTask(name="work"))
    with pytest.raises(TaskConflict, match="from pending to input_required"):
        await tasks.require_input(task.id, "q", "what?")


async def test_changes_touch_what_they_name(tasks: Tasks) -> None:
    task = await tasks.create(NewTask(name="a", tags=["x", "y"], metadata={"a": 1, "b": 2}))
    changed = await tasks.update(
        task.id,
        Changes(priority=0, add_tags=["z"], remove_tags=["x"], metadata={"a": None, "c": 3}),
    )
    assert (changed.name, changed.priority, changed.tags) == ("a", 0, ("y", "z"))
    assert changed.metadata == {"b": 2, "c": 3}
    await tasks.update(task.id, Changes(priority=0, tags=["y", "z"]))
    assert len(await tasks.history(task.id)) == 2, "nothing changed, so nothing was written"


async def test_cancelling_may_be_left_to_who_works(tasks: Tasks) -> None:
    task = await tasks.create(NewTask(name="work"))
    claimed = await tasks.acting(actor=Actor(by="bob")).claim(task.id)
    asked = await tasks.cancel(task.id, request_only=True)
    assert (asked.state, asked.cancel_requested) == (TaskState.WORKING, True)
    await tasks.cancel(task.id, request_only=True)
    cancelled = await tasks.cancel(task.id, reason="too late")
    assert (cancelled.state, cancelled.status_message) == (TaskState.CANCELLED, "too late")
    with pytest.raises(TaskConflict, match="ended"):
        await tasks.acting(actor=Actor(by="bob")).complete(task.id, fence=claimed.fence)


@pytest.mark.promise("task-replay-exact")
async def test_the_log_tells_who_did_what_and_replays_to_the_record(
    tasks: Tasks, store: Store, clock: ManualClock
) -> None:
    task = await tasks.create(NewTask(name="work"))
    clock.advance(1)
    await tasks.acting(actor=Actor(by="bob", via="mcp")).note(task.id, "hello")
    claimed = await tasks.claim(task.id)
    await tasks.set_variables(task.id, {"x": [1, {"y": None}]})
    await tasks.complete(task.id, fence=claimed.fence)
    told = [
        (each.event.kind, each.event.by, each.event.via) for each in await tasks.history(task.id)
    ]
    assert told == [
        ("created", "ann", "test"),
        ("noted", "bob", "mcp"),
        ("claimed", "ann", "test"),
        ("variables_changed", "ann", "test"),
        ("completed", "ann", "test"),
    ]
    entries = [entry.value for entry in await store.read(task_log(task.id))]
    assert replay(task.id, entries).task == await tasks.get(task.id)
    assert broken_links(task.id, entries) == []


async def test_a_changed_entry_breaks_the_chain(tasks: Tasks, store: Store) -> None:
    task = await tasks.create(NewTask(name="work"))
    await tasks.note(task.id, "one")
    await tasks.note(task.id, "two")
    entries = [entry.value for entry in await store.read(task_log(task.id))]
    entries[1] = entries[1].replace(b"one", b"eno")
    assert broken_links(task.id, entries) == [3]


async def test_a_change_behind_the_record_is_taken_in(tasks: Tasks, store: Store) -> None:
    """A store that cannot batch may die between the log and the record."""
    task = await tasks.create(NewTask(name="work"))
    record = await store.get(("task", "local", task.id))
    assert record is not None
    await tasks.start(task.id)
    newest = await store.get(("task", "local", task.id))
    assert newest is not None
    await store.put(record.key, record.value, expected=newest.version)
    assert (await tasks.get(task.id)).state is TaskState.WORKING
    assert (await tasks.complete(task.id)).state is TaskState.COMPLETED


@pytest.mark.parametrize(
    ("new", "error"),
    [
        (NewTask(name=""), "cannot be the name"),
        (NewTask(name="two\nlines"), "cannot be the name"),
        (NewTask(name="x" * 501), "cannot be the name"),
        (NewTask(name="x", priority=5), "no priority"),
        (NewTask(name="x", tags=["a b"]), "cannot be a tag"),
        (NewTask(name="x", description="d" * 300_000), "the description takes 300000 bytes"),
        (NewTask(name="x", metadata={"a": float("nan")}), "the metadata cannot be stored"),
        (NewTask(name="x", metadata={"a": "m" * 70_000}), "the metadata takes"),
        (NewTask(name="x", session="s" * 200), "more than 128 bytes"),
        (NewTask(name="x", ttl_ms=0), "time-to-live"),
        (NewTask(name="x", id="abc"), "is no id"),
        (NewTask(name="x", key="k" * 300), "more than 256 bytes"),
    ],
)
async def test_what_cannot_be_kept_is_refused(tasks: Tasks, new: NewTask, error: str) -> None:
    with pytest.raises(InputError, match=error) as caught:
        await tasks.create(new)
    assert caught.value.hint
    assert (await tasks.list()).tasks == []


async def test_tags_are_given_as_a_whole_or_as_a_difference(tasks: Tasks) -> None:
    task = await tasks.create(NewTask(name="work"))
    with pytest.raises(UsageError, match="as a whole and as additions"):
        await tasks.update(task.id, Changes(tags=["a"], add_tags=["b"]))


async def test_a_prefix_finds_one_task_or_lists_the_candidates(tasks: Tasks) -> None:
    ids = ["abc" + f"{number:029x}" for number in range(8)]
    for task_id in ids:
        await tasks.create(NewTask(name="x", id=task_id))
    await tasks.create(NewTask(name="y", id="ff" + "0" * 30))
    assert await tasks.find("FF0") == "ff" + "0" * 30
    assert await tasks.find(ids[3]) == ids[3]
    with pytest.raises(TaskNotFound, match="5 tasks and more") as caught:
        await tasks.find("ab")
    assert ids[0] in caught.value.hint
    with pytest.raises(TaskNotFound, match="no task has an id"):
        await tasks.find("0")
    with pytest.raises(TaskNotFound, match="is not the beginning"):
        await tasks.find("xyz")
    with pytest.raises(TaskNotFound, match="there is no task"):
        await tasks.find("0" * 32)


async def test_an_id_is_used_once(tasks: Tasks) -> None:
    await tasks.create(NewTask(name="x", id="a" * 32))
    with pytest.raises(TaskConflict, match="is taken"):
        await tasks.create(NewTask(name="y", id="a" * 32))


async def test_a_request_that_is_repeated_makes_nothing(tasks: Tasks) -> None:
    first = await tasks.create(NewTask(name="x", key="mail 7"))
    assert await tasks.create(NewTask(name="x", key="mail 7")) == first
    with pytest.raises(TaskConflict, match=f"made task {first.id} from something else"):
        await tasks.create(NewTask(name="y", key="mail 7"))
    assert len((await tasks.list()).tasks) == 1


async def test_a_history_is_restored_as_it_was(
    tasks: Tasks, clock: ManualClock, store: Store
) -> None:
    task = await tasks.create(NewTask(name="x", tags=["a"], variables={"v": 1}))
    await tasks.start(task.id)
    clock.advance(5)
    done = await tasks.complete(task.id, "ok")
    events = [each.event for each in await tasks.history(task.id)]
    twin = tasks.acting(owner="eve")
    with pytest.raises(TaskConflict, match="is taken"):
        await twin.restore(events)
    birth = events[0]
    assert isinstance(birth, Created)
    moved = replace(birth, id="b" * 32)
    restored = await twin.restore([moved, *events[1:]])
    assert (restored.owner, restored.state, restored.result) == ("eve", done.state, "ok")
    assert (restored.created_at, restored.ended_at) == (done.created_at, done.ended_at)
    with pytest.raises(InputError, match="begins with the creation"):
        await twin.restore(events[1:])


async def test_a_record_that_cannot_be_encoded_is_refused_and_nothing_is_written(
    tasks: Tasks,
) -> None:
    task = await tasks.create(NewTask(name="work"))
    await tasks.start(task.id)
    with pytest.raises(InputError, match="the result cannot be stored"):
        await tasks.complete(task.id, {1, 2})
    assert (await tasks.get(task.id)).state is TaskState.WORKING
    assert len(await tasks.history(task.id)) == 2
