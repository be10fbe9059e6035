"""Make rings and read them back."""

from __future__ import annotations

from pathlib import Path

from holdfast.clock import SystemClock
from holdfast.testing.clock import ManualClock
from holdfast.tracing.entries import Entry, Loss, Position
from holdfast.tracing.ring.reading import rings
from holdfast.tracing.ring.ring import Ring
from holdfast.tracing.span import Span
from holdfast.tracing.tracer import Tracer

TRACE = "a" * 32


def small(folder: Path, clock: ManualClock | SystemClock | None = None, **options) -> Ring:
    return Ring(folder, clock=clock or SystemClock(), first_bytes=4096, full_bytes=4096, **options)


def read(folder: Path) -> list[Entry]:
    """Return all entries of all rings."""
    entries: list[Entry] = []
    for ring in rings(folder):
        position, at_end = Position(), False
        while not at_end:
            batch = ring.read(position, most=7)
            entries += batch.entries
            position, at_end = batch.now, batch.at_end
    return entries


def spans(entries: list[Entry]) -> list[str]:
    return [each.name for each in entries if isinstance(each, Span)]


def losses(entries: list[Entry]) -> int:
    return sum(each.count for each in entries if isinstance(each, Loss))


def make(tracer: Tracer, *names: str) -> None:
    for name in names:
        with tracer.span(name, trace_id=TRACE):
            pass
