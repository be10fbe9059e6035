"""The rules that stores with a fault must fail, and what naming them takes."""

from __future__ import annotations

import asyncio

from holdfast.testing.storage import (
    BatchContract,
    ClaimContract,
    EraseContract,
    HistoryContract,
    ListingContract,
    StoreContract,
    WatchContract,
)

STORE = StoreContract()
BATCH = BatchContract()
CLAIM = ClaimContract()
WATCH = WatchContract()
LISTING = ListingContract()
ERASE = EraseContract()
HISTORY = HistoryContract()


async def pause() -> None:
    await asyncio.sleep(0)


def moved(seconds: float) -> dict[str, float]:
    return {"moved": seconds}


BEHIND, AHEAD = moved(0), moved(40 * 365 * 86_400.0)
LIVES = STORE.test_a_record_lives_to_the_millisecond_before_it_expires
GONE = STORE.test_a_record_is_absent_at_the_millisecond_it_expires
BY_THIS, BY_ANOTHER = (
    WATCH.test_a_change_by_this_handle_wakes,
    WATCH.test_a_change_by_another_handle_wakes,
)


def change_by(change) -> dict[str, object]:
    return {"change": change}


def name_of(value: object) -> str | None:
    return getattr(value, "__name__", "" if value == {} else None)
