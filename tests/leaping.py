"""Time that passes at once for the timers of an event loop.

A test that waits a moment fails on a machine that is busy for as long: whatever should happen before the
end of the wait may not. With this the wait is long, and over as soon as what is to come before it came.
"""

from __future__ import annotations

import asyncio

from holdfast.testing.upstream import Exchange

_TURNS = 50


class _Leaping:
    """The clock of a loop, with what was added to it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._before = loop.time
        self.passed = 0.0

    def __call__(self) -> float:
        return self._before() + self.passed


def let_leap() -> _Leaping:
    """Give the running loop a clock that can leap; who asked it for its clock before has the old one."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop.time, _Leaping):
        loop.time = _Leaping(loop)  # type: ignore[method-assign]
    assert isinstance(loop.time, _Leaping)
    return loop.time


def leap(seconds: float) -> None:
    """Let so much time pass for the running loop; it never goes back."""
    let_leap().passed += seconds


async def turns() -> None:
    """Let everybody do what they can without waiting."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


async def outwait(exchange: Exchange, seconds: float) -> None:
    """Wait until an upstream is silent, and let time pass again and again until it is given up.

    There is no harm in too much of it, as long as whatever must not end is allowed much longer.
    """
    await exchange.stalled.wait()
    while not exchange.left.is_set():
        await turns()  # what has come is read before the time for it is over
        leap(seconds)
