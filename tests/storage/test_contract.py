"""The storage contract on the backends that need no server."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from holdfast.storage.memory import MemoryStore
from holdfast.storage.seam import Batching, Claiming, Erasing, Listing, Watching
from holdfast.storage.sqlite import SqliteStore
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage import (
    BatchContract,
    ClaimContract,
    ClaimFallbackContract,
    EraseContract,
    FaultContract,
    HistoryContract,
    ListingContract,
    OpenAgain,
    StoreContract,
    SubmitContract,
    WatchContract,
    WatchFallbackContract,
    WithoutAbilities,
)
from holdfast.testing.storage.machine import MachineContract, OpenFresh
from holdfast.testing.stores import CrashingStore, FaultyStore, UnbatchedStore

pytestmark = pytest.mark.promise(
    "conditional-write",
    "versions-grow",
    "logs-have-no-gaps",
    "batch-is-atomic",
    "expired-is-absent",
    "claim-has-one-holder",
    "changes-are-noticed",
)


class _Memory:
    @pytest.fixture
    def open_again(self, clock: ManualClock) -> OpenAgain:
        store = MemoryStore(clock=clock)
        return lambda: store

    @pytest.fixture
    def open_fresh(self) -> OpenFresh:
        def fresh(clock: ManualClock) -> OpenAgain:
            store = MemoryStore(clock=clock)
            return lambda: store

        return fresh


class _Sqlite:
    @pytest.fixture
    def open_again(self, clock: ManualClock, tmp_path: Path) -> OpenAgain:
        return lambda: SqliteStore(tmp_path / "folder" / "store.db", clock=clock, ack="os")

    @pytest.fixture
    def open_fresh(self, tmp_path: Path) -> OpenFresh:
        numbers = count()

        def fresh(clock: ManualClock) -> OpenAgain:
            path = tmp_path / f"{next(numbers)}.db"
            return lambda: SqliteStore(path, clock=clock, ack="memory")

        return fresh


class _CrashingThatNeverDies:
    @pytest.fixture
    def open_again(self, clock: ManualClock) -> OpenAgain:
        store = CrashingStore(MemoryStore(clock=clock))
        return lambda: store


class TestMemory(_Memory, StoreContract):
    pass


class TestMemoryBatch(_Memory, BatchContract):
    pass


class TestMemoryClaim(_Memory, ClaimContract):
    pass


class TestMemoryClaimFallback(WithoutAbilities, _Memory, ClaimFallbackContract):
    pass


class TestMemoryWatch(_Memory, WatchContract):
    pass


class TestMemoryWatchFallback(WithoutAbilities, _Memory, WatchFallbackContract):
    pass


class TestMemoryListing(_Memory, ListingContract):
    pass


class TestMemoryErase(_Memory, EraseContract):
    pass


class TestMemoryHistory(_Memory, HistoryContract):
    pass


class TestMemoryFaults(_Memory, FaultContract):
    pass


class TestMemoryMachine(_Memory, MachineContract):
    pass


class TestSqlite(_Sqlite, StoreContract):
    pass


class TestSqliteBatch(_Sqlite, BatchContract):
    pass


class TestSqliteSubmit(_Sqlite, SubmitContract):
    pass


class TestSqliteClaim(_Sqlite, ClaimContract):
    pass


class TestSqliteClaimFallback(WithoutAbilities, _Sqlite, ClaimFallbackContract):
    pass


class TestSqliteWatch(_Sqlite, WatchContract):
    pass


class TestSqliteWatchFallback(WithoutAbilities, _Sqlite, WatchFallbackContract):
    pass


class TestSqliteListing(_Sqlite, ListingContract):
    pass


class TestSqliteErase(_Sqlite, EraseContract):
    pass


class TestSqliteHistory(_Sqlite, HistoryContract):
    pass


class TestSqliteFaults(_Sqlite, FaultContract):
    pass


class TestSqliteMachine(_Sqlite, MachineContract):
    examples = 25


@pytest.mark.torture
class TestSqliteMachineAtLength(TestSqliteMachine):
    examples = 400


class TestSqliteWithoutAbilities(WithoutAbilities, _Sqlite, StoreContract):
    pass


class TestCrashingStoreThatNeverDies(_CrashingThatNeverDies, StoreContract):
    pass


class TestCrashingStoreThatNeverDiesBatch(_CrashingThatNeverDies, BatchContract):
    pass


class TestCrashingStoreThatNeverDiesClaim(_CrashingThatNeverDies, ClaimContract):
    pass


class TestCrashingStoreThatNeverDiesWatch(_CrashingThatNeverDies, WatchContract):
    pass


class TestCrashingStoreThatNeverDiesListing(_CrashingThatNeverDies, ListingContract):
    pass


class TestCrashingStoreThatNeverDiesErase(_CrashingThatNeverDies, EraseContract):
    pass


@pytest.mark.parametrize("ability", [Batching, Claiming, Watching, Listing, Erasing])
def test_a_wrapper_can_do_only_what_its_inner_store_can_do(ability: type) -> None:
    inner = MemoryStore(clock=ManualClock())
    assert isinstance(CrashingStore(inner), ability)
    assert isinstance(FaultyStore(inner, {}), ability)
    assert not isinstance(UnbatchedStore(inner), ability)
    assert not isinstance(CrashingStore(UnbatchedStore(inner)), ability)
