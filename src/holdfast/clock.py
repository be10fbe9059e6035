"""Read time and sleep: the only module that does either.

Everything that needs time takes a `Clock`, so that a test can turn it by hand
(`holdfast.testing.ManualClock`).
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def now_ms(self) -> int:
        """Return the wall clock as milliseconds since the Unix epoch."""
        ...

    def monotonic_ns(self) -> int:
        """Return nanoseconds of a clock that never goes back; only differences mean anything."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock's time."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    monotonic_ns = staticmethod(time.perf_counter_ns)  # twice a span: half as long as a method

    async def sleep(self, seconds: float) -> None:
        import asyncio  # noqa: PLC0415 - commands that never wait never load it

        await asyncio.sleep(seconds)
