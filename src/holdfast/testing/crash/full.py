"""Fill the disk of a store, free some of it, and fill it again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from holdfast.clock import SystemClock
from holdfast.errors import StorageFull
from holdfast.storage.opening import open_store
from holdfast.storage.seam import ABSENT, ANY, Conflict, Store

_CHUNK = 1 << 16


@dataclass(slots=True)
class Filling:
    """What a store did on a full disk: `refused` counts the clean refusals."""

    acknowledged: int = 0
    refused: int = 0
    lost: int = 0
    rounds: int = 0

    def figures(self) -> dict[str, int]:
        """Return the numbers by name."""
        names = "rounds", "acknowledged", "refused", "lost"
        return {name: getattr(self, name) for name in names}


class _Filler:
    """A store on a small disk, and a file beside it that takes the rest of the space."""

    def __init__(self, url: str, ballast: Path, value_bytes: int) -> None:
        self._url = url
        self._ballast = ballast
        self._value_bytes = value_bytes
        self._numbers = count(1)
        self._acked: dict[int, bytes] = {}
        self._entries = 0
        self.found = Filling()

    async def fill(self, refusals: int) -> None:
        """Write until the store refused so often, then free space and write once more."""
        async with open_store(self._url, clock=SystemClock()) as store:
            self._take_all_space()
            left = refusals
            while left:
                left -= await self._was_refused(store)
            await self._check(store)
            self._ballast.unlink()
            assert not await self._was_refused(store), "refused with space again"
        async with open_store(self._url, clock=SystemClock()) as store:
            await self._check(store)
        self.found.rounds += 1

    async def begin(self) -> None:
        """Make the store while there is space."""
        async with open_store(self._url, clock=SystemClock()) as store:
            assert not await self._was_refused(store)

    async def open_full(self) -> None:
        """Open the store on a disk without any space: it works, or refuses cleanly."""
        self._take_all_space()
        try:
            async with open_store(self._url, clock=SystemClock()) as store:
                await self._check(store)
        except StorageFull:
            self.found.refused += 1
        self._ballast.unlink()
        async with open_store(self._url, clock=SystemClock()) as store:
            await self._check(store)
            assert not await self._was_refused(store), "refused with space again"

    async def _was_refused(self, store: Store) -> bool:
        number = next(self._numbers)
        value = b"%08d" % number * (self._value_bytes // 8)
        try:
            version = await store.put(("full", str(number)), value, expected=ABSENT)
            assert not isinstance(version, Conflict)
            self._acked[number] = value
            last = await store.append(("full",), [value], expected=ANY)
            assert not isinstance(last, Conflict)
            self._entries = last
        except StorageFull:
            self.found.refused += 1
            return True
        self.found.acknowledged += 2
        return False

    async def _check(self, store: Store) -> None:
        for number, value in self._acked.items():
            record = await store.get(("full", str(number)))
            self.found.lost += record is None or record.value != value
        entries = await store.read(("full",))
        self.found.lost += max(self._entries - len(entries), 0)
        assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))

    def _take_all_space(self) -> None:
        size = _CHUNK
        with self._ballast.open("ab", buffering=0) as file:
            while size:
                try:
                    file.write(bytes(size))
                except OSError:
                    size //= 2
            os.fsync(file.fileno())


async def fill_disk(
    url: str, ballast: Path, *, rounds: int = 3, refusals: int = 20, value_bytes: int = 4096
) -> Filling:
    """Return how a store on a small disk took it that the disk was full, again and again.

    `ballast` is a file on the same disk. Every write on the full disk must be refused with
    `StorageFull`; everything acknowledged must be there, at once and when opened again; and the
    store must take writes again, without being opened again, once there is space.
    """
    filler = _Filler(url, ballast, value_bytes)
    await filler.begin()
    for _ in range(rounds):
        await filler.fill(refusals)
    return filler.found


async def open_on_full_disk(url: str, ballast: Path) -> Filling:
    """Return how a store took it to be opened on a disk that is full.

    It must open, or refuse with `StorageFull`; and with space again it must work and hold what
    it held.
    """
    filler = _Filler(url, ballast, 4096)
    await filler.begin()
    await filler.open_full()
    return filler.found
