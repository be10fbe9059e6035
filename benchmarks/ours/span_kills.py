"""What a thousand kills at random moments cost: finished spans lost, and open ones not named.

A child makes nested spans and acknowledges each in a pipe once it has begun and once it has ended.
It is killed after a random number of them; then its ring is collected into a store and compared.
The children are forked off a process that has loaded everything, so that a kill takes milliseconds.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from holdfast.clock import SystemClock
from holdfast.ids import new_run_id
from holdfast.tracing.collecting import collect
from holdfast.tracing.digesting import digest_of
from holdfast.tracing.ring.ring import Ring
from holdfast.tracing.store.sqlite.store import SqliteTraceStore
from holdfast.tracing.tracer import Tracer

BEGUN, ENDED = b"+", b"-"
_LINE = 18


def measure(folder: Path, *, kills: int, seed: int) -> Mapping[str, float]:
    """Return what was lost over all kills, and how many spans there were."""
    chance = random.Random(seed)
    totals = {"kill_lost": 0, "kill_unnamed": 0, "ended": 0, "open": 0, "kills": kills}
    with SqliteTraceStore(str(folder / "traces.db"), digester=digest_of) as store:
        for _ in range(kills):
            trace = new_run_id()
            begun, ended = _kill_one(folder / "rings", trace, chance)
            collect(folder / "rings", store)
            found = {span.span_id: span.status for span in store.spans(trace)}
            totals["kill_lost"] += sum(found.get(each) != "ok" for each in ended)
            totals["kill_unnamed"] += sum(each not in found for each in begun - ended)
            totals["ended"] += len(ended)
            totals["open"] += sum(status == "lost" for status in found.values())
    return totals


def _kill_one(rings: Path, trace: str, chance: random.Random) -> tuple[set[str], set[str]]:
    """Kill a child at a random moment; return the spans it told of: begun and ended."""
    reader, writer = os.pipe()
    seed, moment = chance.random(), chance.uniform(0, 0.01)
    child = os.fork()
    if not child:
        try:
            os.close(reader)
            _make_spans(rings, trace, random.Random(seed), writer)
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        told = pipe.read(_LINE)  # it is at work
        time.sleep(moment)
        os.kill(child, signal.SIGKILL)
        while more := pipe.read(1 << 16):
            told += more
    os.waitpid(child, 0)
    lines = [told[at : at + _LINE] for at in range(0, len(told) - _LINE + 1, _LINE)]
    begun = {line[1:17].decode() for line in lines if line[:1] == BEGUN}
    return begun, {line[1:17].decode() for line in lines if line[:1] == ENDED}


def _make_spans(rings: Path, trace: str, chance: random.Random, pipe: int) -> None:
    ring = Ring(rings, clock=SystemClock(), first_bytes=1 << 14, full_bytes=1 << 16)
    tracer = Tracer(clock=SystemClock(), sink=ring)

    def make(depth: int) -> None:
        with tracer.span(f"depth {depth}", size="x" * chance.randrange(300)) as span:
            os.write(pipe, BEGUN + span.span_id.encode() + b"\n")
            while depth < 5 and chance.random() < 0.6:
                make(depth + 1)
        os.write(pipe, ENDED + span.span_id.encode() + b"\n")

    with tracer.span("top", trace_id=trace) as top:
        os.write(pipe, BEGUN + top.span_id.encode() + b"\n")
        while True:
            make(1)


if __name__ == "__main__":
    request = json.loads(sys.argv[1])
    place = Path(str(request["folder"]))
    place.mkdir(parents=True, exist_ok=True)
    kills, seed = int(request.get("kills", 1000)), int(request.get("seed", 1))
    print(json.dumps(measure(place, kills=kills, seed=seed)))
