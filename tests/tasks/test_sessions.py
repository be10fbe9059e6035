"""A session from its start to its end, on stores of several kinds."""

from __future__ import annotations

import pytest

from holdfast.errors import InputError, SessionConflict, SessionNotFound
from holdfast.storage.seam import Store
from holdfast.tasks import Actor, NewTask, Tasks
from holdfast.tasks.sessions import (
    NewSession,
    Scope,
    ScopeChange,
    Sessions,
    SessionState,
    Touch,
    session_for,
)
from holdfast.tasks.sessions.fold import broken_links
from holdfast.tasks.sessions.keys import session_log
from holdfast.testing.clock import ManualClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def sessions(store: Store, clock: ManualClock) -> Sessions:
    return Sessions(store, clock=clock, actor=Actor(by="ann", via="test"))


async def test_a_session_is_what_it_was_started_as(sessions: Sessions, clock: ManualClock) -> None:
    session = await sessions.start(
        NewSession(
            name="report",
            goal="ten pages",
            includes=["text", "figures", "text"],
            excludes=["print"],
            context={"project_type": "book"},
        )
    )
    assert (session.name, session.goal, session.state) == ("report", "ten pages", SessionState.OPEN)
    assert session.scope == Scope(includes=("text", "figures"), excludes=("print",))
    assert session.context == {"project_type": "book"}
    assert (session.started_at, session.owner) == (clock.now_ms(), "local")
    assert await sessions.get(session.id) == session


@pytest.mark.promise("session-survives-its-process")
async def test_whoever_opens_the_store_finds_the_same(
    sessions: Sessions, store: Store, clock: ManualClock
) -> None:
    session = await sessions.start(NewSession(name="report"))
    clock.advance(1)
    await sessions.note(session.id, "the library is shut on Mondays")
    await sessions.decide(session.id, "use LaTeX", reason="tables", alternatives=["Word"])
    await sessions.set_context(session.id, {"pages": 3}, files=["a.tex"])
    said = await sessions.rescope(session.id, ScopeChange(includes=["an index"], reason="asked"))
    other = Sessions(store, clock=clock)
    assert await other.current() == said
    assert await other.story(session.id) == await sessions.story(session.id)
    story = await other.story(session.id)
    assert [event.text for _, event in story.notes] == ["the library is shut on Mondays"]
    (number, decision), *_ = story.decisions
    assert (number, decision.text, decision.reason, decision.alternatives, decision.by) == (
        1, "use LaTeX", "tables", ["Word"], "ann",
    )  # fmt: skip
    assert [event.reason for event in story.scope_changes] == ["asked"]
    assert (said.notes, said.decisions, said.scope_changes) == (1, 1, 1)
    assert said.files == {"a.tex": Touch(at=clock.now_ms())}


async def test_what_comes_into_the_scope_is_not_outside_of_it_any_more(sessions: Sessions) -> None:
    session = await sessions.start(NewSession(name="report", includes=["a", "b"], excludes=["c"]))
    changed = await sessions.rescope(
        session.id, ScopeChange(includes=["c"], excludes=["a"], drop=["b"], goal="less")
    )
    assert changed.scope == Scope(includes=("c",), excludes=("a",))
    assert changed.goal == "less"


async def test_none_takes_a_value_out_of_the_context_and_a_file_can_be_forgotten(
    sessions: Sessions,
) -> None:
    session = await sessions.start(NewSession(name="report", context={"a": 1, "b": 2}))
    await sessions.set_context(session.id, {"a": None, "c": [3]}, files=["x", "y"])
    changed = await sessions.set_context(session.id, {}, forget=["x"], files=["z"])
    assert changed.context == {"b": 2, "c": [3]}
    assert list(changed.files) == ["y", "z"]


async def test_the_newest_session_is_the_current_one_unless_it_was_started_aside(
    sessions: Sessions, store: Store
) -> None:
    assert await session_for(store) == ""
    first = await sessions.start(NewSession(name="first"))
    second = await sessions.start(NewSession(name="second"))
    await sessions.start(NewSession(name="third", aside=True))
    assert await session_for(store) == second.id
    assert await session_for(store, named="first") == first.id
    await sessions.switch(first.id)
    assert await session_for(store) == first.id


async def test_a_session_is_found_by_its_name_and_by_the_beginning_of_its_id(
    sessions: Sessions,
) -> None:
    session = await sessions.start(NewSession(name="write the report"))
    assert await sessions.find("write the report") == session.id
    assert await sessions.find(session.id[:8]) == session.id
    assert await sessions.find(session.id) == session.id
    for unknown in ("write", "zzz", "0" * 32):
        with pytest.raises(SessionNotFound) as caught:
            await sessions.find(unknown)
        assert "holdfast session list" in caught.value.hint


async def test_a_name_means_the_open_session_and_never_one_of_several(sessions: Sessions) -> None:
    first = await sessions.start(NewSession(name="weekly"))
    await sessions.end(first.id)
    second = await sessions.start(NewSession(name="weekly"))
    assert await sessions.find("weekly") == second.id
    await sessions.end(second.id)
    with pytest.raises(SessionNotFound) as caught:
        await sessions.find("weekly")
    assert first.id in caught.value.hint
    assert second.id in caught.value.hint


async def test_a_name_is_not_given_to_two_open_sessions(sessions: Sessions) -> None:
    first = await sessions.start(NewSession(name="weekly"))
    with pytest.raises(SessionConflict) as caught:
        await sessions.start(NewSession(name="weekly"))
    assert f"holdfast session switch {first.id[:8]}" in caught.value.hint


async def test_an_end_names_what_is_left_open(
    sessions: Sessions, tasks: Tasks, clock: ManualClock
) -> None:
    session = await sessions.start(NewSession(name="report"))
    done = await tasks.create(NewTask(name="done", session=session.id))
    await tasks.complete(done.id, begin=True)
    clock.advance(1)
    left = await tasks.create(NewTask(name="left", session=session.id))
    await tasks.create(NewTask(name="of nobody"))
    ended = await sessions.end(session.id, "as good as it gets")
    assert (ended.state, ended.summary) == (SessionState.ENDED, "as good as it gets")
    assert (ended.left, ended.left_count) == ((left.id,), 1)
    assert ended.ended_at == clock.now_ms()
    assert await sessions.current() is None


async def test_what_has_ended_takes_nothing_more(sessions: Sessions) -> None:
    session = await sessions.start(NewSession(name="report"))
    ended = await sessions.end(session.id)
    for attempt in (
        sessions.note(session.id, "late"),
        sessions.decide(session.id, "late"),
        sessions.rescope(session.id, ScopeChange(goal="late")),
        sessions.set_context(session.id, {"late": True}),
        sessions.switch(session.id),
        sessions.end(session.id),
    ):
        with pytest.raises(SessionConflict, match="has ended"):
            await attempt
    assert await sessions.get(session.id) == ended


async def test_another_session_goes_on_when_one_that_is_not_current_ends(
    sessions: Sessions,
) -> None:
    first = await sessions.start(NewSession(name="first"))
    second = await sessions.start(NewSession(name="second"))
    await sessions.end(first.id)
    assert await sessions.current() == second


async def test_sessions_are_listed_newest_first_and_what_is_not_shown_is_counted(
    sessions: Sessions, clock: ManualClock
) -> None:
    for name in ("a", "b", "c"):
        await sessions.start(NewSession(name=name))
        clock.advance(1)
    await sessions.end(await sessions.find("b"))
    page = await sessions.list()
    assert [each.name for each in page.sessions] == ["c", "b", "a"]
    assert page.current == page.sessions[0].id
    page = await sessions.list(SessionState.OPEN, limit=1)
    assert ([each.name for each in page.sessions], page.more) == (["c"], 1)
    page = await sessions.list(limit=2)
    assert page.more == 1


async def test_owners_see_nothing_of_one_another(sessions: Sessions, store: Store) -> None:
    mine = await sessions.start(NewSession(name="report"))
    others = Sessions(store, clock=ManualClock(), owner="bob")
    assert (await others.list()).sessions == []
    assert await others.current() is None
    for text in (mine.id, mine.id[:6], "report"):
        with pytest.raises(SessionNotFound):
            await others.find(text)
    with pytest.raises(SessionNotFound):
        await others.note(mine.id, "hello")


@pytest.mark.parametrize(
    ("new", "match"),
    [
        (NewSession(name=" "), "name of a session"),
        (NewSession(name="two\nlines"), "name of a session"),
        (NewSession(name="x" * 101), "name of a session"),
        (NewSession(name="x", goal="g" * 20_000), "the goal"),
        (NewSession(name="x", includes=[""]), "part of the scope"),
        (NewSession(name="x", includes=["a"], excludes=["a"]), "both inside and outside"),
        (NewSession(name="x", context={"a": {1, 2}}), "the context"),
        (NewSession(name="x", context={"a": "b" * 300_000}), "would take"),
    ],
)
async def test_what_cannot_be_kept_is_refused_before_anything_is_written(
    sessions: Sessions, new: NewSession, match: str
) -> None:
    with pytest.raises(InputError, match=match):
        await sessions.start(new)
    assert (await sessions.list()).sessions == []


async def test_a_context_that_is_too_large_is_refused_and_can_be_made_smaller(
    sessions: Sessions,
) -> None:
    session = await sessions.start(NewSession(name="x", context={"a": "b" * 200_000}))
    with pytest.raises(InputError, match="would take"):
        await sessions.set_context(session.id, {"c": "d" * 100_000})
    assert (await sessions.set_context(session.id, {"a": None, "c": "d"})).context == {"c": "d"}


async def test_an_empty_note_or_decision_is_refused(sessions: Sessions) -> None:
    session = await sessions.start(NewSession(name="x"))
    for attempt in (
        sessions.note(session.id, "  "),
        sessions.decide(session.id, ""),
        sessions.decide(session.id, "yes", alternatives=[""]),
    ):
        with pytest.raises(InputError, match="empty"):
            await attempt


async def test_the_log_of_a_session_is_a_chain(sessions: Sessions, store: Store) -> None:
    session = await sessions.start(NewSession(name="x"))
    for number in range(3):
        await sessions.note(session.id, f"note {number}")
    entries = [entry.value for entry in await store.read(session_log(session.id))]
    assert broken_links(session.id, entries) == []
    forged = [entries[0], entries[1].replace(b"note 0", b"note 9"), *entries[2:]]
    assert broken_links(session.id, forged) == [3]
