"""The storage contract on the files backend: as it is, and with everything happening early.

In its small dress a generation is frozen after a few changes and a segment is sealed after a few
lines, so that indexing, rotation and compression take place in the middle of every test.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from holdfast.storage.files import FilesStore, journal, view
from holdfast.storage.seam import Batching, Claiming, Erasing, Listing, Submitting, Watching
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage import (
    BatchContract,
    ClaimContract,
    EraseContract,
    FaultContract,
    HistoryContract,
    ListingContract,
    OpenAgain,
    StoreContract,
    SubmitContract,
    WatchContract,
)
from holdfast.testing.storage.machine import MachineContract, OpenFresh

pytestmark = pytest.mark.promise(
    "conditional-write",
    "versions-grow",
    "logs-have-no-gaps",
    "batch-is-atomic",
    "expired-is-absent",
    "claim-has-one-holder",
    "changes-are-noticed",
)


class _Files:
    @pytest.fixture
    def open_again(self, clock: ManualClock, tmp_path: Path) -> OpenAgain:
        return lambda: FilesStore(tmp_path / "folder" / "store", clock=clock, ack="os")

    @pytest.fixture
    def open_fresh(self, tmp_path: Path) -> OpenFresh:
        numbers = count()

        def fresh(clock: ManualClock) -> OpenAgain:
            path = tmp_path / str(next(numbers))
            return lambda: FilesStore(path, clock=clock, ack="os")

        return fresh


class _Small(_Files):
    @pytest.fixture(autouse=True)
    def _early(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(view, "FREEZE_CHANGES", 3)
        monkeypatch.setattr(journal, "SEGMENT_BYTES", 2000)


class TestFiles(_Files, StoreContract):
    pass


class TestFilesBatch(_Files, BatchContract):
    pass


class TestFilesSubmit(_Files, SubmitContract):
    pass


class TestFilesClaim(_Files, ClaimContract):
    pass


class TestFilesWatch(_Files, WatchContract):
    pass


class TestFilesListing(_Files, ListingContract):
    pass


class TestFilesErase(_Files, EraseContract):
    pass


class TestFilesHistory(_Files, HistoryContract):
    pass


class TestFilesFaults(_Files, FaultContract):
    pass


class TestFilesMachine(_Files, MachineContract):
    pass


class TestSmallFiles(_Small, StoreContract):
    pass


class TestSmallFilesBatch(_Small, BatchContract):
    pass


class TestSmallFilesClaim(_Small, ClaimContract):
    pass


class TestSmallFilesWatch(_Small, WatchContract):
    pass


class TestSmallFilesListing(_Small, ListingContract):
    pass


class TestSmallFilesErase(_Small, EraseContract):
    pass


class TestSmallFilesHistory(_Small, HistoryContract):
    pass


class TestSmallFilesMachine(_Small, MachineContract):
    pass


def test_the_files_backend_has_every_ability(tmp_path: Path) -> None:
    store = FilesStore(tmp_path, clock=ManualClock())
    for ability in (Batching, Submitting, Claiming, Watching, Listing, Erasing):
        assert isinstance(store, ability)
