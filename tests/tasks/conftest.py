"""Stores of several kinds for the tests of tasks, with a clock that is turned by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from holdfast.storage.files import FilesStore
from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import Store
from holdfast.tasks import Actor, Tasks
from holdfast.testing.clock import ManualClock
from holdfast.testing.stores import UnbatchedStore

T = TypeVar("T")


class Interleaved(UnbatchedStore):
    """The six verbs of a store, with a turn of the event loop in each of them."""

    async def _call(self, verb: str, action: Callable[[], Awaitable[T]]) -> T:
        await asyncio.sleep(0)
        result = await action()
        await asyncio.sleep(0)
        return result


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["memory", "files", "unbatched"])
async def store(
    request: pytest.FixtureRequest, clock: ManualClock, tmp_path: Path
) -> AsyncGenerator[Store]:
    """Give a store that batches, one on disk, and one that has the six verbs alone."""
    if request.param == "files":
        async with FilesStore(tmp_path / "store", clock=clock, ack="os") as store:
            yield store
    else:
        async with MemoryStore(clock=clock) as inner:
            yield Interleaved(inner) if request.param == "unbatched" else inner


@pytest.fixture
def tasks(store: Store, clock: ManualClock) -> Tasks:
    return Tasks(store, clock=clock, actor=Actor(by="ann", via="test"))
