"""A memory on a store, a clock to turn, and the folder of its files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.storage.files import FilesStore
from holdfast.storage.memory import MemoryStore
from holdfast.testing.clock import ManualClock
from tests.memory.desk import Desk


@pytest.fixture(params=["memory", "files"])
async def desk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Desk]:
    clock = ManualClock()
    is_files = request.param == "files"
    store = (
        FilesStore(str(tmp_path / "store"), clock=clock) if is_files else MemoryStore(clock=clock)
    )
    async with store, Desk(store, clock, tmp_path) as desk:
        yield desk
