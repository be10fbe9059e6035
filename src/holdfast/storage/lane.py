"""Serve the requests of many tasks in one thread, a group at a time."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import get_ident
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, runtime_checkable
from weakref import WeakSet

from holdfast.errors import StorageUnavailable
from holdfast.storage.outcomes import Outcome, Session
from holdfast.storage.pledge import Pledge

_MAX_GROUP = 1000
_LATER_SECONDS = 0.005
_AT_ONCE = 4
"""How many requests in a row a lone task is served without a turn of the loop between them."""

W = TypeVar("W")
Answer = asyncio.Future[Any]
Tell = Callable[[Any, BaseException | None], None]
_Group: TypeAlias = "list[tuple[Answer | _Told, W]]"


@runtime_checkable
class Prompt(Protocol[W]):
    """A session that may serve a group sooner than its thread would have been woken."""

    def serve_now(self, group: list[W]) -> list[Outcome] | None:
        """Return the outcomes, or None and nothing done if that could hold up the caller."""
        ...


class Lane(Generic[W]):
    """One thread that serves requests in the order in which they came, in groups.

    A `Prompt` session serves them in the event loop that the lane was started in whenever it can:
    those of one turn of the loop as a group. The thread has the rest. What is `left` waits a few
    milliseconds for a group to go with. A task that came alone in the last turn is served while it hands in
    the next requests: a turn of the loop between them is a twentieth of a write.
    """

    def __init__(self, session: Session[W], place: str, name: str) -> None:
        self._session = session
        self._prompt: Prompt[W] | None = session if isinstance(session, Prompt) else None
        self._place = place
        self._name = name
        self._queue: SimpleQueue[_Group[W] | Answer] = SimpleQueue()
        self._lock = threading.Lock()
        self._serving = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._waiting: _Group[W] = []
        self._is_due = False
        self._at_once = 0
        self._caller = 0
        self._later: asyncio.TimerHandle | None = None
        self._groups = 0
        self._open = False

    async def start(self) -> None:
        """Start the thread and return when its session is open."""
        loop = asyncio.get_running_loop()
        answer: Answer = loop.create_future()
        # A daemon: a store that nobody closed must not keep the program from ending.
        threading.Thread(target=self._run, args=(answer,), name=self._name, daemon=True).start()
        self._open = True
        try:
            await answer
        except BaseException:
            self._stop()
            raise
        self._loop, self._thread = (loop if self._prompt else None), get_ident()
        _started.add(self)

    def submit(self, work: W, *, now: bool = False) -> Answer:
        """Queue a request; the answer comes also if the caller does not wait for it.

        Who knows that nobody else is about to hand something in lets it be served `now`, with all that
        waits: then the answer is there already, unless the thread has to give it.
        """
        loop = self._running_loop()
        answer = loop.create_future()
        self._hand_in(work, answer, loop, now=now)
        return answer

    def promise(self, work: W) -> Answer:
        """Queue a request whose answer nobody can cancel."""
        loop = self._running_loop()
        answer = Pledge(loop=loop)
        self._hand_in(work, answer, loop)
        return answer

    def leave(self, work: W, tell: Tell) -> None:
        """Queue a request for later; `tell`, which must not raise, is told its result and its error."""
        loop = self._running_loop()
        self._hand_in(work, _Told(tell, loop), loop, later=True)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        """Return the running loop; most often it is the one that the lane was started in.

        Before Python 3.12 `asyncio` asks the system for the number of this process each time.
        """
        loop = self._loop
        if loop is not None and get_ident() == self._thread and loop.is_running():
            return loop
        return asyncio.get_running_loop()

    def _hand_in(
        self,
        work: W,
        answer: Answer | _Told,
        loop: asyncio.AbstractEventLoop,
        *,
        now: bool = False,
        later: bool = False,
    ) -> None:
        if loop is self._loop and self._open:  # nobody but this loop's thread comes here
            self._waiting.append((answer, work))
            if now and self._is_served():
                return
            if not self._is_due and (later or not self._is_served_at_once(loop)):
                self._plan(loop, later=later)
            return
        # With the lock nothing can be queued behind the request to stop.
        with self._lock:
            if not self._open:
                raise StorageUnavailable(
                    f"the store {self._place!r} is not open", hint="use it inside `async with`"
                )
            self._queue.put([(answer, work)])

    def hurry(self) -> bool:
        """Serve what waits for later now; tell whether nothing is left to the thread."""
        if self._waiting:
            self._take_turn()
        return self._queue.empty() and not self._serving.locked()

    async def stop(self) -> None:
        """Serve what was accepted, close the session and return."""
        answer = self._stop()
        if answer:
            await answer

    def _stop(self) -> Answer | None:
        answer: Answer = asyncio.get_running_loop().create_future()
        with self._lock:
            if not self._open:
                return None
            self._open = False
            self._queue_waiting()
            self._queue.put(answer)
        return answer

    def _plan(self, loop: asyncio.AbstractEventLoop, *, later: bool) -> None:
        """See to it that what waits has its turn."""
        if not later:
            self._is_due = True
            loop.call_soon(self._take_turn)
        elif self._later is None:
            self._later = loop.call_later(_LATER_SECONDS, self._take_later, loop, self._groups)

    def _is_served_at_once(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Serve the first request of this turn of the loop, if it is likely to stay the only one."""
        before, self._caller = self._caller, id(asyncio.current_task(loop))
        if not self._at_once or self._caller != before or len(self._waiting) > 1:
            return False
        self._at_once -= 1
        return self._is_served()

    def _take_later(self, loop: asyncio.AbstractEventLoop, groups: int) -> None:
        """Serve what was left and has waited long enough; what came after a group was not there yet."""
        self._later = None
        if groups == self._groups:
            self._take_turn()
        elif self._waiting and not self._is_due:
            self._plan(loop, later=True)

    def _take_turn(self) -> None:
        """Serve what came in this turn of the loop, here if that can be, else in the thread."""
        self._is_due = False
        if not self._waiting:  # they were served meanwhile, or the lane was stopped
            return
        is_alone = len(self._waiting) == 1
        if self._is_served():
            self._at_once = _AT_ONCE if is_alone else 0
        else:
            self._at_once = 0
            self._queue_waiting()

    def _is_served(self) -> bool:
        """Serve what waits in this thread, or return False: the other one must."""
        group = [work for _, work in self._waiting]
        outcomes = self._serve_now(group) if len(group) <= _MAX_GROUP else None
        if outcomes is None:
            return False
        served, self._waiting = self._waiting, []
        self._groups += 1
        _settle([(answer, outcome) for (answer, _), outcome in zip(served, outcomes, strict=True)])
        return True

    def _serve_now(self, group: list[W]) -> list[Outcome] | None:
        if (
            self._prompt is None
            or not self._queue.empty()
            or not self._serving.acquire(blocking=False)
        ):
            return None
        try:
            return self._prompt.serve_now(group)
        except BaseException as error:  # noqa: BLE001 - as in the thread: callers must not wait
            return [Outcome(error=error)] * len(group)
        finally:
            self._serving.release()

    def _queue_waiting(self) -> None:
        for first in range(0, len(self._waiting), _MAX_GROUP):
            self._queue.put(self._waiting[first : first + _MAX_GROUP])  # each may wake the thread
        self._waiting.clear()

    def _run(self, opened: Answer) -> None:
        outcome = _attempt(self._session.open)
        _deliver([(opened, outcome)])
        if outcome.error:
            return
        while True:
            group, stop = self._next_group()
            if group:
                self._serve(group)
            if stop:
                _deliver([(stop, _attempt(self._session.close))])
                return

    def _next_group(self) -> tuple[_Group[W], Answer | None]:
        """Wait for requests and return them with all others that are queued by then.

        With them comes the answer that is to be given when the session is closed, if that is next.
        """
        group: _Group[W] = []
        while True:
            item = self._queue.get()
            if not isinstance(item, list):
                return group, item
            group += item
            if len(group) >= _MAX_GROUP or self._queue.empty():
                return group, None

    def _serve(self, group: _Group[W]) -> None:
        try:
            with self._serving:
                outcomes = self._session.serve([work for _, work in group])
        except BaseException as error:  # noqa: BLE001 - a thread that dies leaves callers waiting
            outcomes = [Outcome(error=error)] * len(group)
        _deliver([(answer, outcome) for (answer, _), outcome in zip(group, outcomes, strict=True)])

    def leave_loop(self) -> None:
        """Serve nothing in the event loop any more."""
        self._loop = None


_started: WeakSet[Lane[Any]] = WeakSet()


def _leave_loops() -> None:
    """In a process that was forked off no loop runs, whatever it says of itself."""
    for lane in _started:
        lane.leave_loop()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_loops)


def _attempt(action: Callable[[], None]) -> Outcome:
    try:
        action()
    except BaseException as error:  # noqa: BLE001 - delivered to the caller
        return Outcome(error=error)
    return Outcome()


class _Told:
    """Who is told what a request came to, where nobody waits for an answer."""

    __slots__ = ("_loop", "_tell")

    def __init__(self, tell: Tell, loop: asyncio.AbstractEventLoop) -> None:
        self._tell = tell
        self._loop = loop

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def done(self) -> bool:
        return False

    def set_result(self, result: object) -> None:
        self._tell(result, None)

    def set_exception(self, error: BaseException) -> None:
        self._tell(None, error)


def _deliver(answers: list[tuple[Answer | _Told, Outcome]]) -> None:
    """Hand the outcomes to their event loops with one wake-up each."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Answer | _Told, Outcome]]] = {}
    for item in answers:
        by_loop.setdefault(item[0].get_loop(), []).append(item)
    for loop, items in by_loop.items():
        # A loop that was closed has nobody left who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, items)


def _settle(answers: list[tuple[Answer | _Told, Outcome]]) -> None:
    for answer, (result, error) in answers:
        if answer.done():
            continue
        if error is None:
            answer.set_result(result)
        else:
            answer.set_exception(error)
