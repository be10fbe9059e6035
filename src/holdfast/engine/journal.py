"""The one writer of a run's log in this process.

Every append says which entry it believes to be the last. A process that lost the run has a stale
belief, for taking a run over appends to its log: so the log itself is the fence, on any store,
and nothing else needs to be locked. What others may append (an answer, a wish to cancel) is read
and taken in, and the append is tried again.

Events that come while an append is under way go together in the next one. This is the hottest
path there is: a step whose append meets nobody waits for the commit itself, without a task, a lock
or a callback between them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from holdfast.engine.events import StepFinished, StepStarted, TimerSet
from holdfast.engine.history import History
from holdfast.engine.records import linked, log_append, record_writes
from holdfast.errors import InputError, LeaseLost, ProgramError, RunNotFound
from holdfast.frozen import maker
from holdfast.storage.fallback import Commit, commit_on
from holdfast.storage.seam import Append, Operation, Store
from holdfast.tasks.events import Claimed, Event, encode_event
from holdfast.tasks.keys import task_log

_append = maker(Append)
_QUIET = frozenset({StepFinished, StepStarted, TimerSet})
"""Events after which the record of the task need not be brought up to date."""


async def load_history(store: Store, run_id: str) -> History:
    """Return the folded log of a run.

    Raises:
        RunNotFound: there is no such log.
    """
    history = History(run_id)
    history.replay(entry.value for entry in await store.read(task_log(run_id)))
    if not history.tail:
        raise RunNotFound(
            f"there is no run {run_id}", hint="`holdfast list` shows the runs there are"
        )
    return history


class _Waiting(NamedTuple):
    """An event in line, encoded without what it follows."""

    event: Event
    data: bytes
    done: asyncio.Future[None]


class Journal:
    """Append events of one run, in order, and keep its history folded.

    `on_news` is called when somebody else's event was taken in. `broken` is why nothing more can
    be appended.
    """

    def __init__(self, store: Store, history: History) -> None:
        self.history = history
        self.on_news: Callable[[], None] = lambda: None
        self.broken: BaseException | None = None
        self._store = store
        self._commit = commit_on(store)
        self._run_id = history.birth.id
        self._log = task_log(self._run_id)
        self._fence = history.fence
        self._queue: list[_Waiting] = []
        self._busy = False
        self._idle: list[asyncio.Future[None]] = []
        self._retrying: asyncio.Task[None] | None = None

    async def append(self, event: Event) -> None:
        """Return when the event is durable.

        Raises:
            LeaseLost: another process took the run over; nothing was written.
            RunConflict: the run has ended.
            StorageError: the store failed; the journal accepts nothing more.
        """
        if self.broken is not None:
            raise self.broken
        tail, prev = self.history.place()
        if self._busy or type(event) not in _QUIET:
            await self._append_in_line(event)
            return
        data = _encode(event, prev)
        self._busy = True
        try:
            append = _append(log=self._log, entries=(data,), expected=tail)
            commit = self._commit((append,))
        except Exception as error:
            self._break(error, [])
            raise
        later: asyncio.Future[None] | None = None
        try:
            await commit  # nothing cancels a commit, so it is done whichever way this ends
        finally:
            later = self._finish_one(event, data, commit)
        if later is not None:
            await later

    async def _append_in_line(self, event: Event) -> None:
        """Write the event together with all others that wait for their turn."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(event, _encode(event, ""), done))
        if not self._busy:
            self._begin()
        await done

    async def catch_up(self) -> None:
        """Take in what others appended to the log.

        Raises:
            LeaseLost: one of the events is another process taking the run over.
        """
        await self.idle()
        self._busy = True
        try:
            await self._read_news()
        finally:
            self._end()

    async def idle(self) -> None:
        """Return when nothing is being written."""
        while self._busy:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(turn)
            await turn

    def _begin(self) -> None:
        """Write what is queued; `_finish` hears how it went."""
        self._busy = True
        group, self._queue = self._queue, []
        self._write(group)

    def _write(self, group: list[_Waiting]) -> None:
        try:
            entries = linked([item.data for item in group], self.history.prev)
            operations: list[Operation] = [log_append(self._run_id, entries, self.history.tail)]
            after = None if _is_quiet(group) else self._after(group, entries)
            if after is not None:
                operations += record_writes(self.history, after)
            commit = self._commit(operations)
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits
            self._break(error, group)
        else:
            commit.add_done_callback(partial(self._finish, group, entries, after))

    def _finish_one(self, event: Event, data: bytes, commit: Commit) -> asyncio.Future[None] | None:
        """Take in how the commit of a lone event went; return what tells when it is durable, if not now."""
        if (error := commit.exception()) is not None:
            self._break(error, [])
        elif commit.result() is None:
            self.history.take(event, data)
            self._end()
        else:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            group = [_Waiting(event, _encode(event, ""), done)]
            self._retrying = asyncio.ensure_future(self._retry(group))
            return done
        return None

    def _finish(
        self,
        group: list[_Waiting],
        entries: Sequence[bytes],
        after: History | None,
        commit: Commit,
    ) -> None:
        """Take in how the commit of a group went; `after` is the history with it, if that is known."""
        if (error := commit.exception()) is not None:
            self._break(error, group)
        elif commit.result() is not None:
            self._retrying = asyncio.ensure_future(self._retry(group))
        else:
            if after is not None:
                self.history.become(after)
            for (event, _, done), data in zip(group, entries, strict=True):
                if after is None:
                    self.history.take(event, data)
                elif type(event) is Claimed:
                    self._fence = event.fence
                if not done.done():
                    done.set_result(None)
            self._end()

    async def _retry(self, group: list[_Waiting]) -> None:
        """Take in what others wrote, and try again behind it."""
        try:
            await self._read_news()
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
            self._break(error, group)
        else:
            self._write(group)

    def _end(self) -> None:
        """Go on with what was queued meanwhile, or rest."""
        if self._queue and self.broken is None:
            self._begin()
            return
        self._busy = False
        if self._idle:
            for turn in self._idle:
                if not turn.done():
                    turn.set_result(None)
            self._idle.clear()

    def _after(self, group: list[_Waiting], entries: Sequence[bytes]) -> History:
        after = self.history.copy()
        for item, data in zip(group, entries, strict=True):
            after.check(item.event)
            after.take(item.event, data)
        return after

    async def _read_news(self) -> None:
        entries = await self._store.read(task_log(self._run_id), after=self.history.tail)
        self.history.replay(entry.value for entry in entries)
        if self.history.fence != self._fence:
            raise LeaseLost(
                f"another process took run {self._run_id} over",
                hint=f"`holdfast show {self._run_id[:8]}` shows how it goes there",
            )
        if entries:
            self.on_news()

    def _break(self, error: BaseException, group: list[_Waiting]) -> None:
        self.broken = error
        for _, _, done in (*group, *self._queue):
            if not done.done():
                done.set_exception(error)
                done.exception()  # the waiter may be gone; that is no news to the loop
        self._queue.clear()
        self._end()


def _encode(event: Event, prev: str) -> bytes:
    try:
        return encode_event(event, prev)
    except InputError as error:
        raise ProgramError(error.message, hint=error.hint) from error


def _is_quiet(group: Sequence[_Waiting]) -> bool:
    return all(type(item.event) in _QUIET for item in group)
