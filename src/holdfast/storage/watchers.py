"""Tell the watchers of one store, from any thread.

A backend keeps one `Watchers`, tells it which keys changed, and hands out what `watching` gives::

    @asynccontextmanager
    async def watch(self, prefix: Key) -> AsyncGenerator[Changes]:
        with self._watchers.watching(prefix) as watcher:
            yield watcher
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress

from holdfast.errors import StorageUnavailable
from holdfast.storage.keys import encode_prefix
from holdfast.storage.seam import Key


class Watcher:
    """The `Changes` of one watch; it belongs to the event loop that made it."""

    def __init__(self, prefix: bytes, place: str) -> None:
        import asyncio  # noqa: PLC0415 - commands that watch nothing never load it

        self.prefix = prefix
        self._place = place
        self._loop = asyncio.get_running_loop()
        self._told = asyncio.Event()
        self._closed = False

    async def wait(self) -> None:
        # A wait that is cancelled leaves what it was told to the next one.
        await self._told.wait()
        if self._closed:
            raise StorageUnavailable(
                f"the store {self._place!r} was closed while it was watched",
                hint="leave the watch before the store",
            )
        self._told.clear()

    def tell(self) -> None:
        """Let the next wait return."""
        # Whoever was told already has not looked yet, and will see this change too.
        if not self._told.is_set():
            # A loop that was closed has nobody left who waits.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._told.set)

    def close(self) -> None:
        """Let this wait and every other one fail."""
        self._closed = True
        self.tell()


class Watchers:
    """All who watch one store. `place` names it in errors."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._watchers: tuple[Watcher, ...] = ()

    def __bool__(self) -> bool:
        return bool(self._watchers)

    @contextmanager
    def watching(self, prefix: Key) -> Generator[Watcher]:
        """Give a watcher that is told of changes below `prefix` until the context ends."""
        watcher = Watcher(encode_prefix(prefix), self._place)
        with self._lock:
            self._watchers = (*self._watchers, watcher)
        try:
            yield watcher
        finally:
            with self._lock:
                self._watchers = tuple(each for each in self._watchers if each is not watcher)

    def tell(self, changed: Iterable[bytes]) -> None:
        """Tell those who watch one of these encoded keys, after the change can be read."""
        if not self._watchers:
            return
        keys = set(changed)
        for watcher in self._watchers:
            if any(key.startswith(watcher.prefix) for key in keys):
                watcher.tell()

    def tell_all(self) -> None:
        """Tell everybody, because anything may have changed."""
        for watcher in self._watchers:
            watcher.tell()

    def close(self) -> None:
        """Let everybody who waits, or will, see that the store is closed."""
        for watcher in self._watchers:
            watcher.close()
