"""A bench to run workflows on."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from holdfast.clock import SystemClock
from holdfast.storage.memory import MemoryStore
from holdfast.testing.providers import ScriptedProvider
from tests.agents.bench import FUNCTIONS, Bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncGenerator[Bench]:
    (tmp_path / "flow_functions.py").write_text(FUNCTIONS)
    async with MemoryStore(clock=SystemClock()) as store:
        yield Bench(tmp_path, store, ScriptedProvider(lambda request: request.messages[-1].content))
