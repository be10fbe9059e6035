"""Serve each request at once, in the thread of the caller: for a command that does one thing.

Loading `asyncio` takes longer than most commands have. A store that is served at once never waits,
so its coroutines run to their end without an event loop: `drive` does that.
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

from holdfast.errors import StorageUnavailable
from holdfast.storage.outcomes import Outcome, Session

T = TypeVar("T")
W = TypeVar("W")


def drive(work: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns that waits for nothing but a store that is served at once."""
    try:
        work.send(None)
    except StopIteration as ended:
        return ended.value
    work.close()
    raise RuntimeError("the work waits for something that only an event loop can bring")


class AtOnce(Generic[W]):
    """The session of a store, served by whoever asks."""

    def __init__(self, session: Session[W], place: str) -> None:
        self._session = session
        self._place = place
        self._open = False

    async def start(self) -> None:
        """Open the session."""
        self._session.open()
        self._open = True

    def submit(self, work: W) -> _Answered:
        """Serve a request now."""
        if not self._open:
            raise StorageUnavailable(
                f"the store {self._place!r} is not open", hint="use it inside `async with`"
            )
        return _Answered(*self._session.serve([work])[0])

    async def stop(self) -> None:
        """Close the session."""
        if self._open:
            self._open = False
            self._session.close()


class _Answered(Outcome):
    """An outcome that can be waited for, and is there already."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, Any]:
        if self.error is not None:
            raise self.error
        return self.result
        yield
