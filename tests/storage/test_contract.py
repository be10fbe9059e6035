"""The storage contract on the backends that need no server."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import Batching
from holdfast.storage.sqlite import SqliteStore
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage import BatchContract, OpenAgain, StoreContract
from holdfast.testing.stores import CrashingStore, FaultyStore, UnbatchedStore

pytestmark = pytest.mark.promise(
    "conditional-write",
    "versions-grow",
    "logs-have-no-gaps",
    "batch-is-atomic",
    "expired-is-absent",
)


class _Memory:
    @pytest.fixture
    def open_again(self, clock: ManualClock) -> OpenAgain:
        store = MemoryStore(clock=clock)
        return lambda: store


class _Sqlite:
    @pytest.fixture
    def open_again(self, clock: ManualClock, tmp_path: Path) -> OpenAgain:
        return lambda: SqliteStore(tmp_path / "folder" / "store.db", clock=clock, ack="os")


class TestMemory(_Memory, StoreContract):
    pass


class TestMemoryBatch(_Memory, BatchContract):
    pass


class TestSqlite(_Sqlite, StoreContract):
    pass


class TestSqliteBatch(_Sqlite, BatchContract):
    pass


class TestUnbatchedSqlite(StoreContract):
    @pytest.fixture
    def open_again(self, clock: ManualClock, tmp_path: Path) -> OpenAgain:
        path = tmp_path / "store.db"
        return lambda: UnbatchedStore(SqliteStore(path, clock=clock, ack="os"))


class TestCrashingStoreThatNeverDies(BatchContract):
    @pytest.fixture
    def open_again(self, clock: ManualClock) -> OpenAgain:
        inner = MemoryStore(clock=clock)
        return lambda: CrashingStore(inner)


def test_a_wrapper_batches_only_what_its_inner_store_batches() -> None:
    inner = MemoryStore(clock=ManualClock())
    assert isinstance(CrashingStore(inner), Batching)
    assert isinstance(FaultyStore(inner, {}), Batching)
    assert not isinstance(UnbatchedStore(inner), Batching)
    assert not isinstance(CrashingStore(UnbatchedStore(inner)), Batching)
