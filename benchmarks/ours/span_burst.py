"""How many spans of a burst of a million are lost, and how quickly it goes.

One thread makes them in a tight loop, and nobody reads meanwhile. Then the ring is read to its end
and each span is looked for by its number.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from holdfast.clock import SystemClock
from holdfast.ids import new_run_id
from holdfast.tracing.entries import Loss, Position
from holdfast.tracing.ring.reading import rings
from holdfast.tracing.ring.ring import Ring
from holdfast.tracing.span import Span
from holdfast.tracing.tracer import Tracer


def measure(folder: Path, *, spans: int) -> Mapping[str, float]:
    """Return how many were lost, told or not, and how many were made and read a second."""
    ring = Ring.open(folder, clock=SystemClock())
    tracer = Tracer(clock=SystemClock(), sink=ring)
    begin = time.perf_counter()
    with tracer.span("root", trace_id=new_run_id()):
        for number in range(spans):
            with tracer.span("burst", number=number):
                pass
    made = time.perf_counter()
    ring.close()
    seen, told = _read(folder, spans)
    return {
        "burst_lost": spans - sum(seen),
        "burst_told": told,
        "burst_per_s": spans / (made - begin),
        "read_per_s": spans / (time.perf_counter() - made),
    }


def _read(folder: Path, spans: int) -> tuple[bytearray, int]:
    """Return which numbers were found, one byte each, and how many losses were told."""
    seen, told = bytearray(spans), 0
    for ring in rings(folder):
        position, at_end = Position(), False
        while not at_end:
            batch = ring.read(position)
            for entry in batch.entries:
                if isinstance(entry, Span) and entry.name == "burst":
                    seen[int(str(entry.attributes["number"]))] = 1
                elif isinstance(entry, Loss):
                    told += entry.count
            position, at_end = batch.now, batch.at_end
            ring.remove(position)
        ring.discard()
    return seen, told


if __name__ == "__main__":
    request = json.loads(sys.argv[1])
    place = Path(str(request["folder"])) / "rings"
    print(json.dumps(measure(place, spans=int(request.get("spans", 1_000_000)))))
