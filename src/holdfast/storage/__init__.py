"""Versioned records and append-only logs behind one narrow seam.

The contract stands in `holdfast.storage.seam`; `open_store` picks the backend by its address.
"""

from __future__ import annotations

from holdfast.storage.fallback import write_all
from holdfast.storage.opening import open_store
from holdfast.storage.seam import (
    ABSENT,
    ANY,
    Ack,
    Append,
    Batching,
    Conflict,
    Delete,
    Entry,
    Key,
    Operation,
    Put,
    Record,
    Store,
)

__all__ = [
    "ABSENT",
    "ANY",
    "Ack",
    "Append",
    "Batching",
    "Conflict",
    "Delete",
    "Entry",
    "Key",
    "Operation",
    "Put",
    "Record",
    "Store",
    "open_store",
    "write_all",
]
