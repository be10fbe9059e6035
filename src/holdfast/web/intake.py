"""Store spans of many requests together, in a thread of its own; whoever sent them waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import NamedTuple

from holdfast.tracing.entries import Entry
from holdfast.tracing.store.seam import TraceStore

_MOST_TOGETHER = 20_000
_IDLE_SECONDS = 0.5
_SETTLED_AT_ONCE = 8


class _Waiting(NamedTuple):
    entries: Sequence[Entry]
    done: asyncio.Future[None]
    loop: asyncio.AbstractEventLoop


class Intake:
    """Takes entries into a store. Settling is done when there is nothing to take in."""

    def __init__(self, store: TraceStore) -> None:
        self._store = store
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="holdfast-intake", daemon=True)
        self._thread.start()

    async def add(self, entries: Sequence[Entry]) -> None:
        """Return when the entries are stored.

        Raises:
            StorageError: they are not.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._queue.put(_Waiting(entries, done, loop))
        await done

    def close(self) -> None:
        """Store what is waiting, and end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while True:
            try:
                first = self._queue.get(timeout=_IDLE_SECONDS)
            except Empty:
                self._settle()
                continue
            if first is None:
                return
            group, is_last = self._gather(first)
            self._store_together(group)
            if is_last:
                return

    def _gather(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        """Return all that waits by now, and whether the end is behind it."""
        group, size = [first], len(first.entries)
        while size < _MOST_TOGETHER:
            try:
                following = self._queue.get_nowait()
            except Empty:
                break
            if following is None:
                return group, True
            group.append(following)
            size += len(following.entries)
        return group, False

    def _store_together(self, group: list[_Waiting]) -> None:
        try:
            self._store.add([entry for waiting in group for entry in waiting.entries])
        except Exception as error:  # noqa: BLE001 - whoever sent them is told
            _tell(group, lambda done, error=error: done.set_exception(error))
        else:
            _tell(group, lambda done: done.set_result(None))

    def _settle(self) -> None:
        """Settle some traces; what fails now is tried by whoever reads."""
        try:
            while self._queue.empty() and self._store.settle(most=_SETTLED_AT_ONCE):
                pass
        except Exception:  # noqa: BLE001, S110 - as above
            pass


def _tell(group: list[_Waiting], tell: Callable[[asyncio.Future[None]], None]) -> None:
    for waiting in group:

        def finish(done: asyncio.Future[None] = waiting.done) -> None:
            if not done.done():  # whoever waited may be gone
                tell(done)

        waiting.loop.call_soon_threadsafe(finish)
