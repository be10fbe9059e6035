"""Take work up again: everything that is open is said, or named as left out."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.errors import SessionNotFound, UsageError
from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import Store
from holdfast.tasks import Actor, NewTask, Tasks
from holdfast.tasks.requests import Filter
from holdfast.tasks.sessions import NewSession, Resume, Sessions, take_up
from holdfast.tasks.sessions.drafting import Part
from holdfast.tasks.sessions.listing import every_task
from holdfast.tasks.sessions.view import Remembered, describe_work
from holdfast.testing.clock import ManualClock

pytestmark = pytest.mark.anyio

PLENTY = 1_000_000


@pytest.fixture
def sessions(store: Store, clock: ManualClock) -> Sessions:
    return Sessions(store, clock=clock, actor=Actor(by="ann", via="test"))


async def resume(
    store: Store, clock: ManualClock, session: str = "", budget: int = PLENTY
) -> Resume:
    return await take_up(store, clock=clock, session=session, budget=budget)


def section(resume: Resume, title: str) -> str:
    """Return what a resume says under a title."""
    parts = resume.fitted.text.split("\n\n")
    return next((each for each in parts if each.startswith(title)), "")


async def test_a_resume_says_what_was_in_progress_decided_asked_and_what_is_next(
    sessions: Sessions, tasks: Tasks, store: Store, clock: ManualClock
) -> None:
    session = (await sessions.start(NewSession(name="report", goal="ten pages"))).id
    writing = await tasks.create(NewTask(name="write the intro", session=session))
    await tasks.start(writing.id, "half way")
    for number in range(5):
        await tasks.note(writing.id, f"note {number}")
    asking = await tasks.create(NewTask(name="choose a licence", session=session))
    await tasks.start(asking.id)
    await tasks.require_input(asking.id, "licence", "Which licence?")
    clock.advance(1)
    later = await tasks.create(NewTask(name="print it", session=session, priority=3))
    first = await tasks.create(NewTask(name="index", session=session, priority=0))
    await tasks.create(NewTask(name="post it", session=session, blocked_by=[later.id]))
    done = await tasks.create(NewTask(name="done", session=session))
    await tasks.complete(done.id, begin=True)
    await tasks.create(NewTask(name="of another session"))
    await sessions.decide(session, "use LaTeX", reason="tables", alternatives=["Word"])
    await sessions.note(session, "the library is shut")

    found = await resume(store, clock, session)
    text = found.fitted.text
    assert text.startswith(f"session report ({session[:8]}), open since 2023-11-14 22:13Z\n")
    assert "1 in progress, 1 waiting for an answer, 2 ready, 1 blocked, 1 completed" in text
    assert "of another session" not in text
    progress = section(found, "In progress (1)")
    assert "write the intro" in progress
    assert "half way" in progress
    assert ["note 0" in progress, "note 1" in progress, "note 2" in progress] == [
        False,
        False,
        True,
    ]
    assert f"2 earlier notes: holdfast task history {writing.id[:8]}" in progress
    assert "licence: Which licence?" in section(found, "Waits for an answer (1)")
    decided = section(found, "Decided")
    assert "use LaTeX\n  because: tables\n  instead of: Word" in decided
    ready = section(found, "Next (2)")
    assert ready.index(first.id[:8]) < ready.index(later.id[:8])
    assert "post it" in section(found, "Blocked (1)")
    assert "the library is shut" in section(found, "Notes")
    assert "goal: ten pages" in section(found, "About")
    assert found.fitted.is_complete


async def test_a_claim_whose_holder_has_gone_is_to_be_taken_over(
    tasks: Tasks, store: Store, clock: ManualClock
) -> None:
    task = await tasks.create(NewTask(name="work"))
    await tasks.claim(task.id, lease_ms=60_000, holder="robot")
    assert "held by robot until" in section(await resume(store, clock), "In progress")
    clock.advance(60)
    left = section(await resume(store, clock), "In progress")
    assert f"left by robot, to be taken over: holdfast task claim {task.id[:8]}" in left


async def test_without_a_session_it_is_the_whole_project_and_the_open_sessions_are_named(
    sessions: Sessions, tasks: Tasks, store: Store, clock: ManualClock
) -> None:
    session = await sessions.start(NewSession(name="report", goal="ten pages"))
    over = await sessions.start(NewSession(name="over"))
    await sessions.end(over.id)
    within = await tasks.create(NewTask(name="within", session=session.id))
    outside = await tasks.create(NewTask(name="outside"))
    await tasks.create(NewTask(name="waiting", blocked_by=[outside.id]))
    found = await resume(store, clock)
    assert found.fitted.text.startswith("the whole project: no session was chosen\n")
    assert {each.id for each in found.work.ready} == {within.id, outside.id}
    assert "waiting" in section(found, "Blocked (1)")
    assert "report, open since" in section(found, "Open sessions (1)")


async def test_of_a_failed_blocker_it_is_said_that_somebody_has_to_decide(
    tasks: Tasks, store: Store, clock: ManualClock
) -> None:
    first = await tasks.create(NewTask(name="first"))
    await tasks.create(NewTask(name="second", blocked_by=[first.id]))
    await tasks.fail(first.id, "no paper")
    assert "somebody has to decide" in section(await resume(store, clock), "Blocked (1)")


async def test_an_ended_session_says_what_came_of_it(
    sessions: Sessions, tasks: Tasks, store: Store, clock: ManualClock
) -> None:
    session = (await sessions.start(NewSession(name="report"))).id
    await tasks.create(NewTask(name="left", session=session))
    await sessions.end(session, "as good as it gets")
    found = await resume(store, clock, session)
    assert "ended 2023-11-14" in found.fitted.text
    assert "summary: as good as it gets" in section(found, "About")
    assert "tasks that were open at the end: 1" in section(found, "About")
    assert "left" in section(found, "Next (1)")


async def test_an_unknown_session_and_a_budget_for_nothing_are_refused(
    store: Store, clock: ManualClock
) -> None:
    with pytest.raises(SessionNotFound):
        await resume(store, clock, "0" * 32)
    with pytest.raises(UsageError, match="too few") as caught:
        await resume(store, clock, budget=3)
    assert caught.value.hint.startswith("allow ")


async def test_control_characters_are_shown_and_counted_as_what_is_printed(
    sessions: Sessions, store: Store, clock: ManualClock
) -> None:
    session = (await sessions.start(NewSession(name="report"))).id
    await sessions.note(session, "red \x1b[31m and\nanother line")
    text = (await resume(store, clock, session)).fitted.text
    assert "red \\x1b[31m and\n  another line" in text
    assert all(char.isprintable() or char == "\n" for char in text)


WORDS = st.text(min_size=1, max_size=300).filter(lambda text: text.strip())
KINDS = ("in_progress", "waiting", "next")


@pytest.mark.promise("resume-names-what-it-leaves-out")
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    work=st.lists(st.tuples(st.sampled_from(KINDS), WORDS), max_size=12),
    decisions=st.lists(WORDS, max_size=8),
    budget=st.integers(500, 6000),
)
async def test_every_open_task_and_decision_is_said_or_named_whatever_the_budget(
    work: list[tuple[str, str]], decisions: list[str], budget: int
) -> None:
    clock = ManualClock()
    made: dict[str, set[str]] = {kind: set() for kind in KINDS}
    made["decided"] = {str(number) for number in range(1, len(decisions) + 1)}
    async with MemoryStore(clock=clock) as store:
        tasks, sessions = Tasks(store, clock=clock), Sessions(store, clock=clock)
        session = (await sessions.start(NewSession(name="report"))).id
        for number, (kind, text) in enumerate(work):
            task = await tasks.create(NewTask(name=f"task {number}", session=session))
            made[kind].add(task.id)
            if kind != "next":
                await tasks.start(task.id)
                await tasks.note(task.id, text)
            if kind == "waiting":
                await tasks.require_input(task.id, "key", text)
        for text in decisions:
            await sessions.decide(session, text)
        everything = (await resume(store, clock, session)).fitted
        try:
            fitted = (await resume(store, clock, session, budget)).fitted
        except UsageError:
            assert budget < 1000
            return
    assert len(fitted.text) <= budget
    assert everything.is_complete
    for name, ids in made.items():
        part = fitted.parts.get(name, Part(total=0))
        assert sorted([*part.whole, *part.shortened, *part.left_out]) == sorted(ids)
        for each in (*part.whole, *part.shortened):
            assert (f"#{each} " if name == "decided" else each[:8]) in fitted.text


async def test_the_current_work_has_the_shape_of_a_current_json(
    sessions: Sessions, tasks: Tasks, store: Store, clock: ManualClock
) -> None:
    session = (await sessions.start(NewSession(name="s", context={"project_type": "book"}))).id
    setup = await tasks.create(NewTask(name="Setup project", session=session))
    await tasks.start(setup.id)
    await sessions.decide(session, "before it")
    clock.advance(300)
    await tasks.complete(setup.id)
    feature = await tasks.create(NewTask(name="Implement feature X", session=session))
    await tasks.start(feature.id)
    clock.advance(1)
    await sessions.decide(session, "Use async pattern")
    await sessions.set_context(session, {}, files=["src/main.rs"])
    await sessions.set_context(session, {}, files=["other.rs"], task=setup.id)
    story = await sessions.story(session)
    listed = [each async for each in every_task(store, "local", Filter(session=session))]
    remembered = Remembered(project_type="cli_tool", patterns=["test first"], decisions=["MIT"])
    shape = describe_work(story, listed, remembered, is_current=True)
    assert {name: shape[name] for name in list(shape)[:5]} == {
        "session_id": session,
        "started_at": "2023-11-14T22:13:20.000Z",
        "current_task": {
            "id": feature.id,
            "name": "Implement feature X",
            "status": "in_progress",
            "started_at": "2023-11-14T22:18:20.000Z",
            "context": {"files_modified": ["src/main.rs"], "decisions": ["Use async pattern"]},
        },
        "completed_tasks": [
            {
                "id": setup.id,
                "name": "Setup project",
                "completed_at": "2023-11-14T22:18:20.000Z",
                "duration_seconds": 300,
            }
        ],
        "memory": {
            "project_type": "book",
            "key_decisions": ["before it", "Use async pattern", "MIT"],
            "learned_patterns": ["test first"],
        },
    }
    assert [each["name"] for each in shape["other_tasks"]] == ["Implement feature X"]  # type: ignore[attr-defined]


async def test_a_task_that_waits_is_current_only_if_none_is_worked_on(
    sessions: Sessions, tasks: Tasks, store: Store
) -> None:
    session = (await sessions.start(NewSession(name="s"))).id
    task = await tasks.create(NewTask(name="ask", session=session))
    await tasks.start(task.id)
    await tasks.require_input(task.id, "key", "what?")

    async def current() -> object:
        story = await sessions.story(session)
        listed = [each async for each in every_task(store, "local", Filter(session=session))]
        shape = describe_work(story, listed, Remembered(), is_current=True)
        now = shape["current_task"]
        assert isinstance(now, dict)
        return now["name"], now["status"]

    assert await current() == ("ask", "input_required")
    other = await tasks.create(NewTask(name="other", session=session))
    await tasks.start(other.id)
    assert await current() == ("other", "in_progress")
