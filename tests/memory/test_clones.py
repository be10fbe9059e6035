"""Two clones of a project remember different things; merged, both are there and nothing is lost."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from holdfast.memory import State
from holdfast.storage.files import FilesStore
from holdfast.storage.files.upkeep.merge import merge_stores
from holdfast.testing.clock import ManualClock
from tests.memory.desk import Desk


@asynccontextmanager
async def opened(place: Path, clock: ManualClock) -> AsyncIterator[Desk]:
    async with (
        FilesStore(str(place / "store"), clock=clock) as store,
        Desk(store, clock, place) as desk,
        desk.memories,
    ):
        yield desk


@pytest.mark.parametrize("turned", [False, True])
async def test_what_two_clones_remember_is_merged(tmp_path: Path, turned: bool) -> None:
    clock = ManualClock()
    here, there = tmp_path / "here", tmp_path / "there"
    async with opened(here, clock) as desk:
        shared = (await desk.write("shared", key="shared")).entry
        old = (await desk.write("old", key="old")).entry
        both = (await desk.write("both", key="both")).entry
    shutil.copytree(here, there)
    async with opened(here, clock) as desk:
        await desk.write("port 80", key="port")
        await desk.memories.supersede(old.id, "new here")
        desk.clock.advance(1)
        await desk.memories.forget(both.id, why="here")
        desk.clock.advance(1)
    async with opened(there, clock) as desk:
        await desk.write("port 443", key="port")
        await desk.memories.supersede(old.id, "new there")
        desk.clock.advance(1)
        desk.edit(both, "both", "edited there")
        await desk.memories.take_in()
        assert "edited there" in await desk.values()
    target, source = (there, here) if turned else (here, there)
    merge_stores(target / "store", source / "store")
    async with opened(target, clock) as desk:
        known = {each.entry.text: each for each in await desk.memories.list()}
        assert set(known) == {"shared", "port 80", "port 443", "new here", "new there"}
        assert all(bool(each.contradicted_by) == (text != "shared") for text, each in known.items())
        assert (await desk.memories.get(both.id)).state is State.FORGOTTEN
        told = [each.entry.text for each in await desk.memories.history(both.id)]
        assert sorted(told) == ["both", "both", "edited there"]
        assert (await desk.memories.get(old.id)).state is State.SUPERSEDED
        line = {each.entry.text for each in await desk.memories.history(old.id)}
        assert line == {"old", "new here", "new there"}
        assert len(await desk.memories.history(shared.id)) == 1
        assert set(await desk.found("port", limit=20)) == {"port 80", "port 443"}
        assert (await desk.memories.repair(dry_run=True)).mended == ()
        chosen = known["new here"].entry.id, known["new there"].entry.id
        await desk.write("settled", key="old", supersedes=chosen)
        assert await desk.values(key="old") == ["settled"]
    assert len(list((target / "memory").glob("*.md"))) == 4
