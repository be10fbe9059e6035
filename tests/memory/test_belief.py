"""What did we believe at time T? Any history is compared with one that remembers all of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.memory import Memories, Memory, parse_namespace
from holdfast.memory.settling import repair
from holdfast.storage.files import FilesStore
from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import Store
from holdfast.testing.clock import ManualClock
from holdfast.testing.stores import UnbatchedStore
from tests.memory.desk import Desk

DAY = 86_400_000


async def test_what_was_believed_then_is_not_what_is_believed_now(desk: Desk) -> None:
    before = desk.clock.now_ms() - 1
    old = (await desk.write("vim", key="editor")).entry
    between = desk.clock.now_ms() - 1
    await desk.memories.supersede(old.id, "helix")
    desk.clock.advance(1)
    after = desk.clock.now_ms() - 1
    entry = (await desk.memories.list())[0].entry
    await desk.memories.forget(entry.id)
    desk.clock.advance(1)
    assert await desk.believed(before) == set()
    assert await desk.believed(between) == {"vim"}
    assert await desk.believed(after) == {"helix"}
    assert await desk.believed(desk.clock.now_ms()) == set()
    assert await desk.believed(after, namespaces=[parse_namespace("agent:a")]) == set()


async def test_what_we_know_and_when_it_is_so_are_two_times(desk: Desk) -> None:
    start = desk.clock.now_ms()
    await desk.write("Ann leads", key="lead", valid_until=start + 10 * DAY)
    desk.clock.advance(86_400)
    learnt = desk.clock.now_ms()
    await desk.write("Bob leads", key="lead", valid_from=start + 10 * DAY)
    assert await desk.believed(learnt) == {"Ann leads"}
    assert await desk.believed(learnt, valid_at=start + 11 * DAY) == {"Bob leads"}
    assert await desk.believed(learnt - 1, valid_at=start + 11 * DAY) == set()
    with pytest.raises(UsageError, match="in the future"):
        await desk.memories.as_of(desk.clock.now_ms() + 1)


async def test_what_spoke_against_what_is_told_for_that_time(desk: Desk) -> None:
    one = (await desk.write("80", key="port")).entry
    two = (await desk.write("443", key="port")).entry
    then = desk.clock.now_ms() - 1
    await desk.memories.forget(one.id)
    desk.clock.advance(1)
    known = await desk.memories.as_of(then)
    assert {each.entry.id: each.contradicted_by for each in known} == {
        one.id: (two.id,),
        two.id: (one.id,),
    }
    assert [each.contradicted_by for each in await desk.memories.as_of(desk.clock.now_ms())] == [()]


@dataclass
class Told:
    """An entry in the memory of the test."""

    key: str
    value: str
    since: int
    until: int | None
    expires_at: int | None
    valid_from: int | None
    valid_until: int | None

    def is_believed(self, moment: int, valid_at: int) -> bool:
        return (
            self.since <= moment
            and (self.until is None or moment < self.until)
            and (self.expires_at is None or moment < self.expires_at)
            and (self.valid_from is None or self.valid_from <= valid_at)
            and (self.valid_until is None or valid_at < self.valid_until)
        )


MAYBE = st.one_of(st.none(), st.integers(1, 30))
STEP = st.tuples(
    st.sampled_from(["write", "write", "supersede", "forget", "write_files", "reopen", "repair"]),
    st.sampled_from("ab"),
    st.sampled_from(["kelp", "rope", "tide"]),
    st.integers(0, 9),
    st.integers(0, 5),
    st.tuples(MAYBE, MAYBE, MAYBE),
)


@pytest.mark.promise("belief-is-kept")
@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEP, max_size=14), kind=st.sampled_from(["memory", "files", "unbatched"]))
def test_any_history_can_be_asked_about_any_time(
    steps: Sequence[tuple[object, ...]], kind: str
) -> None:
    with TemporaryDirectory() as folder:
        anyio.run(_live_through, steps, kind, Path(folder))


async def _live_through(steps: Sequence[tuple[object, ...]], kind: str, folder: Path) -> None:
    clock = ManualClock()
    store: Store = MemoryStore(clock=clock)
    if kind == "files":
        store = FilesStore(str(folder / "store"), clock=clock, ack="os")
    if kind == "unbatched":
        store = UnbatchedStore(store)
    told: dict[str, Told] = {}
    start = clock.now_ms()
    async with store:
        desk = Desk(store, clock, folder)
        for step in steps:
            await _take_step(desk, told, step, start)
        for moment in range(start, clock.now_ms() + 1, 1000):
            for valid_at in (None, start, start + 15_000):
                expected = sorted(
                    each.value
                    for each in told.values()
                    if each.is_believed(moment, moment if valid_at is None else valid_at)
                )
                known = await desk.memories.as_of(moment, valid_at=valid_at)
                assert sorted(each.entry.text for each in known) == expected
        await _compare_with_now(desk, told)
        assert (await repair(store, desk.memories._reader, dry_run=True)).mended == ()
        await desk.memories.__aexit__(None, None, None)


async def _take_step(desk: Desk, told: dict[str, Told], step: Any, start: int) -> None:
    verb, key, value, which, wait, times = step
    desk.clock.advance(wait)
    now = desk.clock.now_ms()
    live = sorted(
        id_
        for id_, each in told.items()
        if each.until is None and (each.expires_at is None or now < each.expires_at)
    )
    if verb == "write":
        await _write(desk, told, key, value, _times(times, now, start))
    elif verb == "write_files":
        await desk.memories.write_files()
    elif verb == "repair":
        await desk.memories.repair()
    elif verb == "reopen":
        desk.memories = desk.open()
    elif live:
        chosen = live[which % len(live)]
        told[chosen].until = now
        if verb == "forget":
            await desk.memories.forget(chosen)
            return
        written = await desk.memories.supersede(chosen, f"{value} anew")
        told[written.entry.id] = replace(told[chosen], value=f"{value} anew", since=now, until=None)


async def _write(
    desk: Desk, told: dict[str, Told], key: str, value: str, times: dict[str, int | None]
) -> None:
    now = desk.clock.now_ms()
    written = await desk.write(value, key=key, **times)
    if written.is_new:
        told[written.entry.id] = Told(key=key, value=value, since=now, until=None, **times)


def _times(drawn: Any, now: int, start: int) -> dict[str, int | None]:
    expires, begin, end = drawn
    if begin is not None and end is not None and begin >= end:
        end = None
    return {
        "expires_at": None if expires is None else now + expires * 1000,
        "valid_from": None if begin is None else start + begin * 1000,
        "valid_until": None if end is None else start + end * 1000,
    }


async def _compare_with_now(desk: Desk, told: dict[str, Told]) -> None:
    now = desk.clock.now_ms()
    believed = {id_: each for id_, each in told.items() if each.is_believed(now, now)}
    assert {each.entry.id for each in await desk.memories.list()} == set(believed)
    for word in ("kelp", "rope", "tide"):
        expected = {id_ for id_, each in believed.items() if word in each.value.split()}
        found = await desk.memories.search(word, limit=100)
        assert {each.entry.id for each in found if not each.beside} == expected
    memory = await Memory.open(desk.memories)
    assert set(memory) == {each.key for each in believed.values()}
    for key in memory:
        values = {each.value for each in believed.values() if each.key == key}
        assert {each.value for each in memory.entries(key)} == values
        assert memory[key] in values
        assert (key in memory.contradicted) == (len(values) > 1)


def test_opened_twice_is_the_same(tmp_path: Path) -> None:
    """A memory that was closed is as it was, and its files too."""

    async def go() -> None:
        clock = ManualClock()
        for _ in range(2):
            async with (
                FilesStore(str(tmp_path / "s"), clock=clock) as store,
                Memories(store, clock=clock, folder=tmp_path / "m") as memories,
            ):
                memory = await Memory.open(memories)
                await memory.write("k", "v")
                assert memory["k"] == "v"
        assert len(list((tmp_path / "m").glob("*.md"))) == 1

    anyio.run(go)
