"""The processes that hold leases: one record each, alive until it expires.

The lease of a run is the last claim in its log plus the life of the process that made it. So a
process renews one record, however many runs it works on.
"""

from __future__ import annotations

import os

from holdfast.clock import Clock
from holdfast.engine.records import holder_key, inbox_key
from holdfast.ids import new_holder_id
from holdfast.storage.liveness import Liveness
from holdfast.storage.seam import ANY, Store
from holdfast.tasks.codec import to_bytes


class Holder:
    """This process among those that share a store."""

    def __init__(
        self, store: Store, *, clock: Clock, liveness: Liveness, lease_seconds: float
    ) -> None:
        self.id = new_holder_id()
        self._store = store
        self._clock = clock
        self._liveness = liveness
        self._lease_ms = int(lease_seconds * 1000)
        self._renew_at = 0
        self._announced = False

    async def renew(self) -> None:
        """Prolong the lease if a third of it has passed; the first call takes it."""
        now = self._clock.now_ms()
        if now < self._renew_at:
            return
        if not self._announced:
            self._liveness.announce(self.id)
            self._announced = True
        value = to_bytes({"pid": os.getpid(), "since": now}, what="a holder")
        await self._store.put(
            holder_key(self.id), value, expected=ANY, expires_at=now + self._lease_ms
        )
        self._renew_at = now + self._lease_ms // 3

    async def retire(self) -> None:
        """Give up the lease: nobody needs to wait for this process."""
        if self._announced:
            await self._store.delete(holder_key(self.id), expected=ANY)
            self._liveness.retire()

    async def is_alive(self, holder: str | None) -> bool:
        """Whether a process holds its lease and has not visibly died."""
        if holder is None or await self._store.get(holder_key(holder)) is None:
            return False
        if holder != self.id and self._liveness.is_dead(holder):
            await self._store.delete(holder_key(holder), expected=ANY)
            self._liveness.forget(holder)
            return False
        return True

    async def poke(self, holder: str, run_id: str) -> None:
        """Tell another process that the log of a run it holds has news."""
        await self._store.put(inbox_key(holder, run_id), b"", expected=ANY)

    async def news(self) -> list[str]:
        """Return the runs whose logs have news for this process, each once."""
        records = await self._store.scan(("inbox", self.id))
        for record in records:
            await self._store.delete(record.key, expected=ANY)
        return [record.key[2] for record in records]
