"""Look after a ledger while a process lives long."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from holdfast.clock import Clock
from holdfast.errors import StorageError
from holdfast.routing.ledger.ledger import Ledger


@asynccontextmanager
async def sweeping(ledger: Ledger, clock: Clock, *, every: float = 60.0) -> AsyncGenerator[None]:
    """Sweep every so many seconds while the block goes on; see `Ledger.sweep`."""
    task = asyncio.create_task(_keep_sweeping(ledger, clock, every))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _keep_sweeping(ledger: Ledger, clock: Clock, every: float) -> None:
    """Sweep until cancelled. A file that fails is logged, and tried again the next time."""
    while True:
        await clock.sleep(every)
        try:
            await ledger.sweep()
        except StorageError as error:
            logging.getLogger("holdfast.routing").warning("the ledger was not swept: %s", error)
