"""The one writer of a run's log in this process.

Every append says which entry it believes to be the last. A process that lost the run has a stale
belief, for taking a run over appends to its log: so the log itself is the fence, on any store,
and nothing else needs to be locked. What others may append (an answer, a wish to cancel) is read
and taken in, and the append is tried again.

Events that come while an append is under way go together in the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from holdfast.engine.events import Event, StepFinished, StepStarted, TimerSet, decode_event
from holdfast.engine.events import encode_event as encode
from holdfast.engine.history import History
from holdfast.engine.records import derived, log_append, run_log
from holdfast.errors import LeaseLost, RunNotFound
from holdfast.storage.fallback import write_all
from holdfast.storage.seam import Conflict, Operation, Store

_QUIET = (StepFinished, StepStarted, TimerSet)
"""Events after which the derived records need not be brought up to date."""


async def load_history(store: Store, run_id: str) -> History:
    """Return the folded log of a run.

    Raises:
        RunNotFound: there is no such log.
    """
    history = History()
    history.extend(decode_event(entry.value) for entry in await store.read(run_log(run_id)))
    if not history.tail:
        raise RunNotFound(
            f"there is no run {run_id}", hint="`holdfast list` shows the runs there are"
        )
    return history


@dataclass(slots=True)
class _Waiting:
    event: Event
    data: bytes
    done: asyncio.Future[None]


class Journal:
    """Append events of one run, in order, and keep its history folded.

    `drain` gives writes (finished spans) that ride along with the next append. `on_news` is
    called when somebody else's event was taken in. `broken` is why nothing more can be appended.
    """

    def __init__(
        self, store: Store, history: History, *, drain: Callable[[], Sequence[Operation]]
    ) -> None:
        self.history = history
        self._store = store
        self._run_id = history.birth.id
        self._fence = history.fence
        self._drain = drain
        self.on_news: Callable[[], None] = lambda: None
        self._lock = asyncio.Lock()
        self._queue: list[_Waiting] = []
        self._writer: asyncio.Task[None] | None = None
        self.broken: BaseException | None = None

    async def append(self, event: Event) -> None:
        """Return when the event is durable.

        Raises:
            LeaseLost: another process took the run over; nothing was written.
            RunConflict: the run has ended.
            StorageError: the store failed; the journal accepts nothing more.
        """
        if self.broken is not None:
            raise self.broken
        self.history.check_open()
        data = encode(event)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(event, data, done))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        await asyncio.shield(done)

    async def catch_up(self) -> None:
        """Take in what others appended to the log.

        Raises:
            LeaseLost: one of the events is another process taking the run over.
        """
        async with self._lock:
            await self._read_news()

    async def idle(self) -> None:
        """Return when nothing is being written."""
        while self._writer is not None:
            await asyncio.wait([self._writer])

    async def _write(self) -> None:
        try:
            while self._queue:
                group, self._queue = self._queue, []
                try:
                    async with self._lock:
                        await self._commit(group)
                except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
                    self._break(error, group)
        finally:
            self._writer = None

    async def _commit(self, group: list[_Waiting]) -> None:
        spans = list(self._drain())
        while True:
            operations: list[Operation] = [
                log_append(self._run_id, [item.data for item in group], self.history.tail)
            ]
            if not all(isinstance(item.event, _QUIET) for item in group):
                operations += derived(self._after(group))
            if not isinstance(await write_all(self._store, operations + spans), Conflict):
                break
            await self._read_news()
        for item in group:
            self.history.apply(item.event)
        for item in group:
            if not item.done.done():
                item.done.set_result(None)

    def _after(self, group: list[_Waiting]) -> History:
        after = self.history.copy()
        after.extend(item.event for item in group)
        return after

    async def _read_news(self) -> None:
        entries = await self._store.read(run_log(self._run_id), after=self.history.tail)
        for entry in entries:
            self.history.apply(decode_event(entry.value))
        if self.history.fence != self._fence:
            raise LeaseLost(
                f"another process took run {self._run_id} over",
                hint=f"`holdfast show {self._run_id[:8]}` shows how it goes there",
            )
        if entries:
            self.on_news()

    def _break(self, error: BaseException, group: list[_Waiting]) -> None:
        self.broken = error
        for item in (*group, *self._queue):
            if not item.done.done():
                item.done.set_exception(error)
                item.done.exception()  # the waiter may be gone; that is no news to the loop
        self._queue.clear()
