"""An answer that comes whatever happens to whoever waits for it."""

from __future__ import annotations

import asyncio
from typing import Any


class Pledge(asyncio.Future[Any]):
    """A future that cannot be cancelled.

    A task that waits for it hears of its own cancellation when the answer is there. So whoever
    wrote something always learns what became of it.
    """

    _source: asyncio.Future[Any] | None = None

    def cancel(self, msg: object = None) -> bool:  # noqa: ARG002 - the signature of a future
        return False

    def follow(self, source: asyncio.Future[Any]) -> None:
        """Answer as another future does."""
        self._source = source  # nobody else may hold a task
        source.add_done_callback(self._take)

    def _take(self, source: asyncio.Future[Any]) -> None:
        self._source = None
        error = asyncio.CancelledError() if source.cancelled() else source.exception()
        if error is not None:
            self.set_exception(error)
        else:
            self.set_result(source.result())
