"""Make nested spans in several threads, tell of each one, and wait to be killed."""

from __future__ import annotations

import json
import os
import random
import sys
import threading
from pathlib import Path

from holdfast.clock import SystemClock
from holdfast.tracing.current import Link
from holdfast.tracing.ring.ring import Ring
from holdfast.tracing.tracer import Tracer


def main(folder: str, trace: str, seed: str) -> None:
    """Acknowledge each span by one write to a pipe, after it was journaled."""
    chance = random.Random(int(seed))
    ring = Ring(Path(folder), clock=SystemClock(), first_bytes=1 << 14, full_bytes=1 << 16)
    tracer = Tracer(clock=SystemClock(), sink=ring)
    os.write(1, b"%d\n" % chance.randrange(1, 600))

    def tell(what: str, span_id: str) -> None:
        os.write(1, json.dumps([what, span_id]).encode() + b"\n")

    def work(own: random.Random, depth: int = 0) -> None:
        with tracer.span(f"depth {depth}", size="x" * own.randrange(200)) as span:
            tell("begun", span.span_id)
            while depth < 4 and own.random() < 0.6:
                work(own, depth + 1)
        tell("ended", span.span_id)

    with tracer.span("top", trace_id=trace) as top:
        tell("begun", top.span_id)

        def keep_working(own: random.Random) -> None:
            with tracer.under(Link(trace, top.span_id)):
                while True:
                    work(own)

        threads = [
            threading.Thread(target=keep_working, args=(random.Random(chance.random()),))
            for _ in range(2)
        ]
        for each in threads:
            each.start()
        threads[0].join()


if __name__ == "__main__":
    main(*sys.argv[1:])
