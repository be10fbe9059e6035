"""The contract of a store, as tests to inherit. Needs pytest and anyio.

A backend passes one fixture and inherits everything::

    class TestMyStore(StoreContract):
        @pytest.fixture
        def open_again(self, clock: ManualClock, tmp_path: Path) -> OpenAgain:
            return lambda: MyStore(tmp_path / "store", clock=clock)

Set `anyio_mode = "auto"` in pytest's configuration, and call
`pytest.register_assert_rewrite` for `CONTRACT_MODULES` in `conftest.py` to see the values of
a failed comparison. A store that cannot batch skips nothing: `BatchContract` is a class of its
own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from holdfast.storage.seam import Store
from holdfast.testing.clock import ManualClock
from holdfast.testing.storage_batches import BatchRules, WriteAllRules
from holdfast.testing.storage_logs import LogRules
from holdfast.testing.storage_races import RaceRules
from holdfast.testing.storage_records import ExpiryRules, KeyRules, RecordRules
from holdfast.testing.storage_scans import ScanRules

CONTRACT_MODULES = tuple(
    f"holdfast.testing.storage_{part}" for part in ("batches", "logs", "races", "records", "scans")
)

OpenAgain = Callable[[], Store]
"""Return a store, not yet entered, over the same data each time."""


class _Fixtures:
    """What the tests need; a backend replaces `open_again`."""

    @pytest.fixture
    def anyio_backend(self) -> str:
        """Run on asyncio only."""
        return "asyncio"

    @pytest.fixture
    def clock(self) -> ManualClock:
        """Return the clock that the store must use."""
        return ManualClock()

    @pytest.fixture
    def open_again(self) -> OpenAgain:
        """Return a function that makes a store over the same data at every call."""
        raise NotImplementedError("a backend's test class provides this fixture")

    @pytest.fixture
    async def store(self, open_again: OpenAgain) -> AsyncIterator[Store]:
        """Give an open store and close it behind the test."""
        async with open_again() as store:
            yield store


class StoreContract(
    _Fixtures, RecordRules, KeyRules, ExpiryRules, ScanRules, LogRules, RaceRules, WriteAllRules
):
    """What every store must do."""


class BatchContract(_Fixtures, BatchRules):
    """What a store with the ability to batch must do on top."""
