"""Serve the requests of many tasks in one thread, a group at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from holdfast.errors import StorageUnavailable

_MAX_GROUP = 1000

W = TypeVar("W")
Answer = asyncio.Future[Any]


class Outcome(NamedTuple):
    """What a request came to."""

    result: object = None
    error: BaseException | None = None


class Session(Protocol[W]):
    """What a lane does with its connection; all of it happens in the lane's thread."""

    def open(self) -> None:
        """Connect."""
        ...

    def serve(self, group: list[W]) -> list[Outcome]:
        """Return the outcome of each request of a group, in its order."""
        ...

    def close(self) -> None:
        """Disconnect."""
        ...


class Lane(Generic[W]):
    """One thread that serves requests in the order in which they came, in groups."""

    def __init__(self, session: Session[W], place: str, name: str) -> None:
        self._session = session
        self._place = place
        self._name = name
        self._queue: SimpleQueue[tuple[Answer, W | None]] = SimpleQueue()
        self._lock = threading.Lock()
        self._open = False

    async def start(self) -> None:
        """Start the thread and return when its session is open."""
        answer: Answer = asyncio.get_running_loop().create_future()
        # A daemon: a store that nobody closed must not keep the program from ending.
        threading.Thread(target=self._run, args=(answer,), name=self._name, daemon=True).start()
        self._open = True
        try:
            await answer
        except BaseException:
            self._stop()
            raise

    def submit(self, work: W) -> Answer:
        """Queue a request; the answer comes also if the caller does not wait for it."""
        answer: Answer = asyncio.get_running_loop().create_future()
        # With the lock nothing can be queued behind the request to stop.
        with self._lock:
            if not self._open:
                raise StorageUnavailable(
                    f"the store {self._place!r} is not open", hint="use it inside `async with`"
                )
            self._queue.put((answer, work))
        return answer

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
            self._queue.put((answer, None))
        return answer

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

    def _next_group(self) -> tuple[list[tuple[Answer, W]], Answer | None]:
        """Wait for a request and return it with all others that are queued by then."""
        queue = self._queue
        group: list[tuple[Answer, W]] = []
        answer, work = queue.get()
        for _ in range(min(queue.qsize(), _MAX_GROUP)):
            if work is None:
                break
            group.append((answer, work))
            answer, work = queue.get()
        if work is None:
            return group, answer
        group.append((answer, work))
        return group, None

    def _serve(self, group: list[tuple[Answer, W]]) -> None:
        try:
            outcomes = self._session.serve([work for _, work in group])
        except BaseException as error:  # noqa: BLE001 - a thread that dies leaves callers waiting
            outcomes = [Outcome(error=error)] * len(group)
        _deliver([(answer, outcome) for (answer, _), outcome in zip(group, outcomes, strict=True)])


def _attempt(action: Callable[[], None]) -> Outcome:
    try:
        action()
    except BaseException as error:  # noqa: BLE001 - delivered to the caller
        return Outcome(error=error)
    return Outcome()


def _deliver(answers: list[tuple[Answer, Outcome]]) -> None:
    """Hand the outcomes to their event loops with one wake-up each."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Answer, Outcome]]] = {}
    for item in answers:
        by_loop.setdefault(item[0].get_loop(), []).append(item)
    for loop, items in by_loop.items():
        # A loop that was closed has nobody left who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, items)


def _settle(answers: Iterable[tuple[Answer, Outcome]]) -> None:
    for answer, (result, error) in answers:
        if answer.done():
            continue
        if error is None:
            answer.set_result(result)
        else:
            answer.set_exception(error)
