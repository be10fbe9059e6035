"""A store for the tests of the engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from holdfast.clock import SystemClock
from holdfast.storage.memory import MemoryStore


@pytest.fixture
async def store() -> AsyncGenerator[MemoryStore]:
    async with MemoryStore(clock=SystemClock()) as store:
        yield store
