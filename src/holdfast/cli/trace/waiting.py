"""Say on a terminal what is waited for: a burst of spans that is taken in and settled."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TextIO

from holdfast.cli.output import Output
from holdfast.clock import Clock, SystemClock
from holdfast.tracing.watching import UNWATCHED, Watch

_PATIENCE_NS = 1_000_000_000
_EVERY_NS = 100_000_000


class Waiting:
    """A `Watch` that shows one line, once somebody has waited for a second."""

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        self._stream, self._clock = stream, clock
        self._entries = 0
        self._next_ns = clock.monotonic_ns() + _PATIENCE_NS
        self._is_shown = False

    def collected(self, entries: int) -> None:
        self._entries += entries
        self._show(f"taking in what was traced: {self._entries:,} entries")

    def settled(self, done: int, total: int) -> None:
        self._show(f"settling traces: {done:,} of {total:,}")

    def clear(self) -> None:
        """Leave no line behind."""
        if self._is_shown:
            self._write("\r\x1b[K")

    def _show(self, text: str) -> None:
        now = self._clock.monotonic_ns()
        if now >= self._next_ns:
            self._next_ns = now + _EVERY_NS
            self._is_shown = True
            self._write(f"\r\x1b[K{text}")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


@contextmanager
def waiting_shown(output: Output) -> Generator[Watch]:
    """Give what shows on standard error, if that is a terminal, how far work has come."""
    if output.as_json or not sys.stderr.isatty():
        yield UNWATCHED
        return
    waiting = Waiting(sys.stderr, SystemClock())
    try:
        yield waiting
    finally:
        waiting.clear()
