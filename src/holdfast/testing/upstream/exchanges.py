"""One request to the faulty upstream, and what became of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from holdfast.testing.upstream.acts import Act
from holdfast.testing.upstream.replies import Counts


@dataclass(slots=True, kw_only=True)
class Exchange:
    """A request and its answer. Times are those of the event loop, in seconds.

    `sent` counts the bytes of the answer, `events` the events or documents that were sent whole.
    `charged` are the tokens that the client would pay for, None if nothing is charged.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    act: Act
    began_at: float
    sent: int = 0
    events: int = 0
    charged: Counts | None = None
    left_at: float | None = None
    ended_at: float | None = None
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the client goes before the answer ended."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the answer ended, however it did."""
    released: asyncio.Event = field(default_factory=asyncio.Event)
    stalled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the exchange waits to be released."""
    steps: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    @property
    def json(self) -> dict[str, object]:
        """The request's body as JSON."""
        return cast("dict[str, object]", json.loads(self.body))

    @property
    def streams(self) -> bool:
        """Whether a stream was asked for."""
        named = self.path.partition("?")[0]
        if named.endswith(":streamGenerateContent"):
            return True
        # Ollama streams unless it is told not to.
        return self.json.get("stream", named.endswith("/api/chat")) is True

    def release(self) -> None:
        """Let an answer that hangs or stalls go on."""
        self.released.set()

    def step(self) -> None:
        """Let one more event of a paced answer go out."""
        self.steps.release()
