"""Functions that the python nodes of the measured workflows call."""

from __future__ import annotations

import asyncio
import hashlib


async def noop() -> None:
    """Do nothing, for a step that is all overhead."""


async def rest(seconds: float) -> None:
    """Take some time and no processor."""
    await asyncio.sleep(seconds)


async def kilobyte(notes: list[str]) -> str:
    """Return 1,024 characters that are not among the notes."""
    return hashlib.shake_256(str(len(notes)).encode()).hexdigest(512)
