"""Count who is inside, so that closing can wait for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager


class Gate:
    """A door that lets verbs in while it is open."""

    def __init__(self, closed: Callable[[], Exception]) -> None:
        self._closed = closed
        self._open = False
        self._inside = 0
        self._empty = asyncio.Event()

    def open(self) -> None:
        """Let verbs in."""
        self._open = True

    async def close(self) -> None:
        """Let nobody in any more, and return when all are out."""
        self._open = False
        while self._inside:
            self._empty.clear()
            await self._empty.wait()

    @contextmanager
    def inside(self) -> Generator[None]:
        """Be inside for the length of the block.

        Raises:
            StorageUnavailable: the gate is closed.
        """
        if not self._open:
            raise self._closed()
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()
