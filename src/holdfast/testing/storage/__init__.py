"""The contract of a store, as a pytest plugin with tests to inherit.

Whoever writes a backend gives one fixture and inherits everything::

    from holdfast.testing.clock import ManualClock
    from holdfast.testing.storage import BatchContract, ClaimContract, OpenAgain, StoreContract

    class MyFixtures:
        @pytest.fixture
        def open_again(self, clock: ManualClock, tmp_path: Path) -> OpenAgain:
            return lambda: MyStore(tmp_path / "store", clock=clock)

    class TestMyStore(MyFixtures, StoreContract):
        pass

    class TestMyStoreBatches(MyFixtures, BatchContract):
        pass

`open_again` returns a store that is not yet entered, over the same data at each call; each test
has fresh data. It must use `clock`, which stands still until a test turns it and so runs years
behind or ahead of any server. Where only one handle can exist it returns one object each time.

Each ability has a class of its own, so nothing is skipped in silence: a backend inherits those
that it can.

============================  ====================================================================
class                         what it holds a store to
============================  ====================================================================
`StoreContract`               the six verbs: every store
`BatchContract`               `Batching`: all of a batch or nothing
`SubmitContract`              `Submitting`: a batch without a coroutine
`ClaimContract`               `Claiming`: one holder, due order, leases, fencing
`WatchContract`               `Watching`: no change is missed
`ListingContract`             `Listing`: the names of the logs
`EraseContract`               `Erasing`: a whole log goes, and its numbers never come again
`HistoryContract`             concurrent histories are linearizable (`holdfast.testing.recording`)
`FaultContract`               the doubles of `holdfast.testing.stores` around this store
`RestartContract`             a server that restarts; gives one more fixture, `restart_server`
`ClaimFallbackContract`       `claim_due` on the six verbs; name `WithoutAbilities` before it
`WatchFallbackContract`       `watch_changes` on the six verbs; the same
`machine.MachineContract`     random histories have the answers of memory; needs hypothesis
============================  ====================================================================

Some classes have sizes that a slow backend may lower, such as `StoreContract.many`. Name the
plugin in the top `conftest.py` to see the values of a comparison that failed::

    pytest_plugins = ["holdfast.testing.storage"]

It needs pytest and anyio, whose marker all tests carry.
"""

from __future__ import annotations

from holdfast.testing.storage.batches import BatchRules, SubmitRules, WriteAllRules
from holdfast.testing.storage.claim_races import ClaimRaceRules
from holdfast.testing.storage.claims import ClaimingRules, DueRules
from holdfast.testing.storage.erasures import ErasureRaceRules, ErasureRules
from holdfast.testing.storage.expiry import ExpiryRules
from holdfast.testing.storage.faults import FaultRules
from holdfast.testing.storage.fixtures import OpenAgain, StoreFixtures, WithoutAbilities
from holdfast.testing.storage.histories import HistoryFixtures, HistoryRules
from holdfast.testing.storage.leases import LeaseRules
from holdfast.testing.storage.lifecycle import CancellationRules, LifecycleRules
from holdfast.testing.storage.listing import ListingRules
from holdfast.testing.storage.logs import LogRules
from holdfast.testing.storage.names import KeyRules
from holdfast.testing.storage.races import RaceRules
from holdfast.testing.storage.records import DeletionRules, RecordRules, TimeRules
from holdfast.testing.storage.restarts import RestartFixtures, RestartRules, RestartServer
from holdfast.testing.storage.scans import ScanRules
from holdfast.testing.storage.values import ValueRules
from holdfast.testing.storage.watches import WatchingRules, WatchRules

__all__ = [
    "BatchContract",
    "ClaimContract",
    "ClaimFallbackContract",
    "EraseContract",
    "FaultContract",
    "HistoryContract",
    "ListingContract",
    "OpenAgain",
    "RestartContract",
    "RestartServer",
    "StoreContract",
    "SubmitContract",
    "WatchContract",
    "WatchFallbackContract",
    "WithoutAbilities",
]


class StoreContract(
    StoreFixtures,
    RecordRules,
    DeletionRules,
    TimeRules,
    ValueRules,
    KeyRules,
    ExpiryRules,
    ScanRules,
    LogRules,
    RaceRules,
    LifecycleRules,
    CancellationRules,
    WriteAllRules,
):
    """What every store must do with records, logs, keys, values, races, cancels and closes."""


class BatchContract(StoreFixtures, BatchRules):
    """What a store that can batch must do on top: all of a batch or nothing."""


class SubmitContract(StoreFixtures, SubmitRules):
    """What a store must do that takes batches without a coroutine: in order, and unwatched."""


class ClaimFallbackContract(StoreFixtures, DueRules, LeaseRules, ClaimRaceRules):
    """What `claim_due` must do on the six verbs: due order, one holder, leases, fencing."""


class ClaimContract(ClaimFallbackContract, ClaimingRules):
    """What a store that can claim must do on top: the same by itself."""


class WatchFallbackContract(StoreFixtures, WatchRules):
    """What `watch_changes` must do on the six verbs: no change is missed."""


class WatchContract(WatchFallbackContract, WatchingRules):
    """What a store that can watch must do on top: the same by itself."""


class ListingContract(StoreFixtures, ListingRules):
    """What a store that can name its logs must do on top: as `scan` does for records."""


class EraseContract(StoreFixtures, ErasureRules, ErasureRaceRules):
    """What a store that can erase logs must do on top: all of a log, and no number twice."""


class HistoryContract(StoreFixtures, HistoryFixtures, HistoryRules):
    """What all callers of a store see together: a history that some order explains."""


class FaultContract(StoreFixtures, FaultRules):
    """What is left of a store behind a crash or a failure: what was acknowledged."""


class RestartContract(StoreFixtures, RestartFixtures, RestartRules):
    """What a store must do whose server restarts: find it again, with everything in it."""
