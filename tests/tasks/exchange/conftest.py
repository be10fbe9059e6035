"""A desk on each kind of store."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.storage.seam import Store
from holdfast.testing.clock import ManualClock
from tests.tasks.exchange.desk import Desk, desk_of


@pytest.fixture
def desk(store: Store, clock: ManualClock, tmp_path: Path) -> Desk:
    folder = tmp_path / "files"
    folder.mkdir()
    return desk_of(store, clock, folder)
