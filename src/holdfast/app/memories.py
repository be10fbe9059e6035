"""Open the memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from holdfast.app.places import existing_address, faces_folder
from holdfast.clock import Clock, SystemClock
from holdfast.settings import Settings
from holdfast.storage.opening import open_store

if TYPE_CHECKING:
    from holdfast.memory.memories import Memories
    from holdfast.memory.vectors import Embedder


@asynccontextmanager
async def open_memories(
    settings: Settings,
    *,
    clock: Clock | None = None,
    embedder: Embedder | None = None,
    make: bool = True,
) -> AsyncGenerator[Memories]:
    """Open the store and the memory in it; close both at the end.

    `embedder` ranks by meaning too. Without `make` a store that does not exist is not made: then
    nothing is remembered.

    Example:
        async with open_memories(load_settings(Path.cwd())) as memories:
            memory = await Memory.open(memories, "agent:planner")
            await memory.write("editor", "We use Helix.")
    """
    from holdfast.memory.memories import Memories  # noqa: PLC0415

    clock = clock or SystemClock()
    address = settings.store if make else existing_address(settings)
    folder = None if address.startswith("memory:") else faces_folder(settings)
    async with (
        open_store(address, clock=clock, ack=settings.ack) as store,
        Memories(
            store,
            clock=clock,
            folder=folder / "memory" if folder else None,
            search_folder=folder / "search" if folder else None,
            embedder=embedder,
        ) as memories,
    ):
        yield memories
