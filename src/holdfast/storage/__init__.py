"""Versioned records and append-only logs behind one narrow seam.

The contract stands in `holdfast.storage.seam`; `open_store` picks the backend by its address.
"""

from __future__ import annotations

from holdfast.storage.fallback import claim_due, watch_changes, write_all
from holdfast.storage.opening import open_store
from holdfast.storage.seam import (
    ABSENT,
    ANY,
    Ack,
    Append,
    Batching,
    Bounded,
    Changes,
    Claiming,
    Conflict,
    Delete,
    Entry,
    Erasing,
    Key,
    Listing,
    Operation,
    Put,
    Record,
    Store,
    Watching,
)

__all__ = [
    "ABSENT",
    "ANY",
    "Ack",
    "Append",
    "Batching",
    "Bounded",
    "Changes",
    "Claiming",
    "Conflict",
    "Delete",
    "Entry",
    "Erasing",
    "Key",
    "Listing",
    "Operation",
    "Put",
    "Record",
    "Store",
    "Watching",
    "claim_due",
    "open_store",
    "watch_changes",
    "write_all",
]
