"""Many who write at once, stores that fail half-way, and logs that two clones were merged into."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.errors import (
    SessionConflict,
    SessionNotFound,
    StorageCorrupt,
    StorageTooNew,
    UsageError,
)
from holdfast.storage.files import FilesStore
from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import ANY, Listing, Store
from holdfast.tasks import Actor
from holdfast.tasks.sessions import NewSession, Sessions
from holdfast.tasks.sessions.events import Ended
from holdfast.tasks.sessions.fold import broken_links, tell
from holdfast.tasks.sessions.keys import session_key, session_log
from holdfast.testing.clock import ManualClock
from holdfast.testing.stores import ForwardingStore

T = TypeVar("T")

pytestmark = pytest.mark.anyio


@pytest.mark.promise("session-survives-its-process")
async def test_of_many_who_write_at_once_nobody_loses_anything(
    store: Store, clock: ManualClock
) -> None:
    session = await Sessions(store, clock=clock).start(NewSession(name="shared"))

    async def write(who: str) -> None:
        mine = Sessions(store, clock=clock, actor=Actor(by=who))
        for number in range(5):
            await mine.note(session.id, f"{who} {number}")
            await mine.decide(session.id, f"{who} {number}")
            await mine.set_context(session.id, {f"{who}-{number}": number}, files=[f"{who}.py"])

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for who in ("ann", "bob", "cyd", "dan"):
                group.start_soon(write, who)
    story = await Sessions(store, clock=clock).story(session.id)
    now = await Sessions(store, clock=clock).get(session.id)
    wanted = {f"{who} {number}" for who in ("ann", "bob", "cyd", "dan") for number in range(5)}
    assert {event.text for _, event in story.notes} == wanted
    assert {event.text for _, event in story.decisions} == wanted
    assert (now.notes, now.decisions, len(now.context), len(now.files)) == (20, 20, 20, 4)
    assert now == story.session
    entries = [entry.value for entry in await store.read(session_log(session.id))]
    assert broken_links(session.id, entries) == []


async def test_of_two_processes_with_one_folder_nobody_loses_anything(tmp_path: Path) -> None:
    clock = ManualClock()
    async with (
        FilesStore(tmp_path / "store", clock=clock, ack="os") as one,
        FilesStore(tmp_path / "store", clock=clock, ack="os") as two,
    ):
        session = await Sessions(one, clock=clock).start(NewSession(name="shared"))

        async def write(store: Store, who: str) -> None:
            for number in range(10):
                await Sessions(store, clock=clock).note(session.id, f"{who} {number}")

        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(write, one, "ann")
                group.start_soon(write, two, "bob")
        for store in (one, two):
            assert (await Sessions(store, clock=clock).get(session.id)).notes == 20


class Interleaved(ForwardingStore):
    """A store that batches, with turns of the event loop in each verb."""

    async def _call(self, verb: str, action: Callable[[], Awaitable[T]]) -> T:
        await asyncio.sleep(0)
        result = await action()
        await asyncio.sleep(0)
        return result


async def test_of_many_who_start_a_session_of_one_name_one_does(clock: ManualClock) -> None:
    async with MemoryStore(clock=clock) as inner:
        store = Interleaved(inner)
        refused: list[str] = []

        async def start(number: int) -> None:
            try:
                new = NewSession(name="weekly", goal=str(number), aside=number % 2 == 0)
                await Sessions(store, clock=clock).start(new)
            except SessionConflict as error:
                refused.append(error.message)

        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                for number in range(16):
                    group.start_soon(start, number)
        assert len(refused) == 15
        assert len((await Sessions(store, clock=clock).list()).sessions) == 1


async def test_nothing_is_added_behind_an_end(store: Store, clock: ManualClock) -> None:
    """Of a note and an end that meet, the note is in before, or is refused."""
    sessions = Sessions(store, clock=clock)
    session_id = (await sessions.start(NewSession(name="shared"))).id
    kept: list[str] = []

    async def note(number: int) -> None:
        for _ in range(number):  # so that they come before, during and after the end
            await asyncio.sleep(0)
        with suppress(SessionConflict):
            await sessions.note(session_id, str(number))
            kept.append(str(number))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(sessions.end, session_id)
            for number in range(0, 40, 2):
                group.start_soon(note, number)
    story = await sessions.story(session_id)
    assert isinstance(story.happenings[-1].event, Ended)
    assert sorted(event.text for _, event in story.notes) == sorted(kept)


async def clones(said: list[bool], *, ended: tuple[bool, bool]) -> tuple[list[bytes], list[bytes]]:
    """Return the logs of two clones of a store in which one session went on in both."""
    logs: list[list[bytes]] = []
    shared: list[bytes] = []
    for mine, ends in zip((True, False), ended, strict=True):
        clock = ManualClock()
        async with MemoryStore(clock=clock) as store:
            sessions = Sessions(store, clock=clock)
            if not shared:
                session_id = (await sessions.start(NewSession(name="shared"))).id
                shared = [entry.value for entry in await store.read(session_log(session_id))]
            await put_log(store, shared)
            await sessions.repair()
            for number, whose in enumerate(said):
                clock.advance(1)
                if whose is mine:
                    await sessions.decide(session_id, f"decision {number}")
            if ends:
                await sessions.end(session_id, f"ended by {mine}")
            logs.append([entry.value for entry in await store.read(session_log(session_id))])
    return logs[0], logs[1]


async def put_log(store: Store, entries: list[bytes]) -> str:
    """Let the log of a session go on to these entries, and return its id."""
    session_id = str(json.loads(entries[0])["id"])
    have = await store.read(session_log(session_id))
    if entries[len(have) :]:
        await store.append(session_log(session_id), entries[len(have) :])
    return session_id


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(said=st.lists(st.booleans(), max_size=6), ended=st.tuples(st.booleans(), st.booleans()))
async def test_what_both_clones_said_is_there_after_a_merge_whoever_ended_it(
    said: list[bool], ended: tuple[bool, bool]
) -> None:
    one, two = await clones(said, ended=ended)
    clock = ManualClock()
    merged = [*one, *(each for each in two if each not in one)]
    async with MemoryStore(clock=clock) as store:
        sessions = Sessions(store, clock=clock)
        session_id = await put_log(store, one)
        await sessions.repair()
        await put_log(store, merged)
        now = await sessions.get(session_id)
        assert now == tell(session_id, merged).session
        assert now.decisions == len(said)
        assert now.is_open == (not any(ended))
        for whose, did in zip((True, False), ended, strict=True):
            assert (f"ended by {whose}" in now.summary) == did
        assert broken_links(session_id, merged) == []
        if now.is_open:
            await sessions.note(session_id, "it goes on")
            entries = [entry.value for entry in await store.read(session_log(session_id))]
            assert broken_links(session_id, entries) == []


async def test_a_record_that_does_not_belong_to_its_log_is_not_believed(clock: ManualClock) -> None:
    """After a merge the record of one clone stands beside the log of both, in another order."""
    async with MemoryStore(clock=clock) as mine, MemoryStore(clock=clock) as other:
        sessions = Sessions(mine, clock=clock)
        session_id = (await sessions.start(NewSession(name="shared"))).id
        shared = [entry.value for entry in await mine.read(session_log(session_id))]
        await put_log(other, shared)
        await Sessions(other, clock=clock).repair()
        await Sessions(other, clock=clock).decide(session_id, "theirs")
        await sessions.note(session_id, "mine")
        await sessions.note(session_id, "mine too")
        merged = [entry.value for entry in await other.read(session_log(session_id))]
        merged += [entry.value for entry in await mine.read(session_log(session_id))][1:]
        record = await mine.get(session_key("local", session_id))
    assert record
    async with MemoryStore(clock=clock) as store:
        await put_log(store, merged)
        await store.put(record.key, record.value, expected=ANY)
        sessions = Sessions(store, clock=clock)
        now = await sessions.get(session_id)
        assert (now.decisions, now.notes) == (1, 2)
        await sessions.note(session_id, "after it")
        now = await sessions.get(session_id)
        assert (now.decisions, now.notes) == (1, 3)
        assert now == (await sessions.story(session_id)).session


async def test_records_are_made_anew_from_the_logs(store: Store, clock: ManualClock) -> None:
    sessions = Sessions(store, clock=clock)
    session = await sessions.start(NewSession(name="report"))
    await sessions.note(session.id, "one")
    right = await sessions.get(session.id)
    if not isinstance(store, Listing):
        with pytest.raises(UsageError, match="cannot name its logs"):
            await sessions.repair()
        return
    assert (await sessions.repair()).is_clean
    await store.delete(session_key("local", session.id), expected=ANY)
    looked = await sessions.repair(dry_run=True)
    assert looked.rewritten == [session.id]
    with pytest.raises(SessionNotFound):
        await sessions.get(session.id)
    assert (await sessions.repair()).rewritten == [session.id]
    assert await sessions.get(session.id) == right
    assert (await sessions.repair()).is_clean


async def test_a_log_that_cannot_be_read_is_left_alone_and_told(clock: ManualClock) -> None:
    async with MemoryStore(clock=clock) as store:
        await store.append(
            session_log("0" * 32), [b'{"event":"noted","prev":"","at":1,"text":"x"}']
        )
        await store.append(session_log("1" * 32), [b"not JSON"])
        report = await Sessions(store, clock=clock).repair()
        assert sorted(report.damaged) == ["0" * 32, "1" * 32]
        assert not report.is_clean


async def test_what_a_newer_version_wrote_is_refused(clock: ManualClock) -> None:
    async with MemoryStore(clock=clock) as store:
        sessions = Sessions(store, clock=clock)
        session = await sessions.start(NewSession(name="report"))
        await store.append(session_log(session.id), [b'{"event":"sung","prev":"","at":1}'])
        with pytest.raises(StorageTooNew, match="sung"):
            await sessions.get(session.id)
        key = session_key("local", session.id)
        await store.put(key, b'{"format":2}', expected=ANY)
        with pytest.raises(StorageTooNew, match="format 2"):
            await sessions.get(session.id)
        await store.put(key, b'{"format":1}', expected=ANY)
        with pytest.raises(StorageCorrupt, match="cannot be read"):
            await sessions.get(session.id)
