"""The seam to whoever looks at answers after they went out, and learns from them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from holdfast.frozen import frozen
from holdfast.routing.dispatching.asking import Ask
from holdfast.routing.selection.choosing import Wanted

Again = Callable[[Ask], Awaitable[tuple[str, int | None]]]
"""Sends the same request as `Ask` says; returns the text of the answer, and its cost in msat."""


@frozen
class Answered:
    """An answer that went out: whose it was, what it cost, and how to ask another model the same.

    `fits` says whether it was in the form that was asked for, None if nobody looked.
    """

    id: str
    ask: Ask
    wanted: Wanted
    model: str
    text: str
    cost_msat: int | None
    again: Again
    fits: bool | None = None


class Overseer(Protocol):
    """Learns from answers, without anybody waiting for it."""

    async def foresee(self, ask: Ask) -> Ask:
        """Return a request that leaves the model to us, with an id and what is known of its like."""
        ...

    def answered(self, answered: Answered) -> None:
        """Take note of an answer; it returns at once and never fails."""
        ...
